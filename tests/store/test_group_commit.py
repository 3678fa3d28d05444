"""Group commit: concurrent items are written together, and one bad item fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from utskick.store.group_commit import GroupCommit


async def test_items_that_come_while_a_group_is_written_form_the_next() -> None:
    groups: list[list[int]] = []
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        groups.append(list(items))
        await gate.wait()
        return [item * 10 for item in items]

    batching = GroupCommit(write, limit=3)
    first = asyncio.create_task(batching.put(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batching.put(i)) for i in range(1, 6)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(first, *rest) == [0, 10, 20, 30, 40, 50]
    assert groups == [[0], [1, 2, 3], [4, 5]]


async def test_one_bad_item_fails_alone() -> None:
    async def write(items: Sequence[int]) -> Sequence[int]:
        if 13 in items:
            raise ValueError("13")
        return list(items)

    batching = GroupCommit(write, split=(ValueError,))
    found = await asyncio.gather(*(batching.put(i) for i in (12, 13, 14)), return_exceptions=True)
    assert found[0] == 12
    assert isinstance(found[1], ValueError)
    assert found[2] == 14


async def test_any_other_fault_reaches_all_and_the_next_group_goes_on() -> None:
    broken = True

    async def write(items: Sequence[int]) -> Sequence[int]:
        if broken:
            raise OSError
        return list(items)

    batching = GroupCommit(write)
    found = await asyncio.gather(batching.put(1), batching.put(2), return_exceptions=True)
    assert all(isinstance(f, OSError) for f in found)
    broken = False
    assert await batching.put(3) == 3


async def test_a_caller_that_leaves_does_not_stop_the_writing() -> None:
    written: list[int] = []
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[None]:
        await gate.wait()
        written.extend(items)
        return [None] * len(items)

    batching = GroupCommit(write)
    leaving, staying = asyncio.create_task(batching.put(1)), asyncio.create_task(batching.put(2))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    await staying
    assert written == [1, 2]
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_is_put_by_tasks_that_the_last_group_resumed_is_written_too() -> None:
    async def write(items: Sequence[int]) -> Sequence[int]:
        return list(items)

    batching = GroupCommit(write, writers=2)
    async with asyncio.timeout(5):
        assert [await batching.put(i) for i in range(50)] == list(range(50))


async def test_a_second_writer_starts_when_enough_is_waiting() -> None:
    groups: list[int] = []
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        groups.append(len(items))
        await gate.wait()
        return list(items)

    batching = GroupCommit(write, writers=2)
    first = asyncio.create_task(batching.put(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batching.put(i)) for i in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert groups == [1, 20]
    gate.set()
    await asyncio.gather(first, *rest)


async def test_a_fault_of_the_connection_is_not_split() -> None:
    groups: list[int] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        groups.append(len(items))
        raise OSError

    batching = GroupCommit(write, split=(Exception,), whole=(OSError,))
    found = await asyncio.gather(batching.put(1), batching.put(2), return_exceptions=True)
    assert all(isinstance(f, OSError) for f in found)
    assert groups == [2]


async def test_a_caller_that_has_left_does_not_end_the_splitting_of_its_group() -> None:
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        await gate.wait()
        raise ValueError

    batching = GroupCommit(write, split=(ValueError,))
    left, stayed = (asyncio.create_task(batching.put(i)) for i in (1, 2))
    await asyncio.sleep(0)
    left.cancel()
    gate.set()
    found = await asyncio.gather(left, stayed, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert isinstance(found[1], ValueError)
