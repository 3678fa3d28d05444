"""The citizens of Mina Meddelanden's sandbox: by the last two digits of their number, how the
register and their operator behave.

==
=====================================================================================================
10  no mailbox                                     20  the operator answers Delivered=false 11
mailbox pending activation                     21  applicationFault 5000, once 12  does not accept
the sender                     22  applicationFault 5000, always 13  missing from the register's
answer             23  HTTP 500, once 14  a minor (with a mailbox)                       24  takes
the message and answers nothing, once 15  mailbox at Min myndighetspost                  25  takes
the message and hangs up, once 16  mailbox at an operator that nobody knows       26  takes the
message and answers garbage, once 17  the register names an address of no operator   27  HTTP 429
with Retry-After, twice 18  the register names no address                  28  takes the message and
answers nothing, always ==
=====================================================================================================

Everybody else has a mailbox at Kivra, organisations (16…) too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from utskick.sandbox.faults import FaultRule, ProviderFault


class CitizenMailbox(StrEnum):
    """What the register says of somebody."""

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
    """A mailbox operator: its id in the register, and whether it knows a repeated delivery
    again."""

    id: str
    name: str
    deduplicates: bool


#: By the name that its path, the fault script and the ledger use. The ids are those of Kivra AB and
#: of Digg.
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
#: HTTP 500 without a SOAP fault, which the script's words have no name for.
CRASH: Final = "23"

_FIRST_DAY: Final = date(1900, 1, 1)
_DAYS: Final = 3652
#: How many different numbers there are of each magic.
MOST: Final = _DAYS * 10


def mailbox_of(number: str) -> CitizenMailbox:
    """``number``: 12 digits."""
    return MAILBOXES.get(number[-2:], CitizenMailbox.KIVRA)


def number(serial: int, magic: str = "00") -> str:
    """The 12-digit number of an adult whose last two digits are ``magic``; Luhn-valid, and another
    for each ``serial`` (0 to 36 519).

    Born 1900–1909, so that it is nobody's who lives; of ``magic`` 14, a minor, who is not born yet.
    """
    if not 0 <= serial < MOST or len(magic) != 2 or not magic.isdigit():
        raise ValueError("serial is from 0 to 36519, magic is two digits")
    born = _FIRST_DAY + timedelta(days=serial // 10)
    if magic == MINOR:
        born = born.replace(year=born.year + 184)  # a year that is as long as its counterpart
    day = born.strftime("%Y%m%d")
    return next(
        made for digit in "0123456789" if is_luhn(made := f"{day}{digit}{serial % 10}{magic}")
    )


def is_luhn(number: str) -> bool:
    """The check digit of a personal number: over its last ten digits (SKV 704)."""
    total = 0
    for place, digit in enumerate(reversed(number[-10:])):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
