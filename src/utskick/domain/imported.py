"""Deliveries imported from another system: what is kept of them, and how their content is shown."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.attachment import Attachment, listed
from utskick.domain.channel import Draft
from utskick.domain.outcome import Reason
from utskick.domain.status import DECLINED, ContractStatus, Status

#: Where a content lists its files, the member of a file's name, and that of its Base64 (contract
#: 8.4).
LISTS: Final = ("attachments", "files")
NAMES: Final = ("name", "filename", "fileName")
DATA: Final = ("content", "base64Data")
_TYPES: Final = ("contentType", "mimeType")

#: The contract's words for a final status, and the status they stand for.
ENDS: Final[Mapping[str, tuple[Status, str | None]]] = {
    ContractStatus.SENT: (Status.SENT, None),
    ContractStatus.NOT_SENT: (Status.FAILED, f"{DECLINED}recorded"),
    ContractStatus.FAILED: (Status.FAILED, "recorded"),
    ContractStatus.NO_CONTACT_SETTINGS_FOUND: (Status.FAILED, "no-contact-settings"),
    ContractStatus.NO_CONTACT_WANTED: (Status.FAILED, "no-contact-wanted"),
}


@dataclass(frozen=True, slots=True)
class ImportedContent:
    """A request as it was recorded, with its files apart.

    In the place of each stands its ``digest`` in hex. ``named``: name, type, digest.
    """

    members: Mapping[str, Any]
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the other system's history (contract 2).

    ``line``: its line in the file. ``status``, ``reason``: its outcome.
    """

    line: int
    municipality_id: str
    batch_id: UUID
    message_id: UUID
    delivery_id: UUID
    message_type: str
    original_type: str
    status: Status
    reason: Reason | None
    at: datetime
    content: ImportedContent
    party_id: str | None = None
    origin: str | None = None
    issuer: str | None = None
    department: str | None = None
    destination: str = ""
    reference: str | None = None

    @property
    def batch(self) -> tuple[str, UUID]:
        """The key of its batch: batch ids are unique within a municipality."""
        return self.municipality_id, self.batch_id


def apart(content: Mapping[str, Any]) -> ImportedContent:
    """Take the files out of a recorded request.

    What cannot be read as a file stays where it is.
    """
    members, files = dict(content), list[Attachment]()
    for name in LISTS:
        if isinstance(entries := members.get(name), list):
            members[name] = [
                _without_data(entry, files) for entry in entries if isinstance(entry, dict)
            ]
    return ImportedContent(members, tuple(files))


def _without_data(entry: dict[str, Any], files: list[Attachment]) -> dict[str, Any]:
    member = next((name for name in DATA if isinstance(entry.get(name), str)), None)
    if member is None:
        return entry
    try:
        data = b64decode(entry[member], validate=True)
    except (Base64Error, ValueError):
        return entry
    name = next((entry[name] for name in NAMES if isinstance(entry.get(name), str)), "")
    kind = next((entry[name] for name in _TYPES if isinstance(entry.get(name), str)), None)
    files.append(Attachment.of(name, kind, data))
    return {
        **{k: v for k, v in entry.items() if k != member},
        "digest": files[-1].digest.hex(),
        "_member": member,
    }


def shown(draft: Draft) -> dict[str, Any]:
    """Return the content as it was recorded, without its files where the draft has none."""
    content = {name: value for name, value in draft.content.items() if not name.startswith("_")}
    for name in LISTS:
        if isinstance(entries := content.get(name), list):
            content[name] = [_with_data(entry, draft) for entry in entries]
    return content


def _with_data(entry: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    plain = {name: value for name, value in entry.items() if name != "_member"}
    return listed([plain], draft.attachments, entry.get("_member", ""))[0]


def address(draft: Draft) -> dict[str, Any] | None:
    """Return where a letter went, as it was recorded beside its content."""
    destination = draft.recipient.destination
    found = orjson.loads(destination) if destination.startswith("{") else None
    return found if isinstance(found, dict) else None
