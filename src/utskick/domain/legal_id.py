"""Personal, coordination and organisation numbers: made only by parsing.

Personal numbers have 12 digits here, organisations 10. Skatteverket's SKV 704 (personal numbers)
and SKV 709 (organisation numbers): a check digit by Luhn over the last ten digits; a coordination
number has 60 added to the day, and 00 for what is unknown of month and day (day 60); after 100
years the sign between date and number becomes a plus; the third digit of an organisation number is
at least 2, so that it is no month.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import StrEnum
from typing import Final

from stdnum import luhn

from utskick.domain.characters import without_invisible
from utskick.domain.directory_ports import LegalId
from utskick.domain.spreadsheet import DIGITS_LOST, NotWhole, whole_number

_WRITTEN: Final = re.compile(
    r"(?P<century>16|19|20)?(?P<six>[0-9]{6})(?P<sign>[-+]?)(?P<four>[0-9]{4})\Z"
)
_COORDINATION: Final = 60


class WrongNumber(StrEnum):
    """Why a text is no number, in words that never repeat it."""

    FORM = "is not written as a personal or organisation number"
    DATE = "holds no real date of birth"
    DIGITS_LOST = DIGITS_LOST
    CHECK_DIGIT = "has a wrong check digit"


def read_legal_id(text: str, today: date) -> LegalId | WrongNumber:
    """Parse 10 or 12 digits, with or without ``-`` or ``+``.

    ``today``: two digits of a year mean the latest one that is not in the future.
    """
    try:
        found = _WRITTEN.match(whole_number(_plain(text)))
    except NotWhole as fault:
        return WrongNumber.DIGITS_LOST if str(fault) == DIGITS_LOST else WrongNumber.FORM
    if found is None:
        return WrongNumber.FORM
    six, ten = found["six"], found["six"] + found["four"]
    if six[2] >= "2":
        if found["century"] not in (None, "16") or found["sign"] == "+":
            return WrongNumber.FORM
        return LegalId(ten) if luhn.is_valid(ten) else WrongNumber.CHECK_DIGIT
    if found["century"] == "16":
        return WrongNumber.FORM
    year = _year_of_birth(found["century"], six, found["sign"], today)
    if year is None:
        return WrongNumber.DATE
    return LegalId(f"{year // 100}{ten}") if luhn.is_valid(ten) else WrongNumber.CHECK_DIGIT


def _plain(text: str) -> str:
    """Remove what nobody sees, and make any dash a plain one."""
    return "".join(
        "-" if unicodedata.category(ch) == "Pd" or ch == "\u2212" else ch
        for ch in without_invisible(text).strip()
    )


def _year_of_birth(century: str | None, six: str, sign: str, today: date) -> int | None:
    year, month, day = int(six[:2]), int(six[2:4]), int(six[4:])
    if century is not None:
        whole = int(century) * 100 + year
        return whole if _may_be_born(whole, month, day, today) else None
    if sign == "+":  # from the year in which one turns 100
        old = today.year - 100 - (today.year - year) % 100
        return old if _may_be_born(old, month, day, today) else None
    latest = today.year - (today.year - year) % 100
    found = (whole for whole in (latest, latest - 100) if _may_be_born(whole, month, day, today))
    return next(found, None)


def _may_be_born(year: int, month: int, day: int, today: date) -> bool:
    """Return whether somebody may have been born then, by today.

    Of a coordination number month and day may be 0: unknown.
    """
    if year < 1900:
        return False
    if day >= _COORDINATION:
        unknown_month, unknown_day = month == 0, day == _COORDINATION
        if unknown_month or unknown_day:
            # The earliest day that it may be; of an unknown month, any that has so many days.
            month, day = month or 1, max(1, day - _COORDINATION)
        else:
            day -= _COORDINATION
    try:
        return date(year, month, day) <= today
    except ValueError:
        return False


def of_register(text: str) -> tuple[LegalId, bool] | None:
    """Return a number as a register has it, and whether its check digit is right.

    It is used all the same.
    """
    digits = _plain(text).replace("-", "")
    if len(digits) == 12 and digits.startswith("16"):
        digits = digits[2:]
    if not re.fullmatch(r"(?:19|20)[0-9]{10}|[0-9]{2}[2-9][0-9]{7}", digits):
        return None
    return LegalId(digits), luhn.is_valid(digits[-10:])


def masked(number: LegalId) -> str:
    """Return the visible form: ``19900101-****``."""
    return f"{number.number[:-4]}-****"
