"""How long messages are kept, by whose decision, and what wins over it (Arkivlagen 1990:782; GDPR article 5.1 e)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

#: The contract's words for requests, which rules are made for.
TYPES: Final = ("MESSAGE", "EMAIL", "SMS", "WEB_MESSAGE", "DIGITAL_MAIL", "DIGITAL_INVOICE", "SNAIL_MAIL", "LETTER", "SLACK", "PUSH")
#: The rule for every type that has none of its own.
OTHERS: Final = "*"
#: The longest time: a hundred years.
MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Rule:
    """``days`` None: preserve. ``decision``: its reference number. ``set_by`` and ``set_at`` None: from the settings."""

    message_type: str
    days: int | None
    decision: str
    set_by: str | None = None
    set_at: datetime | None = None

    @property
    def preserves(self) -> bool:
        return self.days is None

    def cutoff(self, now: datetime) -> datetime:
        """What is older may go."""
        return datetime.min.replace(tzinfo=UTC) if self.days is None else now - timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one municipality: its own, by type, win over those of the settings. Where no rule applies, everything is kept."""

    own: Mapping[str, Rule] = field(default_factory=dict)
    defaults: Mapping[str, Rule] = field(default_factory=dict)

    def of(self, message_type: str) -> Rule | None:
        """The rule for requests of this type."""
        for rules in (self.own, self.defaults):
            found = rules.get(message_type) or rules.get(OTHERS)
            if found is not None:
                return found
        return None


class HoldKind(StrEnum):
    """What a hold keeps: all of a person, one message, or all of a batch."""

    PARTY = "party"
    MESSAGE = "message"
    BATCH = "batch"


class Kept(StrEnum):
    """Why something is not removed: a hold, a rule, an end that has not come, or readers that have not been told of it yet."""

    HOLD = "hold"
    PRESERVE = "preserve"
    ON_ITS_WAY = "on-its-way"
    UNTOLD = "untold"
