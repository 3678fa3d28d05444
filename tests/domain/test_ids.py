"""UUIDv7 (RFC 9562)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.ids import first_id_at, made_at, new_id, parse_id


def test_ids_are_of_version_7_and_in_the_order_of_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert {i.version for i in ids} == {7}
    assert ids == sorted(ids)
    assert len(set(ids)) == 2000


def test_an_id_tells_when_it_was_made() -> None:
    assert abs(made_at(new_id()) - datetime.now(UTC)) < timedelta(seconds=2)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_the_first_id_of_a_moment_is_below_all_ids_of_it(moment: datetime) -> None:
    first = first_id_at(moment)
    assert first.version == 7
    assert made_at(first) <= moment
    assert moment - made_at(first) < timedelta(milliseconds=1.1)


def test_only_the_full_form_is_an_id() -> None:
    text = str(new_id())
    assert parse_id(text) == parse_id(text.upper())
    for bad in (
        "1-1-1-1-1",
        text[:-1],
        text + "0",
        "{" + text + "}",
        text.replace("-", ""),
        "",
        text + "\n",
    ):
        assert parse_id(bad) is None
