"""Check digits and bank days."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from utskick.channels.digital_invoice.check_digits import (
    has_length_digit,
    is_bank_day,
    is_bankgiro,
    is_ocr,
    is_plusgiro,
)


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("991-2346", True),
        ("9912346", True),
        ("991-2347", False),
        ("12346", False),
        ("5402-9681", True),
    ],
)
def test_a_bankgiro_number_has_seven_or_eight_digits_and_a_check_digit(
    number: str, right: bool
) -> None:
    assert is_bankgiro(number) is right


@pytest.mark.parametrize(
    ("number", "right"),
    [("28 65 43-4", True), ("18", True), ("286543-5", False), ("123456789", False), ("", False)],
)
def test_a_plusgiro_number_has_two_to_eight_digits_and_a_check_digit(
    number: str, right: bool
) -> None:
    assert is_plusgiro(number) is right


@given(st.from_regex(r"[0-9]{1,24}", fullmatch=True))
def test_every_ocr_with_its_check_digit_is_right_and_with_any_other_wrong(body: str) -> None:
    digit = luhn.calc_check_digit(body)
    assert is_ocr(body + digit)
    assert not any(is_ocr(body + other) for other in "0123456789" if other != digit)


@pytest.mark.parametrize("text", ["١٢٣٤٥", "1234-5", "12 34", "1" * 26, "7", "²³"])
def test_what_is_not_plain_digits_is_no_ocr(text: str) -> None:
    assert not is_ocr(text)


def test_an_ocr_may_tell_its_length() -> None:
    assert has_length_digit("1234567899"[:8] + "09") is True
    assert has_length_digit("123456789") is False


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 27), True),
        (date(2026, 11, 28), False),  # Saturday
        (date(2026, 12, 24), False),  # Christmas Eve
        (date(2026, 12, 31), False),  # New Year's Eve
        (date(2027, 1, 6), False),  # Epiphany
        (date(2027, 6, 25), False),  # Midsummer Eve
        (date(2027, 5, 6), False),  # Ascension
        (date(2027, 6, 28), True),
    ],
)
def test_bank_days(day: date, works: bool) -> None:
    assert is_bank_day(day) is works
