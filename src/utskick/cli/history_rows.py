"""From a file of the peer's history to records: JSON lines or CSV, row by row. No reason repeats
what stands in a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from utskick.domain.ids import parse_id
from utskick.domain.imported import ENDS, ImportedContent, Record, apart
from utskick.domain.outcome import Reason
from utskick.domain.status import ContractStatus
from utskick.logs import mask

#: Name of a column, in small letters and digits only → the member that it is. The peer's own names
#: first (contract 2).
COLUMNS: Final[Mapping[str, str]] = {
    "municipalityid": "municipality",
    "municipality": "municipality",
    "batchid": "batch",
    "batch": "batch",
    "messageid": "message",
    "message": "message",
    "deliveryid": "delivery",
    "delivery": "delivery",
    "partyid": "party",
    "party": "party",
    "messagetype": "type",
    "type": "type",
    "originalmessagetype": "original",
    "originaltype": "original",
    "status": "status",
    "statusdetail": "detail",
    "detail": "detail",
    "content": "content",
    "origin": "origin",
    "issuer": "issuer",
    "department": "department",
    "createdat": "at",
    "created": "at",
    "destinationaddress": "address",
    "organizationnumber": "organization",
    "organisationnumber": "organization",
    "digitalmailtransactionid": "transaction",
    "transactionid": "transaction",
}
NEEDED: Final = ("message", "delivery", "type", "status", "at")
#: What PostgreSQL's text cannot hold, and what is left of bytes that are no UTF-8.
_NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_DETAIL: Final = 500
#: As of every call (``http.edge.caller_of``): what is counted by and found by has to fit an index.
_NAME: Final = 255
_LONGEST: Final = 1000
#: What is erased when a message has settled, here as there would have been reason to (contract
#: Q15).
_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {"SLACK": ("token",)}


class Wrong(Exception):
    """The row is no record; the reason is its text."""


@dataclass(frozen=True, slots=True)
class Setting:
    """``municipalities``: those that are served; ``fallback``: of rows that name none; ``types``:
    the contract's; ``zone``: its clock's."""

    municipalities: tuple[str, ...]
    fallback: str | None
    types: frozenset[str]
    zone: ZoneInfo


Row = Mapping[str, Any]


def read(line: int, row: Row, setting: Setting) -> Record:
    """``row``: member → what stands there, None where nothing does. Raises ``Wrong``."""
    kind = _one_of(row, "type", setting.types)
    status, code = ENDS[_status(row)]
    message_id = _id(row, "message")
    content = _content(row, kind)
    return Record(
        line=line,
        municipality_id=_municipality(row, setting),
        batch_id=_id(row, "batch", message_id),
        message_id=message_id,
        delivery_id=_id(row, "delivery"),
        message_type=kind,
        original_type=_one_of(row, "original", setting.types) if row.get("original") else kind,
        status=status,
        reason=Reason(
            code, mask(_text(row, "detail", None) or "")[:_DETAIL] or "nothing more was recorded"
        )
        if code
        else None,
        at=_time(row, setting.zone),
        content=content,
        party_id=_text(row, "party"),
        origin=_text(row, "origin", _NAME),
        issuer=_text(row, "issuer", _NAME),
        department=_text(
            {"department": row.get("department") or _said(content, "department")},
            "department",
            _NAME,
        ),
        destination=_destination(row, content),
        reference=_text(row, "transaction"),
    )


def _text(row: Row, name: str, longest: int | None = _LONGEST) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Wrong(f"{name}: is no text")
    if longest is not None and len(value) > longest:
        raise Wrong(f"{name}: is longer than {longest} characters")
    if _NO_TEXT.search(value):
        raise Wrong(f"{name}: is no text in UTF-8")
    return value


def _id(row: Row, name: str, otherwise: UUID | None = None) -> UUID:
    text = _text(row, name)
    found = parse_id(text) if text else otherwise
    if found is None:
        raise Wrong(f"{name}: {'not a valid UUID' if text else 'is missing'}")
    return found


def _one_of(row: Row, name: str, words: frozenset[str]) -> str:
    text = _text(row, name)
    if text not in words:
        raise Wrong(
            f"{name}: {'is missing' if text is None else 'must be one of ' + ', '.join(sorted(words))}"
        )
    return text


def _status(row: Row) -> ContractStatus:
    text = _text(row, "status")
    if text in (ContractStatus.PENDING, ContractStatus.AWAITING_FEEDBACK):
        raise Wrong(
            f"status: {text} is no end. Let the other system finish it before its history is moved"
        )
    if text is None or text not in ENDS:
        raise Wrong(
            f"status: {'is missing' if text is None else 'must be one of ' + ', '.join(sorted(ENDS))}"
        )
    return ContractStatus(text)


def _municipality(row: Row, setting: Setting) -> str:
    text = _text(row, "municipality") or setting.fallback
    if text is None:
        raise Wrong(
            "municipality: is missing; --municipality says whose the rows are that name none"
        )
    if text not in setting.municipalities:
        raise Wrong("municipality: is not among the municipalities of the settings")
    return text


def _time(row: Row, zone: ZoneInfo) -> datetime:
    text = _text(row, "at")
    if text is None:
        raise Wrong("at: is missing")
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong("at: must be a time like 2024-02-25 15:54:39.254123") from None


def _members(row: Row, name: str) -> dict[str, Any]:
    """A JSON object, as such or as text."""
    value = row.get(name)
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except ValueError:
            raise Wrong(f"{name}: is no JSON") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Wrong(f"{name}: is no JSON object")
    return value


def _content(row: Row, kind: str) -> ImportedContent:
    members = {
        name: value
        for name, value in _members(row, "content").items()
        if name not in _SECRETS.get(kind, ())
    }
    organization = _text(row, "organization")
    return apart({**members, "_organizationNumber": organization} if organization else members)


def _said(content: ImportedContent, name: str) -> str | None:
    value = content.members.get(name)
    return value if isinstance(value, str) and "\x00" not in value else None


def _destination(row: Row, content: ImportedContent) -> str:
    if address := _members(row, "address"):
        return orjson.dumps(address).decode()
    return _said(content, "mobileNumber") or _said(content, "emailAddress") or ""


@lru_cache(64)
def named(columns: tuple[str, ...]) -> dict[int, str]:
    """Place in a row → member, from the names of the columns."""
    plain = ["".join(ch for ch in name.lower() if ch.isalnum()) for name in columns]
    return {place: COLUMNS[name] for place, name in enumerate(plain) if name in COLUMNS}
