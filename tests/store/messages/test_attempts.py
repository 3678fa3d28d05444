"""Each compare of begin, settle, receipts and closing on its own: what is stale changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import TABLES as ROWS
from tests.store.messages.test_transitions import DAY, MID, NOW, delivery
from tests.store.vaults import TABLES, empty, process
from utskick.domain.delivery import Delivery, Move
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.domain.outcome import Reason
from utskick.domain.receipt import Receipt, Report
from utskick.domain.status import Status
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.follow_ups import FollowUps, Routing
from utskick.store.messages.print_batches import GatheredLetter, PrintBatches
from utskick.store.messages.receipts import Arrival, ReceiptRows
from utskick.store.messages.settlement import Settlement

LATER = NOW + timedelta(seconds=15)
WHY = Reason("why", "because")
WORKER = new_id()


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    await empty(server, f"{ROWS}, {TABLES}")
    async with process(server) as opened:
        await opened.vault.ready(MID, month_of(NOW))
        yield opened
    await empty(server, f"{ROWS}, {TABLES}")


async def found(database: Database, row: Delivery) -> Any:
    return await database.pool.fetchrow("SELECT * FROM deliveries WHERE id = $1", row.id)


async def begin(database: Database, row: Delivery, **more: Any) -> bool:
    start = AttemptStart(row, "a", more.pop("claim", WORKER), "w", LATER, **more)
    return await Attempts(database).begin(start)


async def settle(database: Database, row: Delivery, move: Move, **more: Any) -> bool:
    attempt = more.pop("attempt", row.attempts)
    return await Attempts(database).settle(Settlement(row, attempt, move, None, "a", LATER, **more))


async def job_of(database: Database, row: Delivery) -> int:
    found: int = await database.pool.fetchval(
        """
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        VALUES (0, 'sms:normal', $1, now(), 'queued') RETURNING id
        """,
        row.id.bytes + MID.encode(),
    )
    return found


async def test_a_begin_with_another_number_of_attempts_is_stale(database: Database) -> None:
    row = await delivery(database, Status.DEFERRED)
    for attempts in (row.attempts - 1, row.attempts + 1):
        assert not await begin(database, replace(row, attempts=attempts))
    after = await found(database, row)
    assert (after["status"], after["attempts"]) == ("deferred", 1)
    assert await begin(database, row)
    assert (await found(database, row))["attempts"] == 2


async def test_a_begin_is_repeated_by_its_own_worker_only(database: Database) -> None:
    """A commit that was not confirmed is written again: one attempt, one row."""
    row = await delivery(database, Status.QUEUED)
    assert await begin(database, row)
    assert await begin(database, row)
    assert not await begin(database, row, claim=new_id())
    assert not await begin(database, replace(row, attempts=1)), "the next attempt is not due"
    assert (await found(database, row))["attempts"] == 1
    rows = await database.pool.fetch("SELECT number FROM attempts WHERE delivery_id = $1", row.id)
    assert sorted(each["number"] for each in rows) == [1]


async def test_many_begin_together_each_as_its_own(database: Database) -> None:
    """One statement begins them: none gets another one's account, number or fixed bytes."""
    rows = [
        await delivery(database, status)
        for status in (Status.QUEUED, Status.DEFERRED, Status.QUEUED, Status.DEFERRED)
    ]
    attempts = Attempts(database)
    begun = await asyncio.gather(
        *(
            attempts.begin(AttemptStart(row, f"account-{n}", WORKER, "w", LATER, frozen=b"%d" % n))
            for n, row in enumerate(rows)
        )
    )
    assert begun == [True] * 4
    stored = [await found(database, row) for row in rows]
    assert [each["account"] for each in stored] == [f"account-{n}" for n in range(4)]
    assert [each["attempts"] for each in stored] == [row.attempts + 1 for row in rows]
    sealed = [each["frozen"] for each in stored]
    assert [database.vault.decrypt_column(MID, Column.FROZEN, each) for each in sealed] == [
        b"%d" % n for n in range(4)
    ]


async def test_a_begin_moves_its_own_delivery_only(database: Database) -> None:
    row, other = [await delivery(database, Status.QUEUED) for _ in range(2)]
    assert await begin(database, row)
    assert (await found(database, other))["status"] == "queued"
    assert not await begin(database, replace(other, municipality_id="2260"))
    assert (await found(database, other))["status"] == "queued"


async def test_what_was_frozen_first_stays(database: Database) -> None:
    row = await delivery(database, Status.QUEUED)
    await database.pool.execute("UPDATE deliveries SET frozen = 'first' WHERE id = $1", row.id)
    assert await begin(database, row, frozen=b"second")
    assert (await found(database, row))["frozen"] == b"first"


async def test_a_settle_of_another_attempt_is_stale(database: Database) -> None:
    row = await delivery(database, Status.SENDING)
    for attempt in (row.attempts - 1, row.attempts + 1):
        assert not await settle(database, row, Move(Status.SENT), attempt=attempt)
    assert (await found(database, row))["status"] == "sending"
    assert await settle(database, row, Move(Status.SENT))
    assert not await settle(database, row, Move(Status.FAILED)), "it has an outcome"
    assert (await found(database, row))["status"] == "sent"


async def test_a_settle_of_an_attempt_before_its_call_counts_it_and_is_stale_after_it(
    database: Database,
) -> None:
    row = await delivery(database, Status.DEFERRED)
    again = Move(Status.DEFERRED, due=LATER, reason=WHY)
    assert not await settle(database, row, again, attempt=row.attempts, uncalled=True)
    assert await settle(database, row, again, attempt=row.attempts + 1, uncalled=True)
    assert (await found(database, row))["attempts"] == 2


async def test_a_settle_moves_its_own_delivery_only_and_none_of_another_municipality(
    database: Database,
) -> None:
    row, other = [await delivery(database, Status.SENDING) for _ in range(2)]
    assert not await settle(database, replace(row, municipality_id="2260"), Move(Status.SENT))
    assert await settle(database, row, Move(Status.SENT))
    assert (await found(database, other))["status"] == "sending"


async def test_a_stale_settle_removes_no_job_and_adds_none(database: Database) -> None:
    row = await delivery(database, Status.SENT)
    job = await job_of(database, row)
    again = Settlement(row, 1, Move(Status.DEFERRED, due=LATER, reason=WHY), job, "a", LATER)
    assert not await Attempts(database).settle(again)
    assert [each["id"] for each in await database.pool.fetch("SELECT id FROM pgqueuer")] == [job]
    assert await database.pool.fetchval("SELECT count(*) FROM events") == 0


async def test_two_doubts_about_one_attempt_are_one(database: Database) -> None:
    row = await delivery(database, Status.SENDING)
    doubt = Move(Status.UNCERTAIN, reason=WHY, doubt=True)
    assert await settle(database, row, doubt)
    assert not await settle(database, row, doubt)
    after = await found(database, row)
    assert (after["status"], after["doubts"]) == ("uncertain", 1)


async def test_the_reason_of_a_doubt_outlives_later_refusals(database: Database) -> None:
    row = await delivery(database, Status.SENDING)
    await database.pool.execute(
        "UPDATE deliveries SET doubts = 1, reason_code = 'doubt', frozen = 'x' WHERE id = $1",
        row.id,
    )
    doubtful = replace(row, doubts=1)
    assert await settle(database, doubtful, Move(Status.DEFERRED, due=LATER, reason=WHY))
    after = await found(database, row)
    assert (after["reason_code"], after["frozen"], after["doubts"]) == ("doubt", b"x", 1)
    event = await database.pool.fetchrow("SELECT * FROM events WHERE delivery_id = $1", row.id)
    assert event["reason_code"] == "why", "what came of the later one is told by its event"


async def test_what_was_fixed_is_forgotten_after_a_known_no_and_the_secret_when_it_is_over(
    database: Database,
) -> None:
    row = await delivery(database, Status.SENDING)
    await database.pool.execute(
        "UPDATE deliveries SET frozen = 'x', secret = 's' WHERE id = $1", row.id
    )
    assert await settle(database, row, Move(Status.DEFERRED, due=LATER, reason=WHY))
    after = await found(database, row)
    assert (after["frozen"], after["secret"]) == (None, b"s")
    assert await begin(database, row)
    assert await settle(database, replace(row, attempts=2), Move(Status.SENT))
    assert (await found(database, row))["secret"] is None


async def test_the_next_try_is_due_in_time_and_before_the_message_expires(
    database: Database,
) -> None:
    waits = []
    for due in (LATER + timedelta(seconds=100), LATER + DAY):
        row = await delivery(database, Status.SENDING)
        await database.pool.execute(
            "UPDATE deliveries SET expires_at = $2 WHERE id = $1", row.id, LATER + DAY / 2
        )
        assert await settle(database, row, Move(Status.DEFERRED, due=due, reason=WHY))
        waits.append(
            await database.pool.fetchval(
                "DELETE FROM pgqueuer RETURNING extract(epoch FROM execute_after - created)"
            )
        )
    assert [round(float(wait)) for wait in waits] == [100, 43200]


async def test_what_is_not_due_any_more_is_neither_gathered_nor_routed(database: Database) -> None:
    for stale in (1, -1):
        row = await delivery(database, Status.DEFERRED)
        gone = replace(row, attempts=row.attempts + stale)
        letter = GatheredLetter(gone, b"x", 0, LATER, closes_itself=True)
        assert not await PrintBatches(database).gather(letter)
        assert not await FollowUps(database).route(Routing(gone, (), {}, 0, LATER))
        assert (await found(database, row))["status"] == "deferred"
    assert await database.pool.fetchval("SELECT sum(letters) FROM print_batches") == 0


async def test_an_event_tells_what_the_delivery_became_only_where_that_is_another(
    database: Database,
) -> None:
    row = await delivery(database, Status.SENDING)
    move = Move(Status.DEFERRED, due=LATER, reason=WHY, doubt=True, noted=Status.UNCERTAIN)
    assert await settle(database, row, move)
    event = await database.pool.fetchrow("SELECT * FROM events WHERE delivery_id = $1", row.id)
    assert (event["status"], event["became"]) == ("uncertain", "deferred")
    other = await delivery(database, Status.SENDING)
    assert await settle(database, other, Move(Status.FAILED, reason=WHY))
    event = await database.pool.fetchrow("SELECT * FROM events WHERE delivery_id = $1", other.id)
    assert (event["status"], event["became"]) == ("failed", None)


async def test_many_are_settled_together_each_as_its_own(database: Database) -> None:
    rows = [await delivery(database, Status.SENDING) for _ in range(6)]
    words = [Status.SENT, Status.FAILED, Status.UNCERTAIN] * 2
    attempts = Attempts(database)
    await asyncio.gather(
        *(
            attempts.settle(Settlement(row, 1, Move(word, reason=WHY), None, "a", LATER))
            for row, word in zip(rows, words, strict=True)
        )
    )
    assert [(await found(database, row))["status"] for row in rows] == [w.value for w in words]


async def test_a_repeated_failure_settles_no_doubt_and_one_of_the_doubtful_attempt_does(
    database: Database,
) -> None:
    """A failure reported again is that of the attempt whose reference the delivery has."""
    rows = ReceiptRows(database)
    for known, reported, status in (
        ("first", "first", "uncertain"),
        ("first", "second", "failed"),
        (None, "second", "failed"),
    ):
        row = await delivery(database, Status.UNCERTAIN)
        await database.pool.execute(
            "UPDATE deliveries SET reference = $2 WHERE id = $1", row.id, known
        )
        report = Receipt("p", Report.FAILED, row.id, reported, NOW)
        await rows.apply(await rows.keep(Arrival("sms", "a", report, NOW)))
        assert (await found(database, row))["status"] == status, (known, reported)


async def test_a_report_of_another_channel_or_account_is_of_no_delivery(database: Database) -> None:
    row = await delivery(database, Status.SENT)
    rows = ReceiptRows(database)
    for channel, account in (("email", "a"), ("sms", "b")):
        report = Receipt("p", Report.DELIVERED, row.id, None, NOW)
        await rows.apply(await rows.keep(Arrival(channel, account, report, NOW)))
    assert (await found(database, row))["status"] == "sent"


async def test_workers_that_close_at_once_hand_each_print_batch_over_once(
    database: Database,
) -> None:
    """None waits for another, and none closes what another has closed meanwhile."""
    prints = PrintBatches(database)
    for _ in range(8):
        row = await delivery(database, Status.DEFERRED)
        letter = GatheredLetter(row, b"x", 0, LATER, closes_itself=True)
        assert await prints.gather(letter)
    workers = [PrintBatches(database) for _ in range(4)]
    closed = await asyncio.gather(*(worker.close_due(LATER, {}) for worker in workers))
    assert sum(closed) == 8
    hand_overs = await database.pool.fetch(
        "SELECT batch_id FROM deliveries WHERE message_type = 'PRINT_BATCH'"
    )
    assert len({row["batch_id"] for row in hand_overs}) == len(hand_overs) == 8
    assert await prints.close_due(LATER, {}) == 0


async def test_a_print_batch_that_another_is_closing_is_passed_over(database: Database) -> None:
    prints = PrintBatches(database)
    for _ in range(2):
        row = await delivery(database, Status.DEFERRED)
        assert await prints.gather(GatheredLetter(row, b"x", 0, LATER, closes_itself=True))
    async with database.transaction() as connection:
        await connection.fetch("SELECT id FROM print_batches ORDER BY id LIMIT 1 FOR UPDATE")
        async with asyncio.timeout(10):
            assert await prints.close_due(LATER, {}) == 1
    assert await prints.close_due(LATER, {}) == 1


async def test_a_hand_over_that_fails_is_noted_on_its_print_batch_and_its_end_ends_the_letters(
    database: Database,
) -> None:
    """A failed try changes no letter; each further one keeps since when."""
    letter = await delivery(database, Status.DEFERRED)
    prints = PrintBatches(database)
    assert await prints.gather(GatheredLetter(letter, b"x", 0, LATER, closes_itself=True))
    assert await prints.close_due(LATER, {}) == 1
    made = await database.pool.fetchrow(
        "SELECT id, batch_id, message_id FROM deliveries WHERE message_type = 'PRINT_BATCH'"
    )
    hand_over = replace(
        letter,
        id=made["id"],
        batch_id=made["batch_id"],
        message_id=made["message_id"],
        encloses=made["batch_id"],
        attempts=0,
    )
    for attempt, due in ((1, LATER + DAY), (2, LATER + DAY * 2), (3, None)):
        assert await begin(database, replace(hand_over, attempts=attempt - 1))
        tried = replace(hand_over, attempts=attempt)
        at = LATER + timedelta(minutes=attempt)
        move = Move(Status.DEFERRED, due=due, reason=WHY) if due else Move(Status.SENT)
        assert await Attempts(database).settle(Settlement(tried, attempt, move, None, "a", at))
        batch = await database.pool.fetchrow("SELECT * FROM print_batches")
        assert batch["failing_since"] == LATER + timedelta(minutes=1)
        assert batch["retry_at"] == due
        assert batch["ended_at"] == (None if due else at)
        after = await found(database, letter)
        assert after["status"] == ("gathered" if due else "sent")
