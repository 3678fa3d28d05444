"""A calendar month in Sweden.

What is written in one is encrypted with its key, and can be made unreadable together.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final, NewType

from utskick.domain.clock import SWEDEN

#: Months since the year 0: 24312 is 2026-01.
Month = NewType("Month", int)

_WRITTEN: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])\Z")


@lru_cache(1024)
def month_of(moment: datetime) -> Month:
    local = moment.astimezone(SWEDEN)
    return Month(local.year * 12 + local.month - 1)


def written(month: Month) -> str:
    """Return the form ``2026-01``."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


def parse_month(text: str) -> Month | None:
    """Parse the form ``2026-01``; None for everything else."""
    found = _WRITTEN.match(text)
    return Month(int(found[1]) * 12 + int(found[2]) - 1) if found else None
