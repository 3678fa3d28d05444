"""Retention: how long messages are kept, by whose decision, and what takes precedence.

Arkivlagen 1990:782; GDPR article 5.1 e.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from utskick.domain.unit import Unit

#: The rule for every type that has none of its own.
OTHERS: Final = "*"
#: Users and addresses in the audit log, which no rule for all others covers.
AUDIT: Final = "AUDIT"
#: The longest time: a hundred years.
MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A rule. ``days`` None: preserve. ``decision``: its reference number.

    ``set_by`` and ``set_at`` None: from the settings. ``unit``: what it holds for; None: for all
    municipalities.
    """

    message_type: str
    days: int | None
    decision: str
    set_by: str | None = None
    set_at: datetime | None = None
    unit: Unit | None = None

    @property
    def preserves(self) -> bool:
        return self.days is None

    def cutoff(self, now: datetime) -> datetime:
        """Return the time before which everything may be removed."""
        return (
            datetime.min.replace(tzinfo=UTC)
            if self.days is None
            else now - timedelta(days=self.days)
        )


class Rules:
    """The rules of one municipality.

    The narrowest unit that has a rule decides, by the rule for the type before that for all others.
    ``own``: rules of its units; ``defaults``: those of the settings, which a unit's own rules take
    precedence over. Where no rule applies, everything is kept.
    """

    def __init__(
        self, own: Iterable[RetentionRule] = (), defaults: Iterable[RetentionRule] = ()
    ) -> None:
        self.own = tuple(own)
        self.defaults = tuple(defaults)
        self._by_place = {
            (rule.unit, rule.set_at is None, rule.message_type): rule
            for rule in (*self.own, *self.defaults)
        }

    def of(self, message_type: str, unit: Unit) -> RetentionRule | None:
        """Return the rule for requests of this type from this unit."""
        for place in (*reversed(list(unit.above())), None):
            for in_settings in (False, True):
                for kind in (message_type, OTHERS):
                    if (rule := self._by_place.get((place, in_settings, kind))) is not None:
                        return rule
        return None

    def of_type(self, message_type: str, municipality_id: str) -> list[RetentionRule]:
        """Return all rules that may decide on requests of a type in the municipality."""
        units = {
            rule.unit
            for rule in self._by_place.values()
            if rule.unit is not None and rule.unit.municipality_id == municipality_id
        }
        organizations, departments = (
            {unit.organization_number for unit in units},
            {unit.department for unit in units},
        )
        found = (
            self.of(message_type, Unit(municipality_id, organization, department))
            for organization in (None, *organizations)
            for department in (None, *departments)
        )
        return list(dict.fromkeys(rule for rule in found if rule is not None))


class HoldKind(StrEnum):
    """What a legal hold keeps: all of a person, one message, or all of a batch."""

    PARTY = "party"
    MESSAGE = "message"
    BATCH = "batch"


class Kept(StrEnum):
    """Why something is not removed: a hold, a rule, pending deliveries, or unread events."""

    HOLD = "hold"
    PRESERVE = "preserve"
    ON_ITS_WAY = "on-its-way"
    UNTOLD = "untold"
