"""Delegates: who is told of what."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.changes import change
from tests.directory.stage import MID, OTHER, People, differs, equals, sms
from utskick.directory.delegation import DEPTH
from utskick.domain.contact_setting import Filter, Rule
from utskick.store.database import Database


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


async def test_a_delegate_is_told_where_one_filter_matches_whole(people: People) -> None:
    anna, bo = await people.setting(sms("+4671")), await people.setting(sms("+4672"))
    await people.delegate(
        anna, bo, [equals("facility", "7"), equals("kind", "fault")], [equals("facility", "8")]
    )
    assert await people.told(anna) == ["+4671"]
    assert await people.told(anna, facility="7") == ["+4671"]
    assert await people.told(anna, facility="7", kind="FAULT") == ["+4671", "+4672"]
    assert await people.told(anna, facility="8", kind="other") == ["+4671", "+4672"]
    assert await people.told(bo, facility="8") == ["+4672"]


async def test_without_filters_everything_is_delegated_and_an_empty_filter_matches_nothing(
    people: People,
) -> None:
    anna, bo, cy = [await people.setting(sms(f"+467{n}")) for n in range(3)]
    await people.delegate(anna, bo)
    await people.delegate(anna, cy, [])
    assert await people.told(anna, any="thing") == ["+4670", "+4671"]


async def test_delegates_of_delegates_are_told_and_a_circle_ends(people: People) -> None:
    anna, bo, cy, dora = [await people.setting(sms(f"+467{n}")) for n in range(4)]
    await people.delegate(anna, bo, [equals("*", "*")])
    await people.delegate(bo, cy, [equals("a", "1")])
    await people.delegate(cy, anna, [equals("*", "*")])
    await people.delegate(anna, cy, [differs("a", "1")])
    await people.delegate(cy, dora)
    assert await people.told(anna, a="1") == ["+4670", "+4671", "+4672", "+4673"]
    assert await people.told(anna) == ["+4670", "+4671", "+4672", "+4673"]
    assert await people.told(bo) == ["+4671"]


async def test_a_chain_that_is_too_long_ends(people: People) -> None:
    line = [await people.setting(sms(f"+467{n:02}")) for n in range(DEPTH + 3)]
    for principal, agent in pairwise(line):
        await people.delegate(principal, agent)
    assert len(await people.told(line[0])) == DEPTH + 1


async def test_many_delegates_are_told_to_many_who_ask_at_once(people: People) -> None:
    anna = await people.setting(sms("+4670"))
    for n in range(30):
        await people.delegate(anna, await people.setting(sms(f"+4671{n}")), [equals("*", "*")])
    asked = await asyncio.gather(*(people.told(anna) for _ in range(20)))
    assert all(len(found) == 31 for found in asked)


async def test_a_setting_that_is_deleted_takes_its_delegates_and_its_children(
    people: People,
) -> None:
    anna, bo = await people.setting(sms("+4671")), await people.setting(sms("+4672"))
    child = await people.setting(sms("+4673"), maker=anna)
    ahead, back = await people.delegate(anna, child), await people.delegate(bo, anna)
    assert not await people.tables.settings.delete(anna.id, change(OTHER))
    assert await people.tables.settings.delete(anna.id, change())
    assert await people.tables.settings.get(MID, child.id) is None
    assert [await people.tables.delegates.get(MID, d.id) for d in (ahead, back)] == [None, None]
    assert await people.told(bo) == ["+4672"]


values = st.sampled_from(["", "1", "Å", "å", "*"])
queries = st.dictionaries(st.sampled_from(["a", "b"]), st.lists(values, max_size=2))


@given(st.sampled_from(["a", "b", "*"]), values, queries)
def test_differs_is_always_the_opposite_of_equals(
    attribute: str, value: str, query: dict[str, list[str]]
) -> None:
    assert equals(attribute, value).matches(query) is not differs(attribute, value).matches(query)


rules = st.builds(
    lambda kind, a, v: kind(a, v),
    st.sampled_from([equals, differs]),
    st.sampled_from(["a", "b", "*"]),
    values,
)


@given(st.lists(rules, max_size=4), queries)
def test_one_more_rule_never_lets_more_through(
    some: list[Rule], query: dict[str, list[str]]
) -> None:
    def matches(tried: list[Rule]) -> bool:
        return Filter(None, None, None, tuple(tried), None, None).matches(query)  # type: ignore[arg-type]

    if len(some) > 1 and matches(some):
        assert matches(some[:-1])
    assert matches([equals("*", "*")])
    assert not matches([])
