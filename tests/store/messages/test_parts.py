"""Messages of several parts: delivered when all parts are reported so, failed when one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import pytest

from tests.conftest import TABLES as ROWS
from tests.store.plans import MID, PATIENCE, numbered
from tests.store.vaults import TABLES, empty, process
from utskick.domain.clock import utc_now
from utskick.domain.delivery import Move
from utskick.domain.ids import new_id
from utskick.domain.outcome import Reason
from utskick.domain.receipt import Receipt, Report
from utskick.domain.status import Status
from utskick.engine.receipts import Receipts
from utskick.store.database import Database
from utskick.store.messages.acceptance import Messages
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.deliveries import ClaimedDelivery, Deliveries
from utskick.store.messages.receipts import Arrival, ReceiptRows
from utskick.store.messages.settlement import Settlement
from utskick.store.queue import Jobs

PARTS = ("a-1", "a-2", "a-3")
LANES = ("sms:high", "sms:normal", "sms:bulk")


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    await empty(server, f"{ROWS}, {TABLES}")
    async with process(server) as opened:
        yield opened
    await empty(server, f"{ROWS}, {TABLES}")


@dataclass
class Stage:
    """Deliveries of one account, sent in parts or whole, and the reports on them."""

    database: Database

    def __post_init__(self) -> None:
        self.rows = ReceiptRows(self.database)
        self.attempts = Attempts(self.database)
        self.jobs = Jobs(self.database.pool, new_id())

    async def begun(self) -> tuple[ClaimedDelivery, int]:
        await Messages(self.database).add(numbered())
        [job] = await self.jobs.claim(LANES, 1, PATIENCE)
        [found] = (await Deliveries(self.database).load([job]))[0].values()
        start = AttemptStart(found.delivery, "smsc", new_id(), "w", utc_now())
        assert await self.attempts.begin(start)
        return found.begun("smsc"), job.id

    async def settle(
        self, begun: tuple[ClaimedDelivery, int], parts: Sequence[str] = PARTS
    ) -> None:
        delivery, several = begun[0].delivery, tuple(parts) if len(parts) > 1 else ()
        move = Move(Status.SENT, reference=parts[0], parts=several)
        settlement = Settlement(
            delivery, delivery.attempts, move, begun[1], "smsc", utc_now(), reports=True
        )
        assert await self.attempts.settle(settlement)
        receipts = Receipts(self.database, {}, utc_now)
        await receipts.catch_up(delivery, "smsc", move)

    async def report(self, reference: str, report: Report = Report.DELIVERED) -> None:
        reason = Reason("expired", "it expired") if report is Report.FAILED else None
        receipt = Receipt("smpp", report, None, reference, None, reason)
        await self.rows.apply(await self.rows.keep(Arrival("sms", "smsc", receipt, utc_now())))

    async def status(self, begun: tuple[ClaimedDelivery, int]) -> str:
        return str(
            await self.database.pool.fetchval(
                "SELECT status FROM deliveries WHERE id = $1 AND municipality_id = $2",
                begun[0].delivery.id,
                MID,
            )
        )


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


async def test_it_is_delivered_when_the_last_part_is_in_any_order(stage: Stage) -> None:
    for number, order in enumerate(permutations(range(3))):
        parts, begun = [f"{number}-{part}" for part in range(3)], await stage.begun()
        await stage.settle(begun, parts)
        for at in order:
            assert await stage.status(begun) == "sent"
            await stage.report(parts[at])
        assert await stage.status(begun) == "delivered"


async def test_it_is_failed_when_one_part_is(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun)
    await stage.report(PARTS[0])
    await stage.report(PARTS[2], Report.FAILED)
    assert await stage.status(begun) == "failed"
    await stage.report(PARTS[1])
    assert await stage.status(begun) == "failed"


async def test_a_repeated_report_of_one_part_is_not_that_of_another(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun)
    for _ in range(3):
        await stage.report(PARTS[1])
    assert await stage.status(begun) == "sent"


async def test_reports_that_come_before_the_settlement_are_counted(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.report(PARTS[2])
    await stage.report(PARTS[0])
    await stage.settle(begun)
    assert await stage.status(begun) == "sent"
    await stage.report(PARTS[1])
    assert await stage.status(begun) == "delivered"


async def test_all_reports_before_the_settlement_deliver_it(stage: Stage) -> None:
    begun = await stage.begun()
    await asyncio.gather(*(stage.report(part) for part in PARTS))
    await stage.settle(begun)
    assert await stage.status(begun) == "delivered"


async def test_a_part_that_failed_before_the_settlement_fails_it(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.report(PARTS[1], Report.FAILED)
    await stage.settle(begun)
    assert await stage.status(begun) == "failed"


@pytest.mark.parametrize("report", [Report.SENT, Report.UNKNOWN])
async def test_a_part_that_is_on_its_way_is_not_delivered(stage: Stage, report: Report) -> None:
    begun = await stage.begun()
    await stage.settle(begun)
    await stage.report(PARTS[0], report)
    await stage.report(PARTS[1])
    await stage.report(PARTS[2])
    assert await stage.status(begun) == "sent"
    await stage.report(PARTS[0])
    assert await stage.status(begun) == "delivered"


async def test_reports_that_two_processes_apply_at_the_same_moment_are_both_counted(
    stage: Stage, server: str
) -> None:
    async with process(server) as other_process:
        other = Stage(other_process)
        for number in range(20):
            parts, begun = [f"{number}-{part}" for part in range(2)], await stage.begun()
            await stage.settle(begun, parts)
            await asyncio.gather(stage.report(parts[0]), other.report(parts[1]))
            assert await stage.status(begun) == "delivered"


async def test_an_id_that_the_provider_uses_again_is_that_of_the_newest_message(
    stage: Stage,
) -> None:
    old, new = await stage.begun(), await stage.begun()
    await stage.settle(old)
    await stage.settle(new, [PARTS[1]])
    await stage.report(PARTS[1])
    assert (await stage.status(old), await stage.status(new)) == ("sent", "delivered")


async def test_and_the_newest_message_may_be_the_one_with_parts(stage: Stage) -> None:
    old, new = await stage.begun(), await stage.begun()
    await stage.settle(old, [PARTS[1]])
    await stage.settle(new)
    for part in PARTS:
        await stage.report(part)
    assert (await stage.status(old), await stage.status(new)) == ("sent", "delivered")


async def test_parts_of_another_attempt_are_not_waited_for(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun)
    await stage.database.pool.execute(
        "INSERT INTO part_references SELECT delivery_id, 2, part, municipality_id, account,"
        " 'b' || reference FROM part_references"
    )
    for part in PARTS:
        await stage.report(part)
    assert await stage.status(begun) == "delivered"


async def test_an_outcome_that_comes_too_late_leaves_no_parts(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun, ["whole"])
    with pytest.raises(AssertionError):  # another worker has settled it
        await stage.settle(begun)
    assert await stage.database.pool.fetchval("SELECT count(*) FROM part_references") == 0


async def test_another_accounts_message_is_not_concerned(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun)
    receipt = Receipt("smpp", Report.FAILED, None, PARTS[1], None, Reason("expired", "it expired"))
    await stage.rows.apply(await stage.rows.keep(Arrival("sms", "other", receipt, utc_now())))
    assert await stage.status(begun) == "sent"


async def test_a_message_of_one_part_has_no_rows_of_parts(stage: Stage) -> None:
    begun = await stage.begun()
    await stage.settle(begun, ["whole"])
    await stage.report("whole")
    assert await stage.status(begun) == "delivered"
    assert await stage.database.pool.fetchval("SELECT count(*) FROM part_references") == 0
