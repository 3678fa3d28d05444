"""Personal, coordination and organisation numbers: made only by parsing.

Personal numbers have 12 digits here, organisations 10. Skatteverket's SKV 704 (personal numbers)
and SKV 709 (organisation numbers): a check digit by Luhn over the last ten digits; a coordination
number has 60 added to the day; after 100 years the sign between date and number becomes a plus; the
third digit of an organisation number is at least 2, so that it is no month.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Final

from stdnum import luhn

from utskick.domain.directory_ports import LegalId

_WRITTEN: Final = re.compile(
    r"(?P<century>16|19|20)?(?P<six>[0-9]{6})(?P<sign>[-+]?)(?P<four>[0-9]{4})\Z"
)
_COORDINATION: Final = 60


class WrongNumber(StrEnum):
    """Why a text is no number, in words that never repeat it."""

    FORM = "is not written as a personal or organisation number"
    DATE = "holds no real date of birth"
    CHECK_DIGIT = "has a wrong check digit"


def read_legal_id(text: str, today: date) -> LegalId | WrongNumber:
    """Parse 10 or 12 digits, with or without ``-`` or ``+``.

    ``today``: two digits of a year mean the latest one that is not in the future.
    """
    found = _WRITTEN.match(text.strip())
    if found is None:
        return WrongNumber.FORM
    six, ten = found["six"], found["six"] + found["four"]
    if six[2] >= "2":
        if found["century"] not in (None, "16") or found["sign"] == "+":
            return WrongNumber.FORM
        return LegalId(ten) if luhn.is_valid(ten) else WrongNumber.CHECK_DIGIT
    if found["century"] == "16":
        return WrongNumber.FORM
    born = _born(found["century"], six, found["sign"], today)
    if born is None:
        return WrongNumber.DATE
    return LegalId(f"{born.year // 100}{ten}") if luhn.is_valid(ten) else WrongNumber.CHECK_DIGIT


def _born(century: str | None, six: str, sign: str, today: date) -> date | None:
    year, month, day = int(six[:2]), int(six[2:4]), int(six[4:])
    day -= _COORDINATION if day > _COORDINATION else 0
    if century is not None:
        found = _real(int(century) * 100 + year, month, day)
        return found if found is not None and found <= today else None
    if sign == "+":  # from the year in which one turns 100
        return _real(today.year - 100 - (today.year - year) % 100, month, day)
    latest = today.year - (today.year - year) % 100
    found = _real(latest, month, day)
    return found if found is not None and found <= today else _real(latest - 100, month, day)


def _real(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year >= 1900 else None
    except ValueError:
        return None


def of_register(text: str) -> tuple[LegalId, bool] | None:
    """Return a number as a register has it, and whether its check digit is right.

    It is used all the same.
    """
    digits = text.strip().replace("-", "")
    if len(digits) == 12 and digits.startswith("16"):
        digits = digits[2:]
    if not re.fullmatch(r"(?:19|20)[0-9]{10}|[0-9]{2}[2-9][0-9]{7}", digits):
        return None
    return LegalId(digits), luhn.is_valid(digits[-10:])


def masked(number: LegalId) -> str:
    """Return the visible form: ``19900101-****``."""
    return f"{number.number[:-4]}-****"
