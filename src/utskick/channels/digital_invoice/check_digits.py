"""Validation of payment data: check digits of OCR, Bankgiro and Plusgiro, and bank days."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

import holidays
from stdnum import luhn

#: Maximum characters of a payment reference (contract Q25; Kivra's limit).
LONGEST_REFERENCE: Final = 25


def digits_of(text: str) -> str:
    """Strip hyphens and spaces from an account number."""
    return text.replace("-", "").replace(" ", "")


def is_bankgiro(text: str) -> bool:
    """Return whether the text is 7 or 8 digits ending with a valid Luhn check digit."""
    return _checked(digits_of(text), 7, 8)


def is_plusgiro(text: str) -> bool:
    """Return whether the text is 2 to 8 digits ending with a valid Luhn check digit."""
    return _checked(digits_of(text), 2, 8)


def is_ocr(text: str) -> bool:
    """Return whether the text is 2 to 25 digits ending with a valid Luhn check digit."""
    return _checked(text, 2, LONGEST_REFERENCE)


def has_length_digit(ocr: str) -> bool:
    """Return whether the last digit but one is the length modulo 10, as some accounts require."""
    return len(ocr) > 2 and ocr[-2] == str(len(ocr) % 10)


def _checked(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and least <= len(text) <= most and luhn.is_valid(text)


def is_bank_day(day: date) -> bool:
    """Return whether banks in Sweden are open: not on weekends, holidays and the three eves.

    The eves are those of midsummer, Christmas and New Year.
    """
    return day.weekday() < 5 and day not in _holidays(day.year)


@lru_cache(maxsize=16)
def _holidays(year: int) -> frozenset[date]:
    days = holidays.country_holidays(
        "SE", years=year, include_sundays=False, categories=("public", "de_facto")
    )
    return frozenset(days)
