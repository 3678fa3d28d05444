"""SMTP submission (RFC 6409) over pooled connections."""

from __future__ import annotations

import asyncio

from utskick.channels.email.mime import ComposedMail
from utskick.channels.email.settings import AccountSettings
from utskick.channels.email.smtp_pool import SmtpConnection, SmtpPool
from utskick.channels.email.smtp_replies import Step, outcome_of
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected

_LOST = Deferred(
    Reason(
        "connection-lost", "the connection to the mail server was lost before the message was sent"
    )
)


class Smtp:
    """One account, with at most ``concurrency`` transactions at a time."""

    signs = False
    largest = None

    def __init__(self, name: str, account: AccountSettings) -> None:
        self._name = name
        self._pool = SmtpPool(account)
        self._slots = asyncio.Semaphore(account.concurrency)

    async def send(self, mail: ComposedMail) -> Outcome:
        """Make one attempt; a pooled connection found to be closed is replaced once."""
        async with self._slots:
            connection = await self._pool.acquire()
            if isinstance(connection, SmtpConnection) and connection.used:
                outcome = await self._transact(connection, mail)
                if outcome != _LOST and not _is_closing(outcome):
                    return outcome
                connection = await self._pool.open()
            return (
                await self._transact(connection, mail)
                if isinstance(connection, SmtpConnection)
                else connection
            )

    async def _transact(self, connection: SmtpConnection, mail: ComposedMail) -> Outcome:
        try:
            outcome = await _transaction(connection, mail)
        except BaseException:  # cancelled, or a bug: the state of the session is unknown
            connection.drop()
            raise
        self._pool.release(connection)
        return outcome

    async def check(self) -> AccountHealth:
        """Connect, secure, log in and send NOOP."""
        connection = await self._pool.open()
        if not isinstance(connection, SmtpConnection):
            return AccountHealth(self._name, False, _sentence(connection))
        reply = await connection.command(b"NOOP")
        await connection.leave()
        ok = reply is not None and reply.code == 250
        return AccountHealth(
            self._name,
            ok,
            "the mail server responds"
            if ok
            else "the mail server accepted the connection but did not respond",
        )

    async def close(self) -> None:
        await self._pool.close()


def _is_closing(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.reason.code == "closing"


def _sentence(outcome: Outcome) -> str:
    return (
        outcome.reason.sentence
        if isinstance(outcome, Deferred | Misconfigured)
        else "the mail server cannot be used"
    )


async def _transaction(connection: SmtpConnection, mail: ComposedMail) -> Outcome:
    """Run MAIL, RCPT, DATA and the content (RFC 5321 section 3.3)."""
    unsupported = _unsupported(connection, mail)
    if unsupported is not None:
        return unsupported
    options = [b"SIZE=%d" % len(mail.data)] if connection.offers("size") else []
    if mail.international:
        options += [b"SMTPUTF8", b"BODY=8BITMIME"]
    steps = (
        (Step.SENDER, 2, (b"MAIL", b"FROM:<%b>" % mail.sender.encode(), *options)),
        (Step.RECIPIENT, 2, (b"RCPT", b"TO:<%b>" % mail.recipient.encode())),
        (Step.DATA, 3, (b"DATA",)),
    )
    for step, expected, command in steps:
        reply = await connection.command(*command)
        if reply is None:
            return _LOST
        if reply.code // 100 != expected:
            return outcome_of(step, reply)
    return await connection.send_content(_dot_stuffed(mail.data))


def _unsupported(connection: SmtpConnection, mail: ComposedMail) -> Outcome | None:
    """Return the rejection of a message beyond the limits announced in EHLO, if any."""
    if 0 < connection.size_limit < len(mail.data):
        return Rejected(Reason("too-large", "the message exceeds the mail server's size limit"))
    if mail.international and not connection.offers("smtputf8"):
        return Rejected(
            Reason("address", "the mail server does not support addresses beyond ASCII")
        )
    return None


def _dot_stuffed(data: bytes) -> bytes:
    """Double leading dots and append the final dot (RFC 5321 section 4.5.2)."""
    doubled = data.replace(b"\r\n.", b"\r\n..")
    return (b"." if doubled.startswith(b".") else b"") + doubled + b".\r\n"
