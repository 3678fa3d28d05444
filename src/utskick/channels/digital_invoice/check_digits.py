"""What can be wrong with a payment before anybody is asked: check digits of OCR, Bankgiro and
Plusgiro, and days that banks work."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

import holidays
from stdnum import luhn

#: Characters of a payment reference (contract Q25; Kivra's limit).
LONGEST_REFERENCE: Final = 25


def digits_of(text: str) -> str:
    """An account number without the hyphen and spaces that it is written with."""
    return text.replace("-", "").replace(" ", "")


def is_bankgiro(text: str) -> bool:
    """7 or 8 digits, the last of which is their check digit (Luhn)."""
    return _checked(digits_of(text), 7, 8)


def is_plusgiro(text: str) -> bool:
    """2 to 8 digits, the last of which is their check digit (Luhn)."""
    return _checked(digits_of(text), 2, 8)


def is_ocr(text: str) -> bool:
    """2 to 25 digits, the last of which is their check digit (Luhn)."""
    return _checked(text, 2, LONGEST_REFERENCE)


def tells_its_length(ocr: str) -> bool:
    """Whether the last digit but one is the number of digits, modulo 10, as some accounts
    demand."""
    return len(ocr) > 2 and ocr[-2] == str(len(ocr) % 10)


def _checked(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and least <= len(text) <= most and luhn.is_valid(text)


def is_bank_day(day: date) -> bool:
    """Neither a weekend nor a holiday in Sweden; the eves of midsummer, Christmas and New Year are
    none either."""
    return day.weekday() < 5 and day not in _holidays(day.year)


@lru_cache(maxsize=16)
def _holidays(year: int) -> frozenset[date]:
    days = holidays.country_holidays(
        "SE", years=year, include_sundays=False, categories=("public", "de_facto")
    )
    return frozenset(days)
