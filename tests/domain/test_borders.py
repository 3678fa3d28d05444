"""The ends of ranges, and each part of a condition on its own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.domain.test_legal_id import TODAY, number
from utskick.domain.clock import midnight, utc_second
from utskick.domain.contact_setting import Operator, Rule
from utskick.domain.directory_ports import LegalId
from utskick.domain.legal_id import WrongNumber, read_legal_id
from utskick.domain.month import month_of, parse_month, written
from utskick.domain.request_parts import SupportEmail
from utskick.domain.retention import OTHERS, RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.domain.validators import is_base64

WHOLE = Unit("2281")
OFFICE, SCHOOL = Unit("2281", "2120002411"), Unit("2281", None, "Skola")
BOTH = Unit("2281", "2120002411", "Skola")


@pytest.mark.parametrize(
    ("unit", "above"),
    [
        (WHOLE, [WHOLE]),
        (OFFICE, [WHOLE, OFFICE]),
        (SCHOOL, [WHOLE, SCHOOL]),
        (BOTH, [WHOLE, OFFICE, SCHOOL, BOTH]),
    ],
)
def test_a_unit_inherits_from_those_above_it_widest_first(unit: Unit, above: list[Unit]) -> None:
    assert list(unit.above()) == above


def test_units_have_tags_of_their_own_without_the_departments_name() -> None:
    tags = [unit.tag for unit in (WHOLE, OFFICE, SCHOOL, BOTH)]
    assert tags[:2] == ["2281", "2281.2120002411"]
    assert tags[2].startswith("2281..")
    assert tags[3].startswith("2281.2120002411.")
    assert len(set(tags)) == 4
    assert not any("Skola" in tag for tag in tags)


def test_units_have_names_for_people() -> None:
    units = (WHOLE, OFFICE, SCHOOL, BOTH)
    assert [unit.label for unit in units] == [
        "2281",
        "2281/2120002411",
        "2281/Skola",
        "2281/2120002411/Skola",
    ]
    assert [str(unit) for unit in units] == [
        "2281",
        "2281, 2120002411",
        "2281, department Skola",
        "2281, 2120002411, department Skola",
    ]


def test_who_was_born_today_is_a_person_and_who_is_born_tomorrow_is_not() -> None:
    today = number(TODAY, 238)
    for text in (today, today[2:]):
        assert read_legal_id(text, TODAY) == LegalId(today)
    tomorrow = number(TODAY + timedelta(days=1), 238)
    assert read_legal_id(tomorrow, TODAY) is WrongNumber.DATE
    assert read_legal_id(tomorrow[2:], TODAY) == LegalId("19" + tomorrow[2:])


def test_a_person_is_born_in_1900_at_the_earliest() -> None:
    first = number(date(1900, 1, 1), 238)
    assert read_legal_id(first, TODAY) == LegalId(first)
    assert isinstance(read_legal_id("1899" + first[4:], TODAY), WrongNumber)


@pytest.mark.parametrize("more", ["x", "xyz", "0", " 1", "-", "\n0"])
def test_a_number_with_anything_behind_it_is_none(more: str) -> None:
    valid = number(date(1990, 1, 1), 238)
    for text in (valid, f"{valid[:8]}-{valid[8:]}"):
        assert isinstance(read_legal_id(text + more, TODAY), WrongNumber)
        assert isinstance(read_legal_id(more.strip() + text, TODAY), WrongNumber)


def test_months_are_swedish_and_read_as_written() -> None:
    for text in ("2026-01", "2025-12", "2026-06"):
        month = parse_month(text)
        assert month is not None
        assert written(month) == text
    first, last = parse_month("2026-01"), parse_month("2025-12")
    assert first is not None
    assert last is not None
    assert first - last == 1
    midnight_in_sweden = datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert month_of(midnight_in_sweden) == first
    assert month_of(midnight_in_sweden - timedelta(seconds=1)) == last
    assert midnight(date(2026, 1, 1)) == midnight_in_sweden


def test_a_second_is_in_utc_and_one_without_a_zone_is_taken_for_it() -> None:
    stockholm = datetime(2026, 1, 1, 12, 0, 0, 999, timezone(timedelta(hours=1)))
    assert utc_second(stockholm) == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert utc_second(datetime(2026, 1, 1, 12)) == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "right"),
    [("YWI", True), ("YWI=", True), ("YQ==", True), ("YQ=", False), ("YWJj=", False), ("Y", False)],
)
def test_padding_is_left_out_or_complete(text: str, right: bool) -> None:
    assert is_base64(text) is right


@pytest.mark.parametrize(
    ("attribute", "value", "matches"),
    [("*", "*", True), ("a", "*", False), ("*", "1", False), ("a", "1", True), ("a", "2", False)],
)
def test_only_everything_equals_everything(attribute: str, value: str, matches: bool) -> None:
    query = {"a": ("1",)}
    assert Rule(attribute, Operator.EQUALS, value).matches(query) is matches
    assert Rule(attribute, Operator.NOT_EQUALS, value).matches(query) is not matches


def test_the_narrowest_rule_decides_and_a_units_own_before_that_of_the_settings() -> None:
    def rule(unit: Unit | None, kind: str, *, own: bool = False) -> RetentionRule:
        by = ("joe01doe", datetime(2026, 1, 1, tzinfo=UTC)) if own else (None, None)
        return RetentionRule(kind, 30, "dnr", *by, unit)

    everywhere, whole = rule(None, "SMS"), rule(WHOLE, "SMS")
    assert Rules((), (everywhere,)).of("SMS", OFFICE) is everywhere
    assert Rules((), (everywhere, whole)).of("SMS", OFFICE) is whole
    own = rule(WHOLE, OTHERS, own=True)
    assert Rules((own,), (everywhere, whole)).of("SMS", OFFICE) is own
    assert Rules((own,), (everywhere, whole)).of("SMS", Unit("2260")) is everywhere
    office = rule(OFFICE, OTHERS)
    assert Rules((own,), (whole, office)).of("SMS", OFFICE) is office
    assert Rules((), (office,)).of("SMS", WHOLE) is None


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("", True),
        ("a@bc", False),
        ("a@b.c", True),
        (f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 8}", True),
        (f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 9}", False),
    ],
)
def test_the_address_of_support_has_five_to_256_characters(address: str, taken: bool) -> None:
    """The schema of Mina Meddelanden."""
    assert len(address) in (0, 4, 5, 256, 257)
    try:
        TypeAdapter(SupportEmail).validate_python(address)
    except ValidationError:
        assert not taken
    else:
        assert taken
