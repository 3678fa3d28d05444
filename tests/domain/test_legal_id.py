"""Personal, coordination and organisation numbers. The persons are drawn at random."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from utskick.domain.characters import without_invisible
from utskick.domain.directory_ports import LegalId
from utskick.domain.legal_id import WrongNumber, masked, of_register, read_legal_id

TODAY = date(2026, 10, 18)


def number(born: date, serial: int, extra: int = 0) -> str:
    """12 digits with the right check digit; ``extra`` 60: a coordination number."""
    nine = f"{born:%y%m}{born.day + extra:02}{serial:03}"
    return f"{born.year // 100}{nine}{luhn.calc_check_digit(nine)}"


births = st.dates(date(1927, 1, 1), TODAY)
serials = st.integers(0, 999)
#: Something that is seen, and no decimals of a spreadsheet.
more_text = st.text(min_size=1, max_size=3).filter(
    lambda text: without_invisible(text).strip() and not re.fullmatch(r"[.,]0+", text.strip())
)
extras = st.sampled_from([0, 60])


@given(
    births, serials, extras, st.sampled_from(["{0}", "{1}-{2}", "{3}{2}", "{3}-{2}", " {1}{2} "])
)
def test_every_way_of_writing_a_person_is_the_same_person(
    born: date, serial: int, extra: int, form: str
) -> None:
    twelve = number(born, serial, extra)
    written = form.format(twelve, twelve[:8], twelve[8:], twelve[2:8])
    assert read_legal_id(written, TODAY) == LegalId(twelve)


@given(births, serials, extras, st.integers(2, 11), st.integers(1, 9))
def test_one_wrong_digit_is_never_the_same_person(
    born: date, serial: int, extra: int, place: int, add: int
) -> None:
    twelve = number(born, serial, extra)
    wrong = twelve[:place] + str((int(twelve[place]) + add) % 10) + twelve[place + 1 :]
    assert isinstance(read_legal_id(wrong, TODAY), WrongNumber)


@given(st.dates(date(1900, 1, 1), date(1926, 12, 31)), serials)
def test_a_plus_means_a_hundred_years(born: date, serial: int) -> None:
    twelve = number(born, serial)
    assert read_legal_id(f"{twelve[2:8]}+{twelve[8:]}", TODAY) == LegalId(twelve)


@given(st.dates(TODAY + timedelta(days=1), date(2026, 12, 31)), serials)
def test_nobody_is_born_tomorrow(born: date, serial: int) -> None:
    twelve = number(born, serial)
    assert read_legal_id(twelve, TODAY) is WrongNumber.DATE
    # who turns a hundred soon
    assert read_legal_id(twelve[2:], TODAY) == LegalId("19" + twelve[2:])


@given(st.dates(date(1927, 1, 2), date(2027, 1, 1)), serials, extras)
def test_a_child_born_today_has_a_number(today: date, serial: int, extra: int) -> None:
    twelve = number(today, serial, extra)
    for written in (twelve, f"{twelve[:8]}-{twelve[8:]}", twelve[2:]):
        assert read_legal_id(written, today) == LegalId(twelve)
        assert read_legal_id(written, today - timedelta(days=1)) != LegalId(twelve)


@given(births, serials, more_text)
def test_nothing_stands_before_or_behind_a_number(born: date, serial: int, more: str) -> None:
    twelve = number(born, serial)
    for written in (f"{twelve}{more}", f"{twelve[:8]}-{twelve[8:]}{more}", f"{more}{twelve}"):
        assert read_legal_id(written, TODAY) is WrongNumber.FORM
    assert of_register(f"{twelve}x") is None


@given(st.integers(0, 99), st.integers(20, 99), st.integers(0, 99_999))
def test_an_organisation_has_ten_digits(first: int, second: int, rest: int) -> None:
    nine = f"{first:02}{second:02}{rest:05}"
    ten = nine + luhn.calc_check_digit(nine)
    for written in (ten, f"{ten[:6]}-{ten[6:]}", "16" + ten):
        found = read_legal_id(written, TODAY)
        assert found == LegalId(ten)
        assert isinstance(found, LegalId)
        assert found.is_organization
        assert found.twelve == "16" + ten


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", WrongNumber.FORM),
        ("19900101", WrongNumber.FORM),
        ("900101 2384", WrongNumber.FORM),
        ("٩٠٠١٠١-2384", WrongNumber.FORM),
        ("18900101-2384", WrongNumber.FORM),
        ("16900101-2384", WrongNumber.FORM),
        ("212000+2411", WrongNumber.FORM),
        ("19212000-2411", WrongNumber.FORM),
        ("900230-1234", WrongNumber.DATE),
        ("901301-1234", WrongNumber.DATE),
        ("900161-1234", WrongNumber.CHECK_DIGIT),
        ("901360-1234", WrongNumber.DATE),
        ("900060-1234", WrongNumber.CHECK_DIGIT),
        ("900001-1234", WrongNumber.DATE),
        ("900100-1234", WrongNumber.DATE),
        ("1,91501E+11", WrongNumber.DIGITS_LOST),
        ("900192-1234", WrongNumber.DATE),
        ("19900101-2386", WrongNumber.CHECK_DIGIT),
        ("212000-2412", WrongNumber.CHECK_DIGIT),
    ],
)
def test_what_is_no_number_says_why_and_not_what(text: str, why: WrongNumber) -> None:
    assert read_legal_id(text, TODAY) is why
    assert not any(ch.isdigit() for ch in why)


def test_a_register_may_know_better_than_the_check_digit() -> None:
    assert of_register("199001012385") == (LegalId("199001012385"), True)
    assert of_register("199001012386") == (LegalId("199001012386"), False)
    assert of_register("162120002411") == (LegalId("2120002411"), True)
    assert of_register("212000-2411") == (LegalId("2120002411"), True)
    assert of_register("no number") is None


def test_a_number_is_shown_without_its_last_digits_and_printed_without_any() -> None:
    assert masked(LegalId("199001012385")) == "19900101-****"
    assert masked(LegalId("2120002411")) == "212000-****"
    assert "19" not in repr(LegalId("199001012385"))


@pytest.mark.parametrize(
    "written",
    [
        "191500882392",
        "19150088-2392",
        "150088+2392",
        "19150088\u20112392",
        "\u202d191500882392\u202c",
        "\ufeff19150088\u00ad-2392",
        "191500882392.0",
        "191500882392,0",
        "1.91500882392E+11",
    ],
)
def test_skatteverkets_test_number_of_an_unknown_month_is_taken(written: str) -> None:
    assert read_legal_id(written, TODAY) == LegalId("191500882392")
    assert of_register("191500882392") == (LegalId("191500882392"), True)


@given(
    st.integers(1927, 2026),
    st.integers(0, 12),
    st.integers(60, 91),
    serials,
)
def test_of_a_coordination_number_month_and_day_may_be_unknown(
    year: int, month: int, day: int, serial: int
) -> None:
    nine = f"{year % 100:02}{month:02}{day:02}{serial:03}"
    twelve = f"{year // 100}{nine}{luhn.calc_check_digit(nine)}"
    try:
        earliest = date(year, month or 1, max(1, day - 60))
    except ValueError:
        assert read_legal_id(twelve, TODAY) is WrongNumber.DATE
        return
    expected = LegalId(twelve) if earliest <= TODAY else WrongNumber.DATE
    assert read_legal_id(twelve, TODAY) == expected
