"""Identifiers: UUIDv7 (RFC 9562 section 5.7), so that keys are made in the order of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

_TEXT = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")


def new_id() -> UUID:
    return uuid7()


def parse_id(text: str) -> UUID | None:
    """Parse a UUID in its full written form, any letter case.

    None for everything else (contract Q1: no lax short forms).
    """
    return UUID(text) if _TEXT.match(text) else None


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: the lower bound of a scan over ids by time."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


def made_at(found: UUID) -> datetime:
    """Return when a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC)
