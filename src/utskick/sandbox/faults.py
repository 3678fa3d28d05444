"""Faults of the simulators: magic recipients, and a script that can be changed at run time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count


class ProviderFault(StrEnum):
    """Fault at a provider, concerning the response (first group) or the delivery report."""

    REFUSE = "refuse"  # a permanent rejection
    THROTTLE = "throttle"  # HTTP 429 or its counterpart, with Retry-After
    TEMPORARY = "temporary"  # a temporary error
    FULL = "full"  # a temporary error of this recipient alone: its mailbox or phone is full
    TIMEOUT = "timeout"  # accepts the message, and does not respond until the caller gives up
    DROP = "drop"  # accepts the message, and closes the connection without a response
    GARBAGE = "garbage"  # accepts the message, and responds with garbage
    LOGIN = "login"  # rejects the login
    REPORT_LATE = "report-late"
    REPORT_TWICE = "report-twice"
    REPORT_EARLY = "report-early"  # before the response
    REPORT_NEVER = "report-never"
    REPORT_FAILED = "report-failed"  # the phone did not receive it


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Rule of the fault script: ``fault`` for calls to ``provider`` (None: any).

    ``recipient``: regular expression. ``times``: number of times per recipient, None for always.
    ``seconds``: Retry-After, or the duration of a timeout or of a late report.
    """

    fault: ProviderFault
    provider: str | None = None
    recipient: str = ""
    times: int | None = 1
    seconds: float = 1.0
    number: int = 0


#: By the last two digits of +46700####NN; documented in docs/reference/sandbox.md.
MAGIC_NUMBERS: dict[str, FaultRule] = {
    "02": FaultRule(ProviderFault.THROTTLE, times=2),
    "03": FaultRule(ProviderFault.REFUSE, times=None),
    "04": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "05": FaultRule(ProviderFault.TEMPORARY, times=None),
    "06": FaultRule(ProviderFault.TEMPORARY, times=1),
    "07": FaultRule(ProviderFault.DROP),
    "08": FaultRule(ProviderFault.GARBAGE),
    "09": FaultRule(ProviderFault.REPORT_LATE, seconds=3),
    "10": FaultRule(ProviderFault.REPORT_TWICE),
    "11": FaultRule(ProviderFault.REPORT_EARLY),
    "12": FaultRule(ProviderFault.REPORT_NEVER, times=None),
    "13": FaultRule(ProviderFault.REPORT_FAILED, times=None),
    "14": FaultRule(ProviderFault.TIMEOUT, seconds=60, times=None),
}

#: By the tag of name+TAG@domain; documented in docs/reference/sandbox.md.
MAGIC_TAGS: dict[str, FaultRule] = {
    "refuse": FaultRule(ProviderFault.REFUSE, times=None),
    "throttle": FaultRule(ProviderFault.THROTTLE, times=2),
    "temporary": FaultRule(ProviderFault.TEMPORARY, times=1),
    "down": FaultRule(ProviderFault.TEMPORARY, times=None),
    "timeout": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "drop": FaultRule(ProviderFault.DROP),
    "garbage": FaultRule(ProviderFault.GARBAGE),
}

_NUMBER = re.compile(r"\+46700[0-9]{4}([0-9]{2})\Z")
_TAGGED = re.compile(r"[^@]*\+([a-z]+)@")


def magic(recipient: str) -> FaultRule | None:
    """Return the rule encoded in a recipient, if any."""
    if found := _NUMBER.match(recipient):
        return MAGIC_NUMBERS.get(found[1])
    if found := _TAGGED.match(recipient.lower()):
        return MAGIC_TAGS.get(found[1])
    return None


@dataclass
class Faults:
    """Script in force, with the number of times each rule has been applied to each recipient."""

    rules: list[FaultRule] = field(default_factory=list)
    _counts: dict[tuple[int, str], int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add(self, rule: FaultRule) -> FaultRule:
        re.compile(rule.recipient)
        numbered = replace(rule, number=next(self._numbers))
        self.rules.append(numbered)
        return numbered

    def clear(self) -> None:
        self.rules.clear()
        self._counts.clear()

    def apply(self, provider: str, recipient: str) -> FaultRule | None:
        """Return the rule that applies to this call, and count it; the script comes first."""
        for rule in (*self.rules, magic(recipient)):
            if rule is None or rule.provider not in (None, provider):
                continue
            if rule.number and not re.search(rule.recipient, recipient):
                continue
            key = (rule.number, recipient.lower())
            count_so_far = self._counts.get(key, 0)
            if rule.times is not None and count_so_far >= rule.times:
                continue
            self._counts[key] = count_so_far + 1
            return rule
        return None
