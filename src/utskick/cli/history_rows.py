"""Conversion of rows of another system's history into records.

Error messages never repeat the contents of a row.
"""

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

from utskick.cli.csv_file import InvalidRow
from utskick.domain.ids import parse_id
from utskick.domain.imported import ENDS, ImportedContent, Record, apart
from utskick.domain.outcome import Reason
from utskick.domain.status import ContractStatus
from utskick.logs import mask

#: Column name, reduced to lower-case letters and digits → member. The names of the other system's
#: table come first (contract 2).
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
REQUIRED: Final = ("message", "delivery", "type", "status", "at")
#: Characters that PostgreSQL's text type rejects, and bytes that are not UTF-8.
_INVALID_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_MAX_DETAIL: Final = 500
#: The limit of every API call: values used for counting and searching must fit an index.
_MAX_NAME: Final = 255
_MAX_LENGTH: Final = 1000
#: Members that are erased once a message has settled (contract Q15).
_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {"SLACK": ("token",)}


@dataclass(frozen=True, slots=True)
class ImportParameters:
    """Import parameters that do not depend on the row.

    ``municipalities``: those served; ``fallback``: municipality of rows that name none; ``types``:
    message types of the contract; ``zone``: time zone of times without an offset.
    """

    municipalities: tuple[str, ...]
    fallback: str | None
    types: frozenset[str]
    zone: ZoneInfo


Row = Mapping[str, Any]


def parse(line: int, row: Row, parameters: ImportParameters) -> Record:
    """Convert a row, a mapping of member to value, into a record; raise ``InvalidRow``."""
    kind = _one_of(row, "type", parameters.types)
    status, code = ENDS[_status(row)]
    message_id = _id(row, "message")
    content = _content(row, kind)
    return Record(
        line=line,
        municipality_id=_municipality(row, parameters),
        batch_id=_id(row, "batch", message_id),
        message_id=message_id,
        delivery_id=_id(row, "delivery"),
        message_type=kind,
        original_type=_one_of(row, "original", parameters.types) if row.get("original") else kind,
        status=status,
        reason=Reason(
            code,
            mask(_text(row, "detail", None) or "")[:_MAX_DETAIL]
            or "no further detail was recorded",
        )
        if code
        else None,
        at=_time(row, parameters.zone),
        content=content,
        party_id=_text(row, "party"),
        origin=_text(row, "origin", _MAX_NAME),
        issuer=_text(row, "issuer", _MAX_NAME),
        department=_text(
            {"department": row.get("department") or _content_text(content, "department")},
            "department",
            _MAX_NAME,
        ),
        destination=_destination(row, content),
        reference=_text(row, "transaction"),
    )


def _text(row: Row, name: str, max_length: int | None = _MAX_LENGTH) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidRow(f"{name}: is not text")
    if max_length is not None and len(value) > max_length:
        raise InvalidRow(f"{name}: is longer than {max_length} characters")
    if _INVALID_TEXT.search(value):
        raise InvalidRow(f"{name}: is not valid UTF-8")
    return value


def _id(row: Row, name: str, otherwise: UUID | None = None) -> UUID:
    text = _text(row, name)
    found = parse_id(text) if text else otherwise
    if found is None:
        raise InvalidRow(f"{name}: {'not a valid UUID' if text else 'is missing'}")
    return found


def _one_of(row: Row, name: str, accepted: frozenset[str]) -> str:
    text = _text(row, name)
    if text not in accepted:
        raise InvalidRow(
            f"{name}: "
            f"{'is missing' if text is None else 'must be one of ' + ', '.join(sorted(accepted))}"
        )
    return text


def _status(row: Row) -> ContractStatus:
    text = _text(row, "status")
    if text in (ContractStatus.PENDING, ContractStatus.AWAITING_FEEDBACK):
        raise InvalidRow(
            f"status: {text} is not a final status. Let the other system finish the message "
            "before exporting its history"
        )
    if text is None or text not in ENDS:
        raise InvalidRow(
            "status: "
            f"{'is missing' if text is None else 'must be one of ' + ', '.join(sorted(ENDS))}"
        )
    return ContractStatus(text)


def _municipality(row: Row, parameters: ImportParameters) -> str:
    text = _text(row, "municipality") or parameters.fallback
    if text is None:
        raise InvalidRow("municipality: is missing; use --municipality for rows that name none")
    if text not in parameters.municipalities:
        raise InvalidRow("municipality: is not among the municipalities of the settings")
    return text


def _time(row: Row, zone: ZoneInfo) -> datetime:
    text = _text(row, "at")
    if text is None:
        raise InvalidRow("at: is missing")
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRow("at: must be a time such as 2024-02-25 15:54:39.254123") from None


def _members(row: Row, name: str) -> dict[str, Any]:
    """Return a JSON object, given as an object or as text."""
    value = row.get(name)
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except ValueError:
            raise InvalidRow(f"{name}: is not JSON") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidRow(f"{name}: is not a JSON object")
    return value


def _content(row: Row, kind: str) -> ImportedContent:
    members = {
        name: value
        for name, value in _members(row, "content").items()
        if name not in _SECRETS.get(kind, ())
    }
    organization = _text(row, "organization")
    return apart({**members, "_organizationNumber": organization} if organization else members)


def _content_text(content: ImportedContent, name: str) -> str | None:
    value = content.members.get(name)
    return value if isinstance(value, str) and "\x00" not in value else None


def _destination(row: Row, content: ImportedContent) -> str:
    if address := _members(row, "address"):
        return orjson.dumps(address).decode()
    return _content_text(content, "mobileNumber") or _content_text(content, "emailAddress") or ""


@lru_cache(64)
def column_members(columns: tuple[str, ...]) -> dict[int, str]:
    """Return the member of each column position, from the column names."""
    plain_names = ["".join(ch for ch in name.lower() if ch.isalnum()) for name in columns]
    return {position: COLUMNS[name] for position, name in enumerate(plain_names) if name in COLUMNS}
