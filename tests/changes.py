"""Audit entries for changes that tests make at the store."""

from __future__ import annotations

from datetime import UTC, datetime

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.message import Caller

NOW = datetime(2026, 10, 18, 12, tzinfo=UTC)


def change(municipality_id: str = "2281", at: datetime = NOW) -> AuditEntry:
    return AuditEntry(Action.CONFIGURE, Caller(municipality_id), at, {})
