"""Phone numbers as people and spreadsheets write them: one number, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.phone_number import NotANumber, canonical, is_msisdn, read_number

SUBSCRIBERS = st.tuples(st.sampled_from("02369"), st.integers(0, 9_999_999)).map(
    lambda found: f"7{found[0]}{found[1]:07d}"
)
WRITTEN = (
    "0{0}",
    "+46{0}",
    "0046{0}",
    "46{0}",
    "{0}",
    "+46 0{0}",
    "+46(0){0}",
    "0046 (0){0}",
    "(0){0}",
    "'+46{0}",
    "tel:+46{0}",
    "46{0}.0",
    "46{0},0",
    "{0}.00",
    "0{0}.0",
    "+46{0}.0",
    "\u202d0{0}\u202c",
    "\ufeff0{0}",
    "0{0}\u00a0",
    "0{1}\u2011{2}",
    "0{1}\u00ad{2}",
    "0{1}\u2212{2}",
    "0{1}/{2}",
    "0{1}.{2}",
    "0{1}\u2007{2}",
)


@given(SUBSCRIBERS, st.sampled_from(WRITTEN))
def test_every_way_of_writing_a_mobile_is_the_same_number(subscriber: str, form: str) -> None:
    written = form.format(subscriber, subscriber[:2], subscriber[2:])
    assert read_number(written) == f"+46{subscriber}"


@given(SUBSCRIBERS)
def test_a_power_of_ten_is_read_only_with_every_digit(subscriber: str) -> None:
    number = f"46{subscriber}"
    for point in ".,":
        assert read_number(f"{number[0]}{point}{number[1:]}E+10") == f"+{number}"
        for size in range(1, 10):
            lost = read_number(f"{number[0]}{point}{number[1 : 1 + size]}E+10")
            assert isinstance(lost, NotANumber)
            assert "last digits are lost" in lost.detail


@given(SUBSCRIBERS, st.integers(1, 3), st.integers(0, 999))
def test_a_mobile_of_another_length_is_none(subscriber: str, less: int, more: int) -> None:
    for number in (subscriber[:-less], subscriber + str(more)):
        for form in ("0{0}", "+46{0}", "0046{0}", "46{0}", "+46(0){0}", "46{0}.0"):
            assert isinstance(read_number(form.format(number)), NotANumber)


@given(st.text("0123456789+-/., ()eE\u200b\u202e\u00a0'", max_size=24))
def test_what_is_read_is_a_number_of_the_digits_that_were_written(text: str) -> None:
    found = read_number(text)
    if isinstance(found, str):
        assert is_msisdn(found)
        assert canonical(found) == found
        assert read_number(found) == found
        bare = "".join(ch for ch in text if ch.isdigit())
        # Only leading zeros and country codes, and decimals at the end, may be gone.
        assert found.removeprefix("+46") in bare or found[1:] in bare


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("060-19 10 00", "+4660191000"),
        ("08/123 456 78", "+46812345678"),
        ("4660191000", "+4660191000"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+358 (0)40 1234567", "+358401234567"),
        ("+39 06 1234 5678", "+390612345678"),
        ("08-123456", "+468123456"),
    ],
)
def test_other_numbers_are_read_by_their_plans(text: str, number: str) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("46701740605.5", "it has decimals"),
        ("4670174060.5", "it has decimals"),
        ("08123456.0", "zeros at its end may be decimals or digits of the number"),
        ("0701740605, 0701740606", "it looks like several numbers"),
        ("0701740605/06", "it looks like several numbers"),
        ("08-123456/57", "it looks like several numbers"),
        ("+46701740605 +46701740606", "it looks like several numbers"),
        ("4791234567", "it begins neither with a country code nor with 0"),
        ("46123456", "it begins neither with a country code nor with 0"),
        ("85230", "it begins neither with a country code nor with 0"),
        ("070-1740605 ankn 3", "it contains letters"),
        ("+４６701740605", "it contains U+FF14, U+FF16"),
        ("\u202e5060471070", "it contains U+202E"),
        ("+1234", "it has too few or too many digits"),
        ("", ""),
        ("+", ""),
        (".0", ""),
    ],
)
def test_what_is_not_certain_is_rejected_by_its_kind(text: str, detail: str) -> None:
    assert read_number(text) == NotANumber(detail)


@pytest.mark.parametrize(
    ("number", "same"),
    [
        ("+460701740605", "+46701740605"),
        ("+46701740605", "+46701740605"),
        ("+4601", "+4601"),
        ("+390612345678", "+390612345678"),
    ],
)
def test_only_swedens_trunk_zero_is_dropped(number: str, same: str) -> None:
    assert canonical(number) == same
