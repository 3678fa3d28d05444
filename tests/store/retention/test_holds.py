"""Holds: what they keep, from when on, and what is left of them."""

from __future__ import annotations

import asyncio

import pytest

from tests.changes import change
from tests.store.histories import MID, NOW, OTHER, Histories, Told, anybody
from tests.store.retention.test_sweep import held, run
from utskick.domain.retention import HoldKind, RetentionRule
from utskick.store.database import Database
from utskick.store.history.statistics import Tallies
from utskick.store.retention.holds import Holds, NewHold, Subject
from utskick.store.retention.rules import RetentionRules, lock


@pytest.mark.parametrize("kind", list(HoldKind))
async def test_a_hold_wins_over_the_rules_until_it_is_lifted(
    database: Database, kind: HoldKind
) -> None:
    histories, party = Histories(database), anybody()
    made = await histories.batch(Told(party=party), Told())
    await histories.batch(Told())
    await Tallies(database).keep_up()
    subject = {HoldKind.PARTY: party, HoldKind.MESSAGE: made.messages[0], HoldKind.BATCH: made.id}[
        kind
    ]
    hold = await held(database, kind, subject)
    await run(database)
    assert await histories.messages() == set(
        made.messages if kind is HoldKind.BATCH else made.messages[:1]
    )
    assert not await Holds(database).lift(hold, "bo", change(OTHER))
    assert await Holds(database).lift(hold, "bo", change(at=NOW))
    assert not await Holds(database).lift(hold, "bo", change(at=NOW))
    await run(database)
    assert await histories.messages() == set()
    found = await Holds(database).get(MID, hold)
    assert found is not None
    assert (found.placed_by, found.lifted_by, found.lifted_at, found.reference) == (
        "anna",
        "bo",
        NOW,
        "TR 1",
    )


async def test_a_hold_on_what_is_not_there_is_refused(database: Database) -> None:
    holds, histories = Holds(database), Histories(database, OTHER)
    theirs = await histories.batch(Told())
    for subject in (
        Subject(HoldKind.MESSAGE, theirs.messages[0]),
        Subject(HoldKind.BATCH, theirs.id),
    ):
        assert await holds.place(NewHold(subject, "r", None, "anna"), change()) is None


async def test_what_is_decided_is_obeyed_from_the_answer_on(database: Database) -> None:
    """A hold and a rule wait for the step that is being made, and no step begins beside it."""
    histories = Histories(database)
    made = await histories.batch(Told())
    await Tallies(database).keep_up()
    async with database.transaction() as step:
        await lock(step, MID)
        assert (await run(database)).is_nothing
        deciding = [
            asyncio.create_task(held(database, HoldKind.MESSAGE, made.messages[0])),
            asyncio.create_task(
                RetentionRules(database, []).put(
                    RetentionRule("EMAIL", 1, "d", "anna", NOW), change()
                )
            ),
        ]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in deciding)
    await asyncio.gather(*deciding)
    assert (await run(database)).is_nothing
    assert await histories.messages() == set(made.messages)
