"""What a synchronous call stops waiting for: cancelled, or in doubt, and never sent afterwards."""

from __future__ import annotations

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
from utskick.domain.status import Status
from utskick.store.database import Database
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.settlement import Settlement
from utskick.store.messages.withdrawals import Withdrawals

LATER = NOW + timedelta(seconds=15)
WHY = Reason("why", "because")


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    await empty(server, f"{ROWS}, {TABLES}")
    async with process(server) as opened:
        await opened.vault.ready(MID, month_of(NOW))
        yield opened
    await empty(server, f"{ROWS}, {TABLES}")


async def given(database: Database, status: Status, doubts: int = 0) -> Delivery:
    """A delivery that may go on paper, and has a day left."""
    row = await delivery(database, status, awaited=True)
    await database.pool.execute(
        "UPDATE deliveries SET next = '{sms}', expires_at = $2, doubts = $3, frozen = 'x',"
        " reason_code = 'earlier' WHERE id = $1",
        row.id,
        NOW + DAY,
        doubts,
    )
    return replace(row, next=("sms",), doubts=doubts)


async def withdraw(database: Database, *rows: Delivery) -> None:
    for row in rows:
        await Withdrawals(database).withdraw(MID, row.batch_id, [row.message_id], LATER)


async def found(database: Database, row: Delivery) -> Any:
    return await database.pool.fetchrow("SELECT * FROM deliveries WHERE id = $1", row.id)


async def settle(database: Database, row: Delivery, move: Move) -> bool:
    types = {"sms": "SMS"}
    settlement = Settlement(row, row.attempts, move, None, "a", LATER, types=types)
    return await Attempts(database).settle(settlement)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.DEFERRED])
async def test_what_waits_is_cancelled_and_never_begun(database: Database, status: Status) -> None:
    row = await given(database, status)
    await withdraw(database, row)
    after = await found(database, row)
    assert (after["status"], after["reason_code"]) == ("cancelled", "cancelled-unsettled")
    assert (after["next"], after["frozen"]) == ([], None)
    start = AttemptStart(row, "a", new_id(), "w", LATER)
    assert not await Attempts(database).begin(start)
    assert (await found(database, row))["status"] == "cancelled"


async def test_what_is_in_doubt_stays_in_doubt_with_its_reason(database: Database) -> None:
    row = await given(database, Status.DEFERRED, doubts=1)
    await withdraw(database, row)
    after = await found(database, row)
    assert (after["status"], after["reason_code"], after["doubts"]) == ("uncertain", "earlier", 1)
    assert after["frozen"] == b"x"


async def test_an_attempt_in_progress_is_in_doubt_until_its_answer_comes(
    database: Database,
) -> None:
    row = await given(database, Status.SENDING)
    await withdraw(database, row)
    after = await found(database, row)
    assert (after["status"], after["reason_code"], after["doubts"]) == ("uncertain", "unsettled", 1)
    assert await settle(database, row, Move(Status.SENT, reference="r"))
    after = await found(database, row)
    assert (after["status"], after["doubts"]) == ("sent", 0)


async def test_nothing_follows_a_withdrawn_attempt_that_fails(database: Database) -> None:
    row = await given(database, Status.SENDING)
    await withdraw(database, row)
    assert await settle(database, row, Move(Status.FAILED, reason=WHY))
    assert (await found(database, row))["status"] == "failed"
    assert await database.pool.fetchval("SELECT count(*) FROM deliveries") == 1
    assert await database.pool.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_without_a_withdrawal_the_next_channel_follows(database: Database) -> None:
    row = await given(database, Status.SENDING)
    assert await settle(database, row, Move(Status.FAILED, reason=WHY))
    assert await database.pool.fetchval("SELECT count(*) FROM deliveries") == 2
    assert await database.pool.fetchval("SELECT count(*) FROM pgqueuer") == 1


async def test_a_withdrawn_attempt_that_is_deferred_is_due_at_once_to_expire(
    database: Database,
) -> None:
    row = await given(database, Status.SENDING)
    await withdraw(database, row)
    due = LATER + timedelta(minutes=15)
    assert await settle(database, row, Move(Status.DEFERRED, due, reason=WHY))
    after = await found(database, row)
    assert (after["status"], after["expires_at"]) == ("deferred", LATER)
    [wait] = await database.pool.fetchrow("SELECT execute_after - created FROM pgqueuer")
    assert wait <= timedelta(seconds=1)


@pytest.mark.parametrize(
    "status", sorted(set(Status) - {Status.QUEUED, Status.DEFERRED, Status.SENDING})
)
async def test_what_is_settled_or_gathered_stays_as_it_is(
    database: Database, status: Status
) -> None:
    row = await given(database, status)
    await withdraw(database, row)
    after = await found(database, row)
    assert (after["status"], after["next"]) == (status.value, ["sms"])
