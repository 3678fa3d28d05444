"""The audit log: who did what, when and from where.

Each entry is chained to the one before, so that none can be changed or removed unnoticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from utskick.domain.message import Caller


class Action(StrEnum):
    """The actions that are recorded."""

    SEND = "send"
    READ_HISTORY = "read-history"
    READ_FEED = "read-feed"
    READ_CONFIGURATION = "read-configuration"
    READ_AUDIT = "read-audit"
    RESOLVE = "resolve"
    CONFIGURE = "configure"
    CHANGE_DIRECTORY = "change-directory"
    EXTRACT = "extract"
    ERASE = "erase"
    HOLD = "hold"
    REFUSED = "refused"
    NOT_FOUND = "not-found"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log.

    ``subject``: what the action concerns, as ids and codes, never a name, number, address or text.
    ``caller``: who acted, and from where. ``who``: its user and address, sealed to be stored.

    Store methods that change something for a request take the entry as ``change`` and insert it in
    the transaction that makes the change; it also says the municipality and the time.
    """

    action: Action
    caller: Caller
    at: datetime
    subject: Mapping[str, Any]
    who: bytes | None = None

    @property
    def municipality_id(self) -> str:
        return self.caller.municipality_id

    def about(self, **members: Any) -> AuditEntry:
        """Return the entry with further members of the subject."""
        return replace(self, subject={**self.subject, **members})


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The place of an entry in its municipality's chain, from 1.

    ``digest``: SHA-256 over the digest before it and the entry.
    """

    number: int
    digest: bytes


#: The link before the first entry.
BEGINNING: Final = ChainLink(0, bytes(32))


def linked(before: ChainLink, entry: Mapping[str, Any]) -> ChainLink:
    """Return the next link. ``entry``: every member of the entry, as it is stored."""
    return ChainLink(before.number + 1, hashlib.sha256(before.digest + canonical(entry)).digest())


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return the canonical form of an entry.

    Members in order, times in UTC to the microsecond, bytes in hexadecimal. An entry without
    ``who`` has the form from before there was one.
    """
    plain = {
        name: _plain(value) for name, value in entry.items() if name != "who" or value is not None
    }
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return (
        value.astimezone(UTC).isoformat(timespec="microseconds")
        if isinstance(value, datetime)
        else value
    )
