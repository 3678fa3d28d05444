"""How the sandbox misbehaves on request: by magic recipients, and by a script of faults laid in at
run time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count


class ProviderFault(StrEnum):
    """What can go wrong at a provider. The first group concerns the answer, the second the delivery
    report."""

    REFUSE = "refuse"  # a clear no, for ever
    THROTTLE = "throttle"  # told to slow down, with Retry-After
    TEMPORARY = "temporary"  # a temporary error
    TIMEOUT = "timeout"  # takes the message, answers nothing until the caller gives up
    DROP = "drop"  # takes the message, closes the connection without an answer
    GARBAGE = "garbage"  # takes the message, answers what nobody can read
    LOGIN = "login"  # refuses the login
    REPORT_LATE = "report-late"
    REPORT_TWICE = "report-twice"
    REPORT_EARLY = "report-early"  # before the answer
    REPORT_NEVER = "report-never"
    REPORT_FAILED = "report-failed"  # the phone never got it


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A line of the fault script: ``fault`` for calls to ``provider`` (None: all) whose recipient
    matches ``recipient``.

        ``recipient`` is a regular expression.
    ``times``: how often it strikes per recipient, None for ever.
        ``seconds``: Retry-After, or how long a time-out or a late report takes.
    """

    fault: ProviderFault
    provider: str | None = None
    recipient: str = ""
    times: int | None = 1
    seconds: float = 1.0
    number: int = 0


#: The last two digits of +46700####NN. Listed in docs/reference/sandbox.md.
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

#: The tag of name+TAG@domain. Listed in docs/reference/sandbox.md.
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
    """The rule that a recipient carries in its own name, if any."""
    if found := _NUMBER.match(recipient):
        return MAGIC_NUMBERS.get(found[1])
    if found := _TAGGED.match(recipient.lower()):
        return MAGIC_TAGS.get(found[1])
    return None


@dataclass
class Faults:
    """The script in force, and how often each rule has struck each recipient."""

    rules: list[FaultRule] = field(default_factory=list)
    _struck: dict[tuple[int, str], int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add(self, rule: FaultRule) -> FaultRule:
        re.compile(rule.recipient)
        numbered = replace(rule, number=next(self._numbers))
        self.rules.append(numbered)
        return numbered

    def clear(self) -> None:
        self.rules.clear()
        self._struck.clear()

    def strike(self, provider: str, recipient: str) -> FaultRule | None:
        """The rule that strikes this call: the script before the magic of the recipient. Counts
        it."""
        for rule in (*self.rules, magic(recipient)):
            if rule is None or rule.provider not in (None, provider):
                continue
            if rule.number and not re.search(rule.recipient, recipient):
                continue
            who = (rule.number, recipient.lower())
            struck = self._struck.get(who, 0)
            if rule.times is not None and struck >= rule.times:
                continue
            self._struck[who] = struck + 1
            return rule
        return None
