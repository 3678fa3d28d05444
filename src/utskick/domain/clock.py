"""Time, injected: aware UTC inside, Swedish local time where the contract prints it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

SWEDEN = ZoneInfo("Europe/Stockholm")


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
