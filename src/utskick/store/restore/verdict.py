"""Whether a database was restored: from what it is, what it remembers and what this node saw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from utskick.store.restore.identity import Marker, Observed, Remembered


class AfterPromotion(StrEnum):
    """What follows a promotion (``database.after_promotion``)."""

    CHECK = "check"
    HOLD = "hold"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Evidence:
    """``known``: the incarnations that ended with a restore which has been noticed."""

    observed: Observed
    remembered: Remembered | None
    marker: Marker | None
    known: Collection[UUID]


def reason_of(found: Evidence, after_promotion: AfterPromotion) -> str | None:
    """Return why the database has to be held; None: it is the one that was seen last.

    Another node may have noticed the restore before this one: the marker is of an incarnation whose
    end is known.
    """
    now, row, marker = found.observed, found.remembered, found.marker
    if marker is not None and not marker.concerns(now):
        marker = None
    if row is None:
        return None if marker is None else "it is older than what this node has seen of it"
    if (row.system, row.database) != (now.system, now.database) and 0 not in (
        row.system,
        now.system,
    ):
        return "it was copied or restored into another server or database"
    if marker is not None and marker.incarnation not in (row.incarnation, *found.known):
        return "it is older than what this node has seen of it"
    seen = marker is not None and marker.incarnation == row.incarnation
    if marker is not None and seen and row.ticks < marker.ticks:
        return "it has lost what this node has seen of it"
    if row.timeline < now.timeline:
        return _after(after_promotion, synchronous=row.synchronous, seen=seen)
    return None


def _after(rule: AfterPromotion, *, synchronous: bool, seen: bool) -> str | None:
    """Return why a promotion has to be held.

    A standby that confirms every commit has lost nothing. Without a node that had seen the
    database, it may be a recovery to a point in time, which looks the same.
    """
    if rule is AfterPromotion.CONTINUE or (rule is AfterPromotion.CHECK and synchronous and seen):
        return None
    return "it was recovered to a point in time, or a standby was promoted"
