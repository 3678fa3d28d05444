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

    def __init__(self, name: str, account: AccountSettings, probe: ComposedMail) -> None:
        """``probe``: an envelope that the server must accept, for ``check``."""
        self._name = name
        self._probe = probe
        self._pool = SmtpPool(account)
        self._slots = asyncio.Semaphore(account.concurrency)

    async def send(self, mail: ComposedMail) -> Outcome:
        """Make one attempt; a pooled connection found to be closed is replaced once."""
        async with self._slots:
            connection = await self._pool.acquire()
            if isinstance(connection, SmtpConnection) and connection.used:
                outcome = await self._transact(connection, mail)
                if not _is_lost(outcome):
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
        """Connect, secure, log in, and offer the probe's envelope; nothing is sent.

        A recipient that the server does not know is only a warning: many a default sender's
        mailbox does not exist.
        """
        connection = await self._pool.open()
        if not isinstance(connection, SmtpConnection):
            return AccountHealth(self._name, False, _sentence(connection))
        refusal = await _envelope(connection, self._probe)
        await connection.command(b"RSET")
        await connection.leave()
        if refusal is None:
            return AccountHealth(self._name, True, "the mail server accepts the default sender")
        step, outcome = refusal
        if step is Step.RECIPIENT and not isinstance(outcome, Misconfigured):
            sentence = (
                "the mail server accepts the default sender; of a message to that address it says:"
                f" {_sentence(outcome)}"
            )
            return AccountHealth(self._name, True, sentence, warns=True)
        return AccountHealth(self._name, False, _sentence(outcome))

    async def close(self) -> None:
        await self._pool.close()


def _is_lost(outcome: Outcome) -> bool:
    """Return whether the server had closed the session, before the message left."""
    return isinstance(outcome, Deferred) and outcome.reason.code in ("closing", "connection-lost")


def _sentence(outcome: Outcome) -> str:
    return (
        outcome.reason.sentence
        if isinstance(outcome, Deferred | Misconfigured | Rejected)
        else "the mail server cannot be used"
    )


async def _transaction(connection: SmtpConnection, mail: ComposedMail) -> Outcome:
    """Run MAIL, RCPT, DATA and the content (RFC 5321 section 3.3)."""
    unsupported = _unsupported(connection, mail)
    if unsupported is not None:
        return unsupported
    refusal = await _envelope(connection, mail)
    if refusal is not None:
        return refusal[1]
    reply = await connection.command(b"DATA")
    if reply is None:
        return _LOST
    if reply.code // 100 != 3:
        return outcome_of(Step.DATA, reply)
    return await connection.send_content(_dot_stuffed(mail.data))


async def _envelope(connection: SmtpConnection, mail: ComposedMail) -> tuple[Step, Outcome] | None:
    """Send MAIL and RCPT. Return the step that was refused with its outcome; None if none was."""
    options = [b"SIZE=%d" % len(mail.data)] if mail.data and connection.offers("size") else []
    if mail.international:
        options += [b"SMTPUTF8", b"BODY=8BITMIME"]
    for step, command in (
        (Step.SENDER, (b"MAIL", b"FROM:<%b>" % mail.mail_from.encode(), *options)),
        (Step.RECIPIENT, (b"RCPT", b"TO:<%b>" % mail.recipient.encode())),
    ):
        reply = await connection.command(*command)
        if reply is None:
            return step, _LOST
        if reply.code // 100 != 2:
            return step, outcome_of(step, reply)
    return None


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
