"""Citizens of the simulator, whose last two digits determine register and operator.

Behaviour of the register:

- 10: no mailbox
- 11: mailbox pending activation
- 12: does not accept the sender
- 13: missing from the response
- 14: minor with a mailbox
- 15: mailbox at Min myndighetspost
- 16: mailbox at an unknown operator
- 17: address that is not an operator's
- 18: no address

Behaviour of the operator:

- 20: Delivered=false
- 21: applicationFault 5000, once
- 22: applicationFault 5000, always
- 23: HTTP 500, once
- 24: accepts the message without a response, once
- 25: accepts the message and drops the connection, once
- 26: accepts the message and responds with garbage, once
- 27: HTTP 429 with Retry-After, twice
- 28: accepts the message without a response, always

Everybody else has a mailbox at Kivra, including organisations (16…).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from utskick.sandbox.faults import FaultRule, ProviderFault


class CitizenMailbox(StrEnum):
    """Status of a recipient in the register."""

    KIVRA = "kivra"
    MYNDIGHETSPOST = "minmyndighetspost"
    NONE = "none"
    PENDING = "pending"
    BLOCKED = "blocked"
    OMITTED = "omitted"
    UNKNOWN_OPERATOR = "unknown-operator"
    FOREIGN_ADDRESS = "foreign-address"
    NO_ADDRESS = "no-address"


@dataclass(frozen=True, slots=True)
class CitizenOperator:
    """Mailbox operator: id in the register, and whether it deduplicates deliveries."""

    id: str
    name: str
    deduplicates: bool


#: By name in paths, fault script and ledger. The ids are those of Kivra AB and of Digg.
OPERATORS: Final = {
    "kivra": CitizenOperator("165568402266", "Kivra", deduplicates=True),
    "minmyndighetspost": CitizenOperator("162021006883", "Min myndighetspost", deduplicates=False),
}

MAILBOXES: Final = {
    "10": CitizenMailbox.NONE,
    "11": CitizenMailbox.PENDING,
    "12": CitizenMailbox.BLOCKED,
    "13": CitizenMailbox.OMITTED,
    "15": CitizenMailbox.MYNDIGHETSPOST,
    "16": CitizenMailbox.UNKNOWN_OPERATOR,
    "17": CitizenMailbox.FOREIGN_ADDRESS,
    "18": CitizenMailbox.NO_ADDRESS,
}
MINOR: Final = "14"
#: TEMPORARY is applicationFault 5000.
MAGIC: Final = {
    "20": FaultRule(ProviderFault.REFUSE, times=None),
    "21": FaultRule(ProviderFault.TEMPORARY),
    "22": FaultRule(ProviderFault.TEMPORARY, times=None),
    "24": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "25": FaultRule(ProviderFault.DROP),
    "26": FaultRule(ProviderFault.GARBAGE),
    "27": FaultRule(ProviderFault.THROTTLE, times=2),
    "28": FaultRule(ProviderFault.TIMEOUT, seconds=60, times=None),
}
#: HTTP 500 without a SOAP fault, which is not a fault of the script.
CRASH: Final = "23"

_FIRST_DAY: Final = date(1900, 1, 1)
_DAYS: Final = 3652
#: Number of different serials for each magic.
SERIALS: Final = _DAYS * 10


def mailbox_of(number: str) -> CitizenMailbox:
    """Return the mailbox of a number of 12 digits."""
    return MAILBOXES.get(number[-2:], CitizenMailbox.KIVRA)


def number(serial: int, magic: str = "00") -> str:
    """Return a valid number of 12 digits ending in ``magic``, different for each ``serial``.

    ``serial`` is 0 to 36 519. The date of birth is 1900–1909, or in the future for a minor
    (``magic`` 14), so that no living person has the number.
    """
    if not 0 <= serial < SERIALS or len(magic) != 2 or not magic.isdigit():
        raise ValueError("serial is from 0 to 36519, magic is two digits")
    born = _FIRST_DAY + timedelta(days=serial // 10)
    if magic == MINOR:
        born = born.replace(year=born.year + 184)  # a year of the same length
    day = born.strftime("%Y%m%d")
    return next(
        candidate
        for digit in "0123456789"
        if is_luhn(candidate := f"{day}{digit}{serial % 10}{magic}")
    )


def is_luhn(number: str) -> bool:
    """Whether the check digit of a personal number is correct (SKV 704)."""
    total = 0
    for position, digit in enumerate(reversed(number[-10:])):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
