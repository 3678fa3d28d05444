"""Message contents as requests of the client package; equal input gives equal requests."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from utskick.cli.encodings import decode
from utskick.domain.characters import composed
from utskick.domain.errors import Unreadable
from utskick.domain.recipient import Recipient
from utskick_client import (
    AsyncUtskickClient,
    BatchResult,
    Email,
    EmailAttachment,
    EmailBatch,
    EmailRecipient,
    EmailSender,
    MessageResult,
    Party,
    SendOptions,
    Sms,
    SmsBatch,
    SmsRecipient,
)


class MessageContent(Protocol):
    """Content of a message, independent of its recipients."""

    def to_one(self, recipient: Recipient) -> Sms | Email: ...

    def to_many(self, recipients: Sequence[Recipient]) -> SmsBatch | EmailBatch: ...


@dataclass(frozen=True, slots=True)
class SmsContent:
    """Content of an SMS; ``sender`` None means the municipality's default."""

    message: str
    sender: str | None = None
    high: bool = False

    def to_one(self, recipient: Recipient) -> Sms:
        party, priority = _party(recipient), _priority(self.high)
        return Sms(
            recipient.destination,
            self.message,
            self.sender,
            party,
            priority=priority,
            reference=recipient.reference,
        )

    def to_many(self, recipients: Sequence[Recipient]) -> SmsBatch:
        parties = [SmsRecipient(r.destination, r.party_id, r.reference) for r in recipients]
        return SmsBatch(self.message, parties, self.sender, priority=_priority(self.high))


@dataclass(frozen=True, slots=True)
class LocalFile:
    """File read from disk: an attachment or an HTML body."""

    name: str
    data: bytes

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class EmailContent:
    """Content of an e-mail.

    ``html``: bytes of an HTML page. ``sender``: (name, address), or None for the municipality's
    default.
    """

    subject: str
    message: str
    html: bytes | None = None
    files: tuple[LocalFile, ...] = ()
    sender: tuple[str, str] | None = None
    high: bool = False

    def to_one(self, recipient: Recipient) -> Email:
        party = _party(recipient)
        return Email(
            recipient.destination,
            self.subject,
            party=party,
            reference=recipient.reference,
            **self._common(),
        )

    def to_many(self, recipients: Sequence[Recipient]) -> EmailBatch:
        parties = [EmailRecipient(r.destination, r.party_id, r.reference) for r in recipients]
        return EmailBatch(self.subject, parties, **self._common())

    def _common(self) -> dict[str, Any]:
        return {
            "message": self.message,
            "html_message": self.html,
            "sender": EmailSender(*self.sender) if self.sender else None,
            "attachments": [
                EmailAttachment(file.name, file.data, file.content_type) for file in self.files
            ]
            or None,
            "priority": _priority(self.high),
        }


async def send(
    client: AsyncUtskickClient, body: Sms | Email, options: SendOptions
) -> MessageResult:
    return await (
        client.send_sms(body, options)
        if isinstance(body, Sms)
        else client.send_email(body, options)
    )


async def send_batch(
    client: AsyncUtskickClient, body: SmsBatch | EmailBatch, options: SendOptions
) -> BatchResult:
    return await (
        client.send_sms_batch(body, options)
        if isinstance(body, SmsBatch)
        else client.send_email_batch(body, options)
    )


def read_file(path: Path) -> LocalFile:
    try:
        return LocalFile(path.name, path.read_bytes())
    except OSError as fault:
        raise Unreadable(f"{path} cannot be read: {fault.strerror}") from fault


def message_of(text: str | None, file: Path | None) -> str:
    """Return the text of ``--message`` (``-``: standard input) or ``--message-file``, composed.

    The line break at the end of a file is not part of the message. Raises ``Unreadable`` unless
    exactly one is given, and where its encoding is unknown.
    """
    if (text is None) == (file is None):
        raise Unreadable("give the text with either --message or --message-file")
    if text is not None and text != "-":
        return composed(text)
    data = read_file(file).data if file is not None else sys.stdin.buffer.read()
    found = decode(data, "save it as UTF-8 text")[0]
    found = found.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    if not found.strip():
        raise Unreadable("the text of the message is empty")
    return composed(found)


def sender_of(address: str | None, name: str | None) -> tuple[str, str] | None:
    """Return (name, address), both required by the contract; the name defaults to the address."""
    if address is None and name is not None:
        raise Unreadable("--sender-name requires --sender")
    return None if address is None else (name or address, address)


def _party(recipient: Recipient) -> Party | None:
    return Party(recipient.party_id) if recipient.party_id is not None else None


def _priority(high: bool) -> Literal["HIGH"] | None:
    return "HIGH" if high else None
