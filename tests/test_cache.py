"""The bounded cache."""

from __future__ import annotations

from utskick.cache import Cache


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_recently_used_value_is_dropped_first() -> None:
    cache = Cache[str, int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    cache.drop("a")
    assert (cache.get("a"), len(cache)) == (None, 1)


def test_a_value_is_valid_for_a_time() -> None:
    clock = Clock()
    cache = Cache[str, int](9, seconds=10, clock=clock)
    cache.put("a", 1)
    cache.put("b", 2, seconds=20)
    cache.put("c", 3, seconds=0)
    clock.now = 9.9
    assert [cache.get(key) for key in "abc"] == [1, 2, None]
    clock.now = 10
    assert [cache.get(key) for key in "ab"] == [None, 2]
    assert len(cache) == 1


def test_values_count_by_their_weight() -> None:
    cache = Cache[str, bytes](10, weigh=len)
    cache.put("a", b"x" * 6)
    cache.put("b", b"x" * 4)
    cache.put("a", b"x" * 5)
    assert len(cache) == 2
    cache.put("c", b"x" * 2)
    assert [cache.get(key) is None for key in "abc"] == [False, True, False]
    cache.put("c", b"x" * 11)
    assert cache.get("c") is None
    cache.clear()
    assert len(cache) == 0
