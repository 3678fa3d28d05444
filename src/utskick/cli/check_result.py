"""Result of one check: its grade, what was found and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Time limit of one request made by a check, in seconds.
SECONDS: Final = 10


class Grade(StrEnum):
    """Grade of a result: nothing to do, worth knowing, or preventing operation."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check; ``todo`` is the recommended action, or empty."""

    name: str
    grade: Grade
    detail: str
    todo: str = ""
