"""Times of submit_sm (SMPP 3.4 section 7.1.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

Format = Literal["relative", "absolute", "none"]


def validity_period(expires_at: datetime | None, now: datetime, form: Format) -> str:
    """Return the validity period, empty for the message centre's default.

    Relative: years, months, days, hours, minutes and seconds, ``000R``. Of months only whole ones
    of 30 days are used. Absolute: the same of the time in UTC, tenths of a second, and no quarters
    of an hour ahead of UTC. At least one second, and less than 12 months.
    """
    if expires_at is None or form == "none":
        return ""
    seconds = max(1, min(int((expires_at - now).total_seconds()), _LONGEST))
    if form == "absolute":
        end = (now + timedelta(seconds=seconds)).astimezone(UTC)
        return f"{end:%y%m%d%H%M%S}000+"
    days, rest = divmod(seconds, 86_400)
    months, days = divmod(days, 30)
    hours, rest = divmod(rest, 3600)
    return f"00{months:02}{days:02}{hours:02}{rest // 60:02}{rest % 60:02}000R"


_LONGEST = 359 * 86_400
