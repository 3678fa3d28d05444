"""Base of the tables of the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsTable(BaseModel):
    """A table of the file. Unknown keys are faults, as most are typing errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
