"""Configuration of a section (a channel, the limits) for a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from utskick.domain.unit import Unit

#: NOTIFY channel: makes every process read the rows anew.
CHANGED = "utskick_configuration"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class UnitSetting:
    """The values that a unit has set for a section.

    ``value``: members with their values, named as in the settings. ``set_by`` and ``set_at`` None:
    it is from the settings.
    """

    unit: Unit
    section: str
    value: Mapping[str, Any]
    set_by: str | None = None
    set_at: datetime | None = None

    @property
    def in_settings(self) -> bool:
        return self.set_at is None


def version_of(setting: UnitSetting | None) -> str:
    """Return a version that differs after every change; ``0``: there is no row."""
    return (
        f"{(setting.set_at - _EPOCH) // timedelta(microseconds=1):x}"
        if setting is not None and setting.set_at is not None
        else "0"
    )
