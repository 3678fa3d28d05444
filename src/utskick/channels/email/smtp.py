"""Mail handed over to one submission server (RFC 6409), over connections that are used again."""

from __future__ import annotations

import asyncio

from utskick.channels.email.mime import ComposedMail
from utskick.channels.email.settings import AccountSettings
from utskick.channels.email.smtp_pool import Connections, SmtpConnection
from utskick.channels.email.smtp_replies import Step, verdict
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected

_LOST = Deferred(
    Reason(
        "connection-lost", "the connection to the mail server was lost before the message was sent"
    )
)


class Smtp:
    """One account: at most ``concurrency`` conversations at a time."""

    signs = False
    largest = None

    def __init__(self, name: str, account: AccountSettings) -> None:
        self._name = name
        self._connections = Connections(account)
        self._turns = asyncio.Semaphore(account.concurrency)

    async def send(self, mail: ComposedMail) -> Outcome:
        """One attempt. A connection that had gone stale before anything of the message left is
        replaced once."""
        async with self._turns:
            connection = await self._connections.take()
            if isinstance(connection, SmtpConnection) and connection.used:
                outcome = await self._transact(connection, mail)
                if outcome != _LOST and not _closing(outcome):
                    return outcome
                connection = await self._connections.open()
            return (
                await self._transact(connection, mail)
                if isinstance(connection, SmtpConnection)
                else connection
            )

    async def _transact(self, connection: SmtpConnection, mail: ComposedMail) -> Outcome:
        try:
            outcome = await _transaction(connection, mail)
        except BaseException:  # cancelled, or a bug: nobody knows where the conversation stands
            connection.drop()
            raise
        self._connections.give(connection)
        return outcome

    async def look(self) -> AccountHealth:
        """Connect, greet, secure, log in; then NOOP."""
        connection = await self._connections.open()
        if not isinstance(connection, SmtpConnection):
            return AccountHealth(self._name, False, _sentence(connection))
        reply = await connection.say(b"NOOP")
        await connection.leave()
        ok = reply is not None and reply.code == 250
        return AccountHealth(
            self._name,
            ok,
            "the mail server answers"
            if ok
            else "the mail server took our connection and then did not answer",
        )

    async def close(self) -> None:
        await self._connections.close()


def _closing(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.reason.code == "closing"


def _sentence(outcome: Outcome) -> str:
    return (
        outcome.reason.sentence
        if isinstance(outcome, Deferred | Misconfigured)
        else "the mail server cannot be used"
    )


async def _transaction(connection: SmtpConnection, mail: ComposedMail) -> Outcome:
    """MAIL, RCPT, DATA and the content (RFC 5321 section 3.3)."""
    refusal = _beyond(connection, mail)
    if refusal is not None:
        return refusal
    options = [b"SIZE=%d" % len(mail.data)] if connection.offers("size") else []
    if mail.international:
        options += [b"SMTPUTF8", b"BODY=8BITMIME"]
    steps = (
        (Step.SENDER, 2, (b"MAIL", b"FROM:<%b>" % mail.sender.encode(), *options)),
        (Step.RECIPIENT, 2, (b"RCPT", b"TO:<%b>" % mail.recipient.encode())),
        (Step.DATA, 3, (b"DATA",)),
    )
    for step, expected, command in steps:
        reply = await connection.say(*command)
        if reply is None:
            return _LOST
        if reply.code // 100 != expected:
            return verdict(step, reply)
    return await connection.hand_over(_transparent(mail.data))


def _beyond(connection: SmtpConnection, mail: ComposedMail) -> Outcome | None:
    """What the server has said that it cannot do, and need not be asked."""
    if 0 < connection.size_limit < len(mail.data):
        return Rejected(Reason("too-large", "the message is larger than the mail server takes"))
    if mail.international and not connection.offers("smtputf8"):
        return Rejected(Reason("address", "the mail server cannot carry addresses beyond ASCII"))
    return None


def _transparent(data: bytes) -> bytes:
    """RFC 5321 section 4.5.2: a leading dot is doubled, and a dot of its own ends the content."""
    doubled = data.replace(b"\r\n.", b"\r\n..")
    return (b"." if doubled.startswith(b".") else b"") + doubled + b".\r\n"
