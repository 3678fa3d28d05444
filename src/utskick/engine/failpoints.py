"""Failpoints: labelled points at which a process can be killed, for tests of crashes.

``UTSKICK_DIE_AT=after-begin:3`` kills this process with SIGKILL when it reaches that point for the
third time.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Literal

Point = Literal[
    "before-begin", "after-begin", "after-answer", "after-settle", "before-accept", "after-accept"
]


class Failpoints:
    """Reads the environment once; without the variable ``reach`` does nothing."""

    def __init__(self, point: str = "") -> None:
        self._point, _, times = point.partition(":")
        self._times = int(times or 1)
        self._reached: Counter[str] = Counter()

    @classmethod
    def from_environment(cls) -> Failpoints:
        return cls(os.environ.get("UTSKICK_DIE_AT", ""))

    def reach(self, point: Point) -> None:
        if point != self._point:
            return
        self._reached[point] += 1
        if self._reached[point] == self._times:
            os.kill(os.getpid(), signal.SIGKILL)
