"""Retention: exactly what the rules allow is removed, whatever happens concurrently."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.changes import change
from tests.store.histories import MID, NOW, OTHER, Histories, Told, anybody, some
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.retention import HoldKind, Kept, RetentionRule
from utskick.domain.unit import Unit
from utskick.store.database import Database
from utskick.store.history.statistics import StatisticsFilter as Counted
from utskick.store.history.statistics import Tallies
from utskick.store.messages.attachments import keep, refer
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.retention.erasure import ErasureOrder, Erasures
from utskick.store.retention.holds import Holds, NewHold, Subject
from utskick.store.retention.log import Protocol
from utskick.store.retention.purge import RemovalCounts
from utskick.store.retention.rules import RetentionRules
from utskick.store.retention.sweep import REST, Retention, Sweep

SMS = [RetentionRule("SMS", 30, "KS 2026/1")]


async def run(
    database: Database,
    rules: Sequence[RetentionRule] | None = None,
    *,
    step: int = 400,
    now: Any = NOW,
) -> RemovalCounts:
    """Remove everything that may go, in steps."""
    retention, total = Retention(database, SMS if rules is None else rules, step), RemovalCounts()
    for walk in await retention.sweeps():
        while (gone := await retention.step(walk, now)) is not None:
            total += gone
    return total


async def counted(database: Database, mid: str = MID) -> Counter[Any]:
    return Counter(
        {
            (t.original_type, t.message_type, t.word): t.number
            for t in await Tallies(database).count(Counted(mid))
        }
    )


async def held(database: Database, kind: HoldKind, subject: UUID) -> UUID:
    made = await Holds(database).place(
        NewHold(Subject(kind, subject), "utredning", "TR 1", "anna"), change(at=NOW)
    )
    assert made is not None
    return made


async def test_what_is_older_than_its_rule_is_removed_with_all_that_belongs_to_it(
    database: Database,
) -> None:
    histories = Histories(database)
    await histories.batch(
        Told(days=31), Told(days=90, statuses=("failed", "delivered")), file="gammal"
    )
    young = await histories.batch(Told(days=29), file="ung")
    mixed = await histories.batch(Told(days=31), Told(days=29), file="delad")
    mail = await histories.batch(Told(days=900), kind="EMAIL")
    await Tallies(database).keep_up()
    before = await counted(database)
    gone = await run(database)
    assert (gone.messages, gone.deliveries, gone.batches, gone.files) == (3, 4, 1, 1)
    assert (gone.oldest, gone.newest) == (NOW - timedelta(days=90), NOW - timedelta(days=31))
    assert await histories.messages() == {*young.messages, mixed.messages[1], *mail.messages}
    assert await histories.files() == {"ung", "delad"}
    assert await histories.orphans() == {}
    assert await counted(database) == before, "statistics stay"
    await Tallies(database).keep_up()
    assert await counted(database) == before
    [entry] = (await Protocol(database).page(MID, 0, 10))[1]
    assert (entry.cause.message_type, entry.cause.days, entry.cause.decision, entry.removed) == (
        "SMS",
        30,
        "KS 2026/1",
        gone,
    )


async def test_without_a_rule_and_under_preserve_everything_stays(database: Database) -> None:
    histories = Histories(database)
    kept = await histories.batch(Told(days=30_000))
    await Tallies(database).keep_up()
    for rules in ([], [RetentionRule("SMS", None, "d")], [RetentionRule("EMAIL", 1, "d")]):
        assert (await run(database, rules)).is_nothing
    assert await histories.messages() == set(kept.messages)
    assert (await run(database, [RetentionRule("*", 1, "d")])).messages == 1


async def test_a_municipalitys_own_rules_win_over_those_of_the_settings(database: Database) -> None:
    ours, theirs = Histories(database), Histories(database, OTHER)
    for histories in (ours, theirs):
        await histories.batch(Told(days=100))
        await histories.batch(Told(days=100), kind="EMAIL")
    await Tallies(database).keep_up()
    rules = RetentionRules(database, [])
    assert await rules.put(RetentionRule("*", None, "bevaras", "anna", NOW), change())
    assert await rules.put(RetentionRule("EMAIL", 10, "gallras", "anna", NOW), change())
    assert not await rules.put(RetentionRule("EMAIL", 20, "gallras", "anna", NOW), change())
    assert (await run(database, [RetentionRule("*", 50, "d")])).messages == 3
    assert (len(await ours.messages()), len(await theirs.messages())) == (1, 0)


async def test_the_narrowest_unit_that_has_a_rule_decides(database: Database) -> None:
    histories = Histories(database)
    org = "2120002411"
    parts = ((None, None), (None, "Skola"), (org, None), (org, "Skola"), (None, "Bygg"))
    made = {
        (number, department): await histories.batch(
            Told(days=20, department=department),
            Told(days=60, department=department),
            organization=number,
        )
        for number, department in parts
    }
    await Tallies(database).keep_up()
    rules = RetentionRules(database, [])
    for unit, days in (
        (Unit(MID), 30),
        (Unit(MID, None, "Skola"), None),
        (Unit(MID, org), 10),
        (Unit(MID, org, "Skola"), 40),
    ):
        assert await rules.put(
            RetentionRule("*" if days == 30 else "SMS", days, f"d{days}", "anna", NOW, unit),
            change(),
        )
    settings = [
        RetentionRule("SMS", 5, "filen", unit=Unit(MID, None, "Bygg")),
        RetentionRule("SMS", 1, "andra", unit=Unit(OTHER)),
    ]
    due = await Retention(database, settings).due(Sweep(MID, "SMS"), NOW)
    assert {rule.decision: each.messages for rule, each in due.items()} == {
        "d30": 1,
        "d10": 2,
        "d40": 1,
        "filen": 2,
    }
    assert (await run(database, settings, step=3)).messages == 6
    left = {
        made[None, None].messages[0],
        *made[None, "Skola"].messages,
        made[org, "Skola"].messages[0],
    }
    assert await histories.messages() == left
    _, entries = await Protocol(database).page(MID, 0, 20)
    assert {entry.cause.decision for entry in entries} == {"d30", "d10", "d40", "filen"}
    assert sum(entry.removed.messages for entry in entries) == 6


@pytest.mark.parametrize("status", ["queued", "sending", "deferred", "uncertain", "gathered"])
async def test_what_is_pending_uncertain_or_gathered_stays_until_it_has_ended(
    database: Database, status: str
) -> None:
    histories = Histories(database)
    made = await histories.batch(Told(statuses=("failed", status)))
    await Tallies(database).keep_up()
    assert (await run(database)).is_nothing
    retention = Retention(database, SMS)
    assert dict((await retention.due(Sweep(MID, "SMS"), NOW))[SMS[0]].kept) == {Kept.ON_ITS_WAY: 1}
    await database.pool.execute("UPDATE deliveries SET status = 'sent'")
    assert await retention.step(Sweep(MID, "SMS"), NOW) is None, "the walk rests"
    assert (await run(database, now=NOW + REST)).messages == len(made.messages)


async def test_events_stay_until_they_are_counted_and_delivered(database: Database) -> None:
    histories = Histories(database)
    await histories.batch(Told(), origin="Byggr")
    await histories.batch(Told(), origin="Skola")
    assert (await run(database)).is_nothing, "not counted"
    await Tallies(database).keep_up()
    for origin, kind in (("Byggr", "deliveries"), ("Skola", "inbound")):
        await database.pool.execute(
            """
            INSERT INTO webhooks (municipality_id, id, origin, url, statuses, secret, created_at,
                tx, event_id, due_at, kind)
            VALUES ($1, $2, $4, '', '{}', '', $3, 0, 0, $3, $5)
            """,
            MID,
            new_id(),
            NOW,
            origin,
            kind,
        )
    assert (await run(database, now=NOW + REST)).messages == 1, (
        "only Byggr has somebody to be told of them"
    )
    await database.pool.execute("UPDATE webhooks SET stopped = 'exhausted', stopped_at = $1", NOW)
    assert (await run(database, now=NOW + 2 * REST)).is_nothing, "it may be enabled again"
    assert (await run(database, now=NOW + timedelta(days=31))).messages == 1
    assert await histories.orphans() == {}


async def test_a_file_stays_as_long_as_anything_refers_to_it(database: Database) -> None:
    histories = Histories(database)
    await histories.batch(Told(), file="samma")
    await histories.batch(Told(file="samma"), Told(days=1))
    keeper = await histories.batch(Told(days=1, file="samma"))
    theirs = Histories(database, OTHER)
    await theirs.named("samma", new_id())
    await Tallies(database).keep_up()
    assert (await run(database)).files == 0
    assert await histories.files() == {"samma"}
    assert (await run(database, now=NOW + timedelta(days=60))).files == 1
    assert await histories.files() == set()
    assert keeper.messages[0] not in await histories.messages()
    assert await theirs.files() == {"samma"}


async def test_a_file_that_is_just_being_referred_to_is_not_removed(database: Database) -> None:
    """An accepting transaction has found the file, and has not committed.

    The last message that referred to it is removed meanwhile.
    """
    histories, owner = Histories(database), new_id()
    await histories.batch(Told(file="samma"))
    await Tallies(database).keep_up()
    file = Attachment.of("fil.txt", None, b"samma")
    async with database.transaction() as connection:
        await keep(connection, database.vault, MID, [file], NOW)
        assert (await run(database)).messages == 1
        await refer(connection, database.vault, MID, [(owner, file.digest)])
    assert await histories.files() == {"samma"}
    retention = Retention(database, [])
    assert await retention.sweep_files(MID, NOW) == 0
    await database.pool.execute("DELETE FROM attachment_uses")
    assert await retention.sweep_files(MID, NOW) == 0, "it rests"
    assert await retention.sweep_files(MID, NOW + timedelta(days=2)) == 1
    assert await histories.files() == set()


async def test_a_file_that_is_just_being_removed_is_written_again(database: Database) -> None:
    histories, file = Histories(database), Attachment.of("fil.txt", None, b"samma")
    await histories.named("samma", new_id())
    async with database.transaction() as removing:
        await removing.execute("DELETE FROM attachments")

        async def accept() -> None:
            async with database.transaction() as connection:
                await keep(connection, database.vault, MID, [file], NOW)

        accepting = asyncio.create_task(accept())
        await asyncio.sleep(0.1)
        assert not accepting.done()
    await accepting
    assert await histories.files() == {"samma"}


async def test_a_delivery_that_changes_meanwhile_stays(database: Database) -> None:
    """A report is being applied: its event is not committed, and would belong to nothing."""
    histories = Histories(database)
    made = await histories.batch(Told(), Told())
    await Tallies(database).keep_up()
    async with database.transaction() as report:
        changing = await report.fetchval(
            "UPDATE deliveries SET status = 'delivered' WHERE message_id = $1 RETURNING id",
            made.messages[0],
        )
        await report.execute(
            "INSERT INTO events (municipality_id, delivery_id, status, at)"
            " VALUES ($1, $2, 'delivered', $3)",
            MID,
            changing,
            NOW,
        )
        assert (await run(database)).messages == 1
    assert (await run(database, now=NOW + REST)).is_nothing, "what it was told is not counted yet"
    await Tallies(database).keep_up()
    assert (await run(database, now=NOW + 2 * REST)).messages == 1
    assert await histories.orphans() == {}


async def test_two_workers_remove_together_what_one_would(database: Database) -> None:
    histories, theirs = Histories(database), Histories(database, OTHER)
    for each in (histories, theirs):
        for _ in range(30):
            await each.batch(Told(), Told(file="f"), file="delad")
    await Tallies(database).keep_up()

    async def work() -> RemovalCounts:
        retention, total = Retention(database, SMS, 4), RemovalCounts()
        for _ in range(60):
            for walk in await retention.sweeps():
                total += await retention.step(walk, NOW) or RemovalCounts()
        return total

    gone = sum(await asyncio.gather(*(work() for _ in range(3))), RemovalCounts())
    assert (gone.messages, gone.deliveries, gone.batches, gone.files) == (120, 120, 60, 4)
    lines = [
        e.removed for mid in (MID, OTHER) for e in (await Protocol(database).page(mid, 0, 1000))[1]
    ]
    assert sum(lines, RemovalCounts()) == gone
    assert await histories.orphans() == {}


async def test_two_orders_to_erase_and_a_worker_at_once_remove_everything_once(
    database: Database,
) -> None:
    histories, party = Histories(database), anybody()
    for _ in range(12):
        await histories.batch(Told(party=party, file="f"), Told(party=party), Told(), file="delad")
    await Tallies(database).keep_up()
    erasures, order = Erasures(database, [], step=5), ErasureOrder(MID, party, "anna", None)
    done = await asyncio.gather(
        erasures.erase(order, change(at=NOW)),
        erasures.erase(order, change(at=NOW)),
        run(database, step=5),
    )
    total = done[0].removed + done[1].removed + done[2]
    for hours in (
        1,
        2,
    ):  # to the end of the sweep that it was kept from, and once more from its beginning
        await run(database, now=NOW + hours * REST)
    lines = sum(
        [entry.removed for entry in (await Protocol(database).page(MID, 0, 1000))[1]],
        RemovalCounts(),
    )
    assert total.messages >= 24
    assert (lines.messages, lines.deliveries, lines.batches, lines.files) == (36, 36, 12, 2)
    assert await histories.messages() == set()
    assert await histories.orphans() == {}


async def test_an_interruption_loses_nothing_and_the_next_worker_goes_on(
    database: Database,
) -> None:
    histories = Histories(database)
    await histories.batch(*some(10, Told()), file="delad")
    await Tallies(database).keep_up()
    retention, walk = Retention(database, SMS, 4), Sweep(MID, "SMS")
    assert await retention.step(walk, NOW) is not None
    assert len(await histories.messages()) == 6
    async with database.pool.acquire() as connection:  # the next step dies at its last statement
        await connection.execute("ALTER TABLE retention_places RENAME TO away")
        try:
            with pytest.raises(asyncpg.UndefinedTableError):
                await retention.step(walk, NOW)
        finally:
            await connection.execute("ALTER TABLE away RENAME TO retention_places")
    assert len(await histories.messages()) == 6
    assert (await Protocol(database).page(MID, 0, 10))[0] == 1
    assert (await run(database, step=4)).messages == 6
    assert await histories.files() == set()
    assert await histories.orphans() == {}


async def test_a_batch_that_is_written_to_is_waited_for_and_then_left(database: Database) -> None:
    histories = Histories(database)
    made = await histories.batch(Told())
    await Tallies(database).keep_up()
    async with database.transaction() as writer:
        await writer.execute("UPDATE batches SET recipients = 2 WHERE id = $1", made.id)
        assert (await run(database)).is_nothing
        await writer.execute(
            "INSERT INTO messages (id, municipality_id, batch_id, ordinal, at)"
            " VALUES ($1, $2, $3, 1, $4)",
            new_id(),
            MID,
            made.id,
            NOW,
        )
    gone = await run(database)
    assert (gone.messages, gone.batches) == (1, 0)


async def test_a_hand_over_goes_with_the_request_whose_letters_it_carried(
    database: Database,
) -> None:
    histories = Histories(database)
    letters = await histories.batch(Told(), kind="SNAIL_MAIL")
    hand_over = await histories.batch(Told(), kind=HAND_OVER)
    await database.pool.execute(
        """
        INSERT INTO print_batches (id, municipality_id, channel, batch_id, sequence, letters,
            closes_itself, opened_at, closed_at)
        VALUES ($1, $2, 'snail_mail', $3, 1, 1, true, $4, $4)
        """,
        hand_over.id,
        MID,
        letters.id,
        NOW,
    )
    await database.pool.execute(
        "UPDATE deliveries SET status = 'uncertain' WHERE batch_id = $1", hand_over.id
    )
    await Tallies(database).keep_up()
    rules = [RetentionRule("*", 10, "d")]
    gone = await run(database, rules)
    assert (gone.messages, gone.batches) == (1, 0), "the hand-over is not over"
    await database.pool.execute("UPDATE deliveries SET status = 'sent'")
    assert (await run(database, rules, now=NOW + REST)).batches == 1
    assert await histories.messages() == set()
    assert await histories.orphans() == {}


async def test_the_log_of_retention_cannot_be_changed(database: Database) -> None:
    await Histories(database).batch(Told())
    await Tallies(database).keep_up()
    await run(database)
    for statement in (
        "UPDATE retention_protocol SET messages = 0",
        "DELETE FROM retention_protocol",
    ):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await database.pool.execute(statement)


PARTIES = [anybody() for _ in range(3)]
FILES = st.sampled_from([None, None, "a", "b"])
MESSAGES = st.builds(
    Told,
    st.lists(
        st.sampled_from(
            ["sent", "delivered", "failed", "expired", "queued", "uncertain", "routed"]
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    st.sampled_from([0.5, 9, 11, 29, 31, 400]),
    st.sampled_from([None, *PARTIES]),
    FILES,
)
BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["SMS", "EMAIL", "LETTER"]),
        FILES,
        st.lists(MESSAGES, min_size=1, max_size=4),
    ),
    max_size=5,
)
RULES = st.dictionaries(
    st.sampled_from(["SMS", "EMAIL", "*"]), st.sampled_from([10, 30, None]), max_size=3
)
ENDED = {"sent", "delivered", "failed", "expired", "routed"}


@given(
    history=BATCHES,
    rules=RULES,
    step=st.sampled_from([2, 3, 400]),
    on=st.sampled_from([None, *PARTIES]),
    chosen=st.integers(0, 20),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_exactly_what_the_rules_allow_is_removed(
    database: Database,
    history: list[Any],
    rules: dict[str, int | None],
    step: int,
    on: UUID | None,
    chosen: int,
) -> None:
    await database.pool.execute(
        "TRUNCATE batches, messages, deliveries, attempts, events, receipts, part_references, "
        "attachments, attachment_uses, tallies, watermarks, holds,"
        " retention_rules, retention_places"
    )
    histories = Histories(database)
    stays: set[UUID] = set()
    known = []
    for kind, file, told in history:
        written = await histories.batch(*told, kind=kind, file=file)
        days = rules[kind] if kind in rules else rules.get("*")
        for message_id, each in zip(written.messages, told, strict=True):
            known.append(message_id)
            if (
                days is None
                or each.days < days
                or not ENDED.issuperset(each.statuses)
                or (on is not None and each.party == on)
            ):
                stays.add(message_id)
    if on is not None:
        await held(database, HoldKind.PARTY, on)
    if known and chosen < len(known):
        await held(database, HoldKind.MESSAGE, known[chosen])
        stays.add(known[chosen])
    await Tallies(database).keep_up()
    before = await counted(database)
    applied = [RetentionRule(kind, days, "d") for kind, days in rules.items()]
    retention = Retention(database, applied, step)
    due = [
        each
        for walk in await retention.sweeps()
        for each in (await retention.due(walk, NOW)).values()
    ]
    gone = await run(database, applied, step=step)
    assert await histories.messages() == stays
    assert sum(each.messages for each in due) == gone.messages
    assert await counted(database) == before
    assert await histories.orphans() == {}
