"""Pool of connections to one submission server: secured, reused, and closed when idle."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import cast

from aiosmtplib import (
    SMTP,
    SMTPConnectTimeoutError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from utskick.channels.email.settings import AccountSettings
from utskick.channels.email.smtp_replies import Reply, Step, outcome_of
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Uncertain
from utskick.outgoing.address_guard import ForbiddenAddress
from utskick.outgoing.dialing import dial
from utskick.outgoing.http_client import FORBIDDEN

#: Slowest line assumed, in bytes per second: extends the time-out of large messages.
_SLOW = 100_000


class SmtpConnection:
    """One established session, ready for mail transactions."""

    def __init__(self, client: SMTP, account: AccountSettings) -> None:
        self._client = client
        self._account = account
        self.used = 0
        self.idle_since = 0.0

    @property
    def open(self) -> bool:
        return self._client.is_connected

    @property
    def size_limit(self) -> int:
        """Size limit announced by the server (RFC 1870) in bytes; 0 if there is none."""
        size = self._client.esmtp_extensions.get("size", "")
        return int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0

    def offers(self, extension: str) -> bool:
        return self._client.supports_extension(extension)

    async def command(self, *command: bytes, timeout: float | None = None) -> Reply | None:
        """Return the reply, or None after closing a lost, silent or unintelligible connection."""
        try:
            code, text = await self._client.execute_command(
                *command, timeout=timeout or self._account.read_timeout
            )
        except (SMTPException, OSError):
            self.drop()
            return None
        return Reply(code, text)

    async def send_content(self, data: bytes) -> Outcome:
        """Send the content after DATA was accepted; ``data`` is dot-stuffed and terminated."""
        protocol = self._client.protocol
        try:
            if protocol is None:
                raise SMTPServerDisconnected("closed")
            protocol.write(data)
        except SMTPException:
            self.drop()
            return Deferred(
                Reason(
                    "connection-lost",
                    "the mail server closed the connection before the message was sent",
                )
            )
        try:
            code, text = await protocol.read_response(
                timeout=self._account.read_timeout + len(data) / _SLOW
            )
        except SMTPResponseException:
            reason = Reason("garbage", "the mail server's reply to the message cannot be parsed")
        except TimeoutError:
            reason = Reason("no-answer", "the message was sent, but no reply arrived in time")
        except (SMTPException, OSError):
            reason = Reason("connection-lost", "the connection was lost after the message was sent")
        else:
            return outcome_of(Step.CONTENT, Reply(code, text))
        self.drop()
        return Uncertain(reason)

    def drop(self) -> None:
        """Close at once, so that buffered data is not sent."""
        if self._client.transport is not None:
            cast(asyncio.WriteTransport, self._client.transport).abort()
        self._client.close()

    async def leave(self) -> None:
        """Close with QUIT (RFC 5321 section 4.1.1.10)."""
        with suppress(SMTPException, OSError):
            await self._client.quit(timeout=1)
        self._client.close()


async def connect(account: AccountSettings, tls: ssl.SSLContext | None) -> SmtpConnection | Outcome:
    """Open a secured and authenticated connection, or return the outcome of the failure."""
    try:
        sock = await _dial(account)
    except ForbiddenAddress:
        return FORBIDDEN
    except OSError as fault:
        return _connection_failure(fault)
    client = SMTP(
        hostname=account.host,
        sock=sock,
        local_hostname=account.greeting,
        timeout=account.read_timeout,
        use_tls=account.security == "tls",
        start_tls=False,
        tls_context=tls,
    )
    try:
        await client.connect(timeout=account.banner_timeout)
        await _greet(client)
        refusal = await _secure(client, account) or await _log_in(client, account)
    except (SMTPException, OSError) as fault:
        client.close()
        return _connection_failure(fault)
    except BaseException:
        client.close()
        raise
    if refusal is not None:
        client.close()
        return refusal
    return SmtpConnection(client, account)


async def _dial(account: AccountSettings) -> socket.socket:
    """Connect. Raises ``OSError`` and ``ForbiddenAddress``.

    Apart from the greeting, which a server may delay for longer than a network does (RFC 5321
    section 4.5.3.2.1 allows five minutes; Postfix's postscreen waits six seconds).
    """
    async with asyncio.timeout(account.connect_timeout):
        return await dial(account.host, account.port, account.reach)


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _secure(client: SMTP, account: AccountSettings) -> Outcome | None:
    """Upgrade with STARTTLS if configured.

    A server that does not offer it may be a man in the middle (RFC 3207 section 6), so nothing is
    sent without it.
    """
    if account.security != "starttls":
        return None
    if not client.supports_extension("starttls"):
        return Misconfigured(
            Reason("tls", "the mail server does not offer STARTTLS, which the account requires")
        )
    await client.starttls(timeout=account.banner_timeout)
    await _greet(client)
    return None


async def _log_in(client: SMTP, account: AccountSettings) -> Outcome | None:
    """Authenticate once, by the first method supported by both sides.

    A second attempt with the same password could lock the account.
    """
    if account.username is None or account.password is None:
        return None
    password = account.password.get_secret_value()
    methods = {
        "plain": client.auth_plain,
        "login": client.auth_login,
        "cram-md5": client.auth_crammd5,
    }
    for name, authenticate in methods.items():
        if name in client.server_auth_methods:
            await authenticate(account.username, password)
            return None
    return Misconfigured(
        Reason("refused-login", "the mail server offers no supported authentication method")
    )


def _connection_failure(fault: Exception) -> Outcome:
    if isinstance(fault, ssl.SSLError) or isinstance(fault.__cause__, ssl.SSLError):
        return Misconfigured(
            Reason(
                "tls",
                "TLS connection to the mail server failed: its certificate or protocol version"
                " was not accepted",
            )
        )
    if isinstance(fault, SMTPResponseException):
        step = Step.HELO if isinstance(fault, SMTPHeloError) else Step.OPEN
        return outcome_of(step, Reply(fault.code, fault.message))
    if isinstance(fault, SMTPConnectTimeoutError):
        return Deferred(
            Reason(
                "no-greeting", "the mail server accepted the connection, but did not greet in time"
            )
        )
    return Deferred(
        Reason("unreachable", f"the mail server cannot be reached ({type(fault).__name__})")
    )


class SmtpPool:
    """Idle connections of one account. ``acquire`` one, then ``release`` it, whatever its state."""

    def __init__(self, account: AccountSettings) -> None:
        self._account = account
        self._idle: list[SmtpConnection] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    async def acquire(self) -> SmtpConnection | Outcome:
        """Return a live idle connection, or a new one, or the outcome of the failure to open it."""
        while self._idle:
            connection = self._idle.pop()
            reply = (
                await connection.command(b"RSET", timeout=self._account.connect_timeout)
                if connection.open
                else None
            )
            if reply is not None and reply.code == 250:
                return connection
            connection.drop()
        return await self.open()

    async def open(self) -> SmtpConnection | Outcome:
        """Open a new connection, leaving the idle ones."""
        try:
            if self._tls is None and self._account.security != "plain":
                self._tls = await asyncio.to_thread(
                    ssl.create_default_context,
                    cafile=self._account.ca_file,
                    cadata=self._account.ca,
                )
        except OSError:
            return Misconfigured(Reason("tls", "the account's ca_file cannot be read"))
        opened = await connect(self._account, self._tls)
        if isinstance(opened, Misconfigured):
            self._tls = None  # reload the CA file, which may have been renewed
        return opened

    def release(self, connection: SmtpConnection) -> None:
        """Return a connection to the pool, or close it if it is worn out or superfluous."""
        connection.used += 1
        if not connection.open:
            return
        if (
            connection.used >= self._account.messages_per_connection
            or len(self._idle) >= self._account.concurrency
        ):
            self._dismiss(connection)
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._account.idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        due = loop.time() - self._account.idle_seconds + 0.001
        for connection in [c for c in self._idle if c.idle_since <= due]:
            self._idle.remove(connection)
            self._dismiss(connection)
        if self._idle:
            next_due = min(c.idle_since for c in self._idle) + self._account.idle_seconds
            self._sweep = loop.call_at(next_due, self._close_idle)

    def _dismiss(self, connection: SmtpConnection) -> None:
        task = asyncio.create_task(connection.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._idle:
            self._dismiss(self._idle.pop())
        await asyncio.gather(*self._leaving)
