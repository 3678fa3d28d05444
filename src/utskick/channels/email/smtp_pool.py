"""Connections to one submission server: opened securely or not at all, used for many messages,
closed when idle."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from utskick.channels.email.settings import AccountSettings
from utskick.channels.email.smtp_replies import Reply, Step, verdict
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Uncertain

#: Bytes a second that the slowest line worth having carries: a silent server is not one that is
#: still receiving.
_SLOW = 100_000


class SmtpConnection:
    """One conversation, ready for mail."""

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
        """What the server says it takes (RFC 1870), in bytes; 0 when it names no limit."""
        said = self._client.esmtp_extensions.get("size", "")
        return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0

    def offers(self, extension: str) -> bool:
        return self._client.supports_extension(extension)

    async def say(self, *command: bytes, timeout: float | None = None) -> Reply | None:
        """The reply; None when the connection was lost, silent or not understood, and is closed."""
        try:
            code, text = await self._client.execute_command(
                *command, timeout=timeout or self._account.read_timeout
            )
        except (SMTPException, OSError):
            self.drop()
            return None
        return Reply(code, text)

    async def hand_over(self, data: bytes) -> Outcome:
        """The content, after the server asked for it; ``data`` has its dots doubled and ends in the
        last of them."""
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
            said = Reason("garbage", "the mail server's answer to the message cannot be understood")
        except TimeoutError:
            said = Reason("no-answer", "the message left, and no answer came in time")
        except (SMTPException, OSError):
            said = Reason(
                "connection-lost", "the message left, and the connection was lost before the answer"
            )
        else:
            return verdict(Step.CONTENT, Reply(code, text))
        self.drop()
        return Uncertain(said)

    def drop(self) -> None:
        """Close at once: what has not left yet must not leave any more."""
        if self._client.transport is not None:
            cast(asyncio.WriteTransport, self._client.transport).abort()
        self._client.close()

    async def leave(self) -> None:
        """Close as RFC 5321 section 4.1.1.10 wants it."""
        with suppress(SMTPException, OSError):
            await self._client.quit(timeout=1)
        self._client.close()


async def connect(account: AccountSettings, tls: ssl.SSLContext | None) -> SmtpConnection | Outcome:
    """A new connection, secured and logged in; or why there is none."""
    client = SMTP(
        hostname=account.host,
        port=account.port,
        local_hostname=account.greeting,
        timeout=account.read_timeout,
        use_tls=account.security == "tls",
        start_tls=False,
        tls_context=tls,
    )
    try:
        await client.connect(timeout=account.connect_timeout)
        await _greet(client)
        refusal = await _secure(client, account) or await _log_in(client, account)
    except (SMTPException, OSError) as fault:
        client.close()
        return _absence(fault)
    except BaseException:
        client.close()
        raise
    if refusal is not None:
        client.close()
        return refusal
    return SmtpConnection(client, account)


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _secure(client: SMTP, account: AccountSettings) -> Outcome | None:
    """STARTTLS, or nothing is sent: a server that does not offer it may be somebody in between (RFC
    3207 section 6)."""
    if account.security != "starttls":
        return None
    if not client.supports_extension("starttls"):
        return Misconfigured(
            Reason(
                "tls", "the mail server offers no STARTTLS, and the account's security asks for it"
            )
        )
    await client.starttls(timeout=account.connect_timeout)
    await _greet(client)
    return None


async def _log_in(client: SMTP, account: AccountSettings) -> Outcome | None:
    """One attempt by the first method that both know: a second one with the same password would
    count against us."""
    if account.username is None or account.password is None:
        return None
    password = account.password.get_secret_value()
    ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
    for name, way in ways.items():
        if name in client.server_auth_methods:
            await way(account.username, password)
            return None
    return Misconfigured(
        Reason("refused-login", "the mail server offers no way to log in that we know")
    )


def _absence(fault: Exception) -> Outcome:
    if isinstance(fault, ssl.SSLError) or isinstance(fault.__cause__, ssl.SSLError):
        return Misconfigured(
            Reason(
                "tls",
                "no secure connection to the mail server: its certificate or its TLS was not accepted",
            )
        )
    if isinstance(fault, SMTPResponseException):
        return verdict(Step.OPEN, Reply(fault.code, fault.message))
    return Deferred(
        Reason("unreachable", f"the mail server could not be reached ({type(fault).__name__})")
    )


class Connections:
    """The open connections that nobody uses at the moment. ``take`` one, ``give`` it back if it is
    still good."""

    def __init__(self, account: AccountSettings) -> None:
        self._account = account
        self._idle: list[SmtpConnection] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    async def take(self) -> SmtpConnection | Outcome:
        while self._idle:
            connection = self._idle.pop()
            reply = (
                await connection.say(b"RSET", timeout=self._account.connect_timeout)
                if connection.open
                else None
            )
            if reply is not None and reply.code == 250:
                return connection
            connection.drop()
        return await self.open()

    async def open(self) -> SmtpConnection | Outcome:
        """A fresh one, past all that are idle."""
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
            self._tls = None  # the file may have been renewed since it was read
        return opened

    def give(self, connection: SmtpConnection) -> None:
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
