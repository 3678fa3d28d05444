"""Contact settings and delegates: how a person wants to be reached, and who else is notified.

The rules are pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from utskick.domain.directory_ports import Method

#: What a message is about, in the words of the caller: attribute → values.
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, repr=False)
class ContactChannel:
    """A way to reach a person.

    ``destination``: a number in E.164 or an e-mail address; empty for PUSH, whose devices are
    subscriptions.
    """

    method: Method
    alias: str | None
    destination: str
    disabled: bool = False

    def __repr__(self) -> str:
        return f"ContactChannel({self.method}, …)"


@dataclass(frozen=True, slots=True, repr=False)
class ContactSetting:
    """The setting of a party, or, without ``party_id``, a virtual one made by another setting."""

    id: UUID
    party_id: UUID | None
    created_by_id: UUID | None
    alias: str | None
    channels: tuple[ContactChannel, ...]
    created: datetime
    modified: datetime

    @property
    def virtual(self) -> bool:
        return self.party_id is None

    def __repr__(self) -> str:
        return f"ContactSetting({self.id}, …)"


class Operator(StrEnum):
    """How a rule compares."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"


@dataclass(frozen=True, slots=True, repr=False)
class Rule:
    """A condition on one attribute. Letter case does not matter in values.

    ``* EQUALS *`` matches everything. NOT_EQUALS is the opposite, also of what is absent.
    """

    attribute: str
    operator: Operator
    value: str

    def matches(self, query: Query) -> bool:
        expected = self.value.casefold()
        everything = self.attribute == "*" and self.value == "*"
        equal = everything or any(
            value.casefold() == expected for value in query.get(self.attribute, ())
        )
        return equal is (self.operator is Operator.EQUALS)

    def __repr__(self) -> str:
        return f"Rule({self.operator}, …)"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: all of its rules must match; without a rule it matches nothing."""

    id: UUID
    alias: str | None
    channel: str | None
    rules: tuple[Rule, ...]
    created: datetime
    modified: datetime

    def matches(self, query: Query) -> bool:
        return bool(self.rules) and all(rule.matches(query) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Delegate:
    """A delegate: the agent is notified where the principal is and a filter matches, or has none.

    Both are contact settings.
    """

    id: UUID
    principal_id: UUID
    agent_id: UUID
    filters: tuple[Filter, ...]
    created: datetime
    modified: datetime

    def passes(self, query: Query) -> bool:
        return not self.filters or any(each.matches(query) for each in self.filters)
