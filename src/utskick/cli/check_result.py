"""What a look at one part of the service found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Seconds that anything asked has for its answer.
SECONDS: Final = 10


class Grade(StrEnum):
    """How a finding is: nothing to do, worth knowing, or in the way of the service."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """``todo``: what somebody should do about it, empty where nothing."""

    what: str
    grade: Grade
    said: str
    todo: str = ""
