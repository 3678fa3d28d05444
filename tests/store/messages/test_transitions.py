"""Every statement that changes a delivery's status makes the moves of ``domain.status``, no others.

Each is executed for every pair of statuses, against a delivery of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.changes import change
from tests.conftest import TABLES as ROWS
from tests.store.vaults import TABLES, empty, process
from utskick.domain.channel import Priority
from utskick.domain.delivery import Delivery, Move
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.domain.preparation import Route
from utskick.domain.receipt import Receipt, Report
from utskick.domain.status import MOVES, MOVES_BY, Status, Transition
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.messages.attempts import SETTLEMENTS, Attempts, AttemptStart
from utskick.store.messages.follow_ups import Ending, FollowUps, Routing, end_letters
from utskick.store.messages.print_batches import GatheredLetter, PrintBatches
from utskick.store.messages.receipts import Arrival, ReceiptRows
from utskick.store.messages.resolutions import Decision, Resolutions
from utskick.store.messages.settlement import Settlement
from utskick.store.messages.withdrawals import Withdrawals

MID = "2281"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TYPES = {"sms": "SMS"}


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    await empty(server, f"{ROWS}, {TABLES}")
    async with process(server) as opened:
        await opened.vault.ready(MID, month_of(NOW))
        yield opened
    await empty(server, f"{ROWS}, {TABLES}")


@dataclass(frozen=True)
class Case:
    """A delivery in a status, and the status that a transition is to move it to."""

    database: Database
    delivery: Delivery
    target: Status

    @property
    def attempt(self) -> int:
        """A delivery that is being sent, or was, has had its first attempt."""
        return self.delivery.attempts


async def begin(case: Case) -> None:
    if case.target is Status.SENDING:
        start = AttemptStart(case.delivery, "a", new_id(), "w", NOW)
        await Attempts(case.database).begin(start)


async def settle(case: Case, *, uncalled: bool = False) -> None:
    attempt = case.attempt + (1 if uncalled else 0)
    due = NOW if case.target in (Status.DEFERRED, Status.QUEUED) else None
    settlement = Settlement(
        case.delivery, attempt, Move(case.target, due), None, "a", NOW, uncalled=uncalled
    )
    await Attempts(case.database).settle(settlement)


async def settle_uncalled(case: Case) -> None:
    await settle(case, uncalled=True)


async def route(case: Case) -> None:
    if case.target is Status.ROUTED:
        routing = Routing(case.delivery, (Route("sms", "+46701740605"),), TYPES, 0, NOW)
        await FollowUps(case.database).route(routing)


async def gather(case: Case) -> None:
    if case.target is Status.GATHERED:
        letter = GatheredLetter(case.delivery, b"x", 0, NOW, closes_itself=True)
        await PrintBatches(case.database).gather(letter)


async def hand_over(case: Case) -> None:
    """``end_letters`` moves the letters of one print batch."""
    await case.database.pool.execute(
        "UPDATE deliveries SET print_batch = id WHERE id = $1", case.delivery.id
    )
    ending = Ending(MID, case.delivery.id, Move(case.target), "a", NOW)
    await end_letters(case.database.pool, ending)


async def receipt(case: Case) -> None:
    """A reported failure leaves in doubt what an earlier attempt left in doubt."""
    if case.target is Status.UNCERTAIN and case.delivery.status is Status.SENT:
        await case.database.pool.execute(
            "UPDATE deliveries SET doubts = 1 WHERE id = $1", case.delivery.id
        )
        await receipt(replace(case, target=Status.FAILED))
    elif case.target.value in [report.value for report in Report]:
        report = Receipt("p", Report(case.target.value), case.delivery.id, None, NOW)
        rows = ReceiptRows(case.database)
        await rows.apply(await rows.keep(Arrival("sms", "a", report, NOW)))


async def resolve(case: Case) -> None:
    choices = {Status.QUEUED: "resend", Status.FAILED: "give-up", Status.SENT: "sent"}
    if case.target in choices:
        choice = choices[case.target]
        decision = Decision(MID, case.delivery.id, choice, "joe01doe", NOW, NOW + DAY)  # type: ignore[arg-type]
        await Resolutions(case.database).decide(decision, change())


async def withdraw(case: Case) -> None:
    """What is in doubt already stays so."""
    if case.target is Status.UNCERTAIN and case.delivery.status is not Status.SENDING:
        await case.database.pool.execute(
            "UPDATE deliveries SET doubts = 1 WHERE id = $1", case.delivery.id
        )
    if case.target in (Status.UNCERTAIN, Status.CANCELLED):
        given = case.delivery
        await Withdrawals(case.database).withdraw(MID, given.batch_id, [given.message_id], NOW)


MADE: dict[Transition, Callable[[Case], Awaitable[None]]] = {
    Transition.BEGIN: begin,
    Transition.SETTLE: settle,
    Transition.SETTLE_UNCALLED: settle_uncalled,
    Transition.ROUTE: route,
    Transition.GATHER: gather,
    Transition.HAND_OVER: hand_over,
    Transition.RECEIPT: receipt,
    Transition.RESOLVE: resolve,
    Transition.WITHDRAW: withdraw,
}


@pytest.mark.parametrize("transition", Transition)
async def test_a_transition_makes_exactly_its_moves(
    database: Database, transition: Transition
) -> None:
    cases = [Case(database, await delivery(database, now), to) for now in Status for to in Status]
    await asyncio.gather(*(MADE[transition](case) for case in cases))
    rows = await database.pool.fetch("SELECT id, status FROM deliveries")
    found = {row["id"]: Status(row["status"]) for row in rows}
    moved = {
        (case.delivery.status, found[case.delivery.id])
        for case in cases
        if found[case.delivery.id] is not case.delivery.status
    }
    assert {case.target for case in cases if found[case.delivery.id] is case.target} >= {
        to for _, to in moved
    }
    assert moved == {
        (now, to) for now, moves in MOVES_BY[transition].items() for to in moves if to is not now
    }


def test_the_moves_of_the_transitions_are_all_moves() -> None:
    assert MOVES_BY.keys() == set(Transition)
    for moves in MOVES_BY.values():
        for now, targets in moves.items():
            assert targets - {now} <= MOVES[now]


@pytest.mark.parametrize("transition", [Transition.SETTLE, Transition.RECEIPT])
async def test_a_synchronous_call_is_notified_of_its_message(
    database: Database, transition: Transition
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    now = Status.SENDING if transition is Transition.SETTLE else Status.DEFERRED
    case = Case(database, await delivery(database, now, awaited=True), Status.DELIVERED)
    listener = await asyncpg.connect(database.url)
    await listener.add_listener(SETTLEMENTS, lambda *found: heard.put_nowait(str(found[-1])))
    await MADE[transition](case)
    assert UUID(await asyncio.wait_for(heard.get(), 10)) == case.delivery.message_id
    await listener.close()


async def delivery(database: Database, status: Status, *, awaited: bool = False) -> Delivery:
    """Written with its batch; it has had one attempt unless it is queued."""
    ids = [new_id() for _ in range(3)]
    attempts = 0 if status is Status.QUEUED else 1
    destination = database.vault.of(MID, month_of(NOW)).encrypt(Column.DESTINATION, b"+46701740605")
    await database.pool.execute(
        """
        WITH b AS (
            INSERT INTO batches (id, municipality_id, channel, message_type, priority, recipients,
                content, created_at)
            VALUES ($3, $1, 'sms', 'SMS', 'NORMAL', 1, '', $6)),
        a AS (
            INSERT INTO attempts (delivery_id, number, municipality_id, account, worker, started_at)
            VALUES ($2, 1, $1, 'a', 'w', $6))
        INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type,
            priority, status, destination, awaited, attempts, account, created_at, updated_at,
            expires_at)
        VALUES ($2, $1, $3, $4, 'sms', 'SMS', 'NORMAL', $5, $7, $8, $9, 'a', $6, $6, $6)
        """,
        MID,
        *ids,
        status.value,
        NOW,
        destination,
        awaited,
        attempts,
    )
    delivery_id, batch_id, message_id = ids
    return Delivery(
        id=delivery_id,
        municipality_id=MID,
        batch_id=batch_id,
        message_id=message_id,
        channel="sms",
        status=status,
        priority=Priority.NORMAL,
        attempts=attempts,
        tried=(),
        doubts=0,
        account="a",
        created_at=NOW,
        expires_at=NOW + DAY,
        month=month_of(NOW),
    )
