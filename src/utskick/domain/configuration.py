"""What somebody has said of how a section (a channel, the limits) works for a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from utskick.domain.unit import Unit

#: Makes every process read the rows anew.
CHANGED = "utskick_configuration"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class UnitSetting:
    """``value``: members with their values, named as in the settings. ``set_by`` and ``set_at``
    None: it stands in the settings."""

    unit: Unit
    section: str
    value: Mapping[str, Any]
    set_by: str | None = None
    set_at: datetime | None = None

    @property
    def in_settings(self) -> bool:
        return self.set_at is None


def version_of(said: UnitSetting | None) -> str:
    """Another after every change; ``0``: no row says anything."""
    return (
        f"{(said.set_at - _EPOCH) // timedelta(microseconds=1):x}"
        if said is not None and said.set_at is not None
        else "0"
    )
