"""Time, injected: aware UTC inside, Swedish local time where the contract prints it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

SWEDEN = ZoneInfo("Europe/Stockholm")
#: RFC 3339 section 5.6; without an offset also to the minute.
_MOMENT: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<fraction>\.[0-9]+)?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?)?\Z"
)


class NotAMoment(StrEnum):
    """Why a value is no time, in words that follow *must be a time* and never repeat it."""

    FORM = (
        "as RFC 3339 writes it (2035-10-09T08:00:00+02:00), or Swedish local time"
        " (2035-10-09T08:00)"
    )
    DAY = "with a time of day (2035-10-09T08:00)"
    CALENDAR = "which a calendar can hold"
    LAST_HOUR = "without the hour 24: midnight is 00:00 of the next day"
    LEAP = "without the second 60, except 23:59:60 UTC at the end of a month"
    GAP = "which exists: clocks are put forward past this Swedish local time; give an offset"


class Clock(Protocol):
    """A function that returns the time as an aware UTC datetime."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def swedish(moment: datetime) -> str:
    """Return local Swedish time without zone, as the contract prints it.

    ``2024-02-25T15:54:39.254123``, ``…39.25``, ``…39``.
    """
    text = moment.astimezone(SWEDEN).replace(tzinfo=None).isoformat()
    return text.rstrip("0") if "." in text else text


def read_moment(value: Any) -> datetime | NotAMoment:
    """Read a time of RFC 3339, or Swedish local time (``2035-10-09T08:00``), in UTC.

    A local time that occurs twice, when clocks are put back, is the first of the two. A leap second
    is the second after it. Digits beyond microseconds are dropped.
    """
    found = _MOMENT.match(value) if isinstance(value, str) else None
    if found is None:
        return NotAMoment.FORM
    if found["hour"] is None:
        return NotAMoment.DAY
    if found["hour"] == "24":
        return NotAMoment.LAST_HOUR
    leap = found["second"] == "60"
    zone = _zone(found["zone"])
    if zone is None or (found["zone"] and not found["second"]):
        return NotAMoment.FORM
    try:
        local = datetime.combine(
            date.fromisoformat(found["day"]),
            time(
                int(found["hour"]),
                int(found["minute"]),
                59 if leap else int(found["second"] or 0),
                int((found["fraction"] or ".")[1:7].ljust(6, "0")),
            ),
            zone,
        )
        utc = local.astimezone(UTC)
        if leap:
            last = utc.replace(microsecond=0) + timedelta(seconds=1)
            # Leap seconds are those of the end of a month in UTC.
            return last if (last.day, last.hour, last.minute) == (1, 0, 0) else NotAMoment.LEAP
    except (ValueError, OverflowError):
        return NotAMoment.CALENDAR
    exists = utc.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    return utc if exists else NotAMoment.GAP


def _zone(text: str | None) -> ZoneInfo | timezone | None:
    """Return the zone of ``+02:00``, ``Z`` or nothing; None for an offset that no clock has."""
    if text is None:
        return SWEDEN
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:])
    if hours > 23 or minutes > 59:
        return None
    return timezone((1 if text[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))


def midnight(day: date) -> datetime:
    """Return when a day begins in Sweden."""
    return datetime.combine(day, time.min, SWEDEN)


def utc_second(moment: datetime) -> datetime:
    """Return the moment in UTC, to the second: the only form that is valid for every PDF date.

    Without a zone it is taken for UTC. At the ends of the calendar, its zone is dropped.
    """
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    try:
        utc = aware.astimezone(UTC)
    except OverflowError:
        utc = aware.replace(tzinfo=UTC)
    return utc.replace(microsecond=0)
