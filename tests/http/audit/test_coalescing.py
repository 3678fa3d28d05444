"""Spates: nothing is lost from the count, little is told, and little is remembered."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from utskick.http.audit.coalescing import EventCoalescer, EventCount, EventKey

MOST, EACH = 3, 2


class Told:
    def __init__(self) -> None:
        self.sums: list[tuple[EventKey, int, set[str], int | None]] = []

    def __call__(self, kind: EventKey, spate: EventCount[int]) -> None:
        self.sums.append((kind, spate.suppressed, set(spate.names), spate.last))


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from(["scope", "other"])),
        max_size=60,
    )
)
def test_what_is_told_and_what_is_counted_is_all_there_was(
    calls: list[tuple[str, int, str]],
) -> None:
    async def count() -> None:
        told, one_by_one = Told(), Counter[tuple[str, str]]()
        spates: EventCoalescer[int] = EventCoalescer(MOST, EACH, told)
        for number, (trail, who, why) in enumerate(calls):
            one_by_one[trail, why] += spates.count(EventKey(trail, str(who), why), "read", number)
        assert sum(one_by_one.values()) <= EACH * (MOST + 4), (
            "four sorts of trail and reason beside those that are told apart"
        )
        spates.close()
        sums = Counter[tuple[str, str]]()
        for kind, untold, names, _ in told.sums:
            sums[kind.municipality_id, kind.reason] += untold
            assert names == {"read"}
        assert len(told.sums) <= MOST + 4
        assert one_by_one + sums == Counter((trail, why) for trail, _, why in calls)

    asyncio.run(count())


async def test_each_minute_tells_its_own_and_a_quiet_one_forgets() -> None:
    told, kind = Told(), EventKey("2281", "192.0.2.1", "no token")
    spates: EventCoalescer[int] = EventCoalescer(MOST, 1, told, minute=0.05)
    assert [
        spates.count(kind, name, number) for number, name in enumerate(("read", "send", "read"))
    ] == [True, False, False]
    await asyncio.sleep(0.08)
    assert told.sums == [(kind, 2, {"read", "send"}, 2)]
    assert not spates.count(kind, "read", 3), "its number was told in this minute"
    await asyncio.sleep(0.15)
    assert told.sums[1:] == [(kind, 1, {"read"}, 3)]
    assert spates.count(kind, "read", 4)
    spates.close()
    assert len(told.sums) == 2
