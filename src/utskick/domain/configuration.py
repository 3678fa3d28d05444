"""What somebody has said of how a section (a channel, the limits) works for a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from utskick.domain.unit import Unit

#: Makes every process read the rows anew.
CHANGED = "utskick_configuration"
#: The version of what a unit says that says nothing itself.
NOTHING = "0"


@dataclass(frozen=True, slots=True)
class Said:
    """``value``: members with their values, named as in the settings. ``set_by`` and ``set_at`` None: it stands in the settings."""

    unit: Unit
    section: str
    value: Mapping[str, Any]
    set_by: str | None = None
    set_at: datetime | None = None

    @property
    def in_settings(self) -> bool:
        return self.set_at is None

    @property
    def version(self) -> str:
        """Another after every change."""
        return f"{int(self.set_at.timestamp() * 1_000_000):x}" if self.set_at is not None else NOTHING
