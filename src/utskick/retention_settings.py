"""Settings section ``[retention]``: how long messages, and users in the audit log, are kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from utskick.domain.retention import AUDIT, MOST_DAYS, OTHERS, RetentionRule
from utskick.domain.unit import Unit
from utskick.settings_table import SettingsTable


class RetentionRuleTable(SettingsTable):
    """Retention of a message type: ``days``, or ``preserve``.

    ``decision``: reference number of the decision.
    """

    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    preserve: bool = False
    decision: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]

    @model_validator(mode="after")
    def _one_time(self) -> RetentionRuleTable:
        if (self.days is None) is not self.preserve:
            raise ValueError("set days, or preserve = true")
        return self


class RetentionSection(SettingsTable):
    """Section ``[retention]``: default ``days`` (absent: keep everything), and rules by type.

    ``audit``: of users and addresses in the audit log.

    ``known``: the message types, which bootstrap sets.
    """

    known: ClassVar[Collection[str]] = ()
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    decision: str | None = None
    types: dict[str, RetentionRuleTable] = {}
    audit: RetentionRuleTable | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> RetentionSection:
        if self.days is not None and not (self.decision or "").strip():
            raise ValueError("decision must be set with days: the reference number of the decision")
        if unknown := self.types.keys() - set(self.known):
            raise ValueError(f"types: no message type is named {', '.join(sorted(unknown))}")
        return self

    def rules(self, unit: Unit | None = None) -> list[RetentionRule]:
        """Return the rules. ``unit``: the unit they apply to, None for all."""
        rules = [
            RetentionRule(name, rule.days, rule.decision, unit=unit)
            for name, rule in self.types.items()
        ]
        if (callers := self.audit) is not None:
            rules.append(RetentionRule(AUDIT, callers.days, callers.decision, unit=unit))
        if self.days is not None:
            rules.append(RetentionRule(OTHERS, self.days, self.decision or "", unit=unit))
        return rules
