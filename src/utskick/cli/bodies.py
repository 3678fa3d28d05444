"""Request bodies as the contract has them: what is said, to one or to many. The same input gives the same bytes."""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from utskick.cli.recipients import Kind
from utskick.domain.errors import Unreadable
from utskick.domain.recipient import Recipient


class Content(Protocol):
    """What is said, whoever reads it."""

    def members(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class SmsContent:
    """``sender``: None for the municipality's own."""

    message: str
    sender: str | None = None
    high: bool = False

    def members(self) -> dict[str, Any]:
        return _given({"sender": self.sender, "message": self.message, "priority": "HIGH" if self.high else None})


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, or a text from a file."""

    name: str
    data: bytes

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    def members(self) -> dict[str, Any]:
        return {"name": self.name, "contentType": self.content_type, "content": b64encode(self.data).decode()}


@dataclass(frozen=True, slots=True)
class EmailContent:
    """``html``: the bytes of an HTML page. ``sender``: (name, address), None for the municipality's own."""

    subject: str
    message: str
    html: bytes | None = None
    files: tuple[File, ...] = ()
    sender: tuple[str, str] | None = None
    high: bool = False

    def members(self) -> dict[str, Any]:
        return _given(
            {
                "subject": self.subject,
                "message": self.message,
                "htmlMessage": b64encode(self.html).decode() if self.html is not None else None,
                "sender": {"name": self.sender[0], "address": self.sender[1]} if self.sender else None,
                "attachments": [file.members() for file in self.files] or None,
                "priority": "HIGH" if self.high else None,
            }
        )


def to_one(kind: Kind, content: Content, recipient: Recipient) -> bytes:
    named = kind.members(recipient)
    party = {"party": {"partyId": named.pop("partyId")}} if "partyId" in named else {}
    return orjson.dumps({**party, **named, **content.members()})


def to_many(kind: Kind, content: Content, recipients: Sequence[Recipient]) -> bytes:
    return orjson.dumps({**content.members(), "parties": [kind.members(recipient) for recipient in recipients]})


def read_file(path: Path) -> File:
    try:
        return File(path.name, path.read_bytes())
    except OSError as fault:
        raise Unreadable(f"{path} cannot be read: {fault.strerror}") from fault


def sender_of(address: str | None, name: str | None) -> tuple[str, str] | None:
    """(name, address) as the contract wants both; an address without a name is its own."""
    if address is None and name is not None:
        raise Unreadable("--sender-name is the name of an address: give --sender too")
    return None if address is None else (name or address, address)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
