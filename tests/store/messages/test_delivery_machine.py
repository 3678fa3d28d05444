"""A delivery in the database against a model of it: any order of what workers, receipts, callers and
people do.

Two workers claim, begin, settle, give back and finish; one of them may fall silent and answer late.
The model knows what may be written, and what was really accepted by a provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.changes import change
from tests.conftest import TABLES as ROWS
from tests.store.messages.test_transitions import MID, delivery
from tests.store.vaults import TABLES, empty, process
from utskick.domain.channel import Priority
from utskick.domain.delivery import Delivery, Move
from utskick.domain.ids import new_id
from utskick.domain.message import lane_of
from utskick.domain.month import month_of
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.domain.receipt import Receipt, Report
from utskick.domain.status import (
    MOVES,
    MOVES_BY,
    OVER,
    PENDING,
    ContractStatus,
    Status,
    Transition,
    contract_status,
)
from utskick.engine.retry import Policy, RetryContext, carriers, choose, next_move, unsent
from utskick.store.database import Database
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.receipts import Arrival, ReceiptRows
from utskick.store.messages.resolutions import Choice, Decision, Resolutions
from utskick.store.messages.settlement import Settlement
from utskick.store.messages.withdrawals import Withdrawals
from utskick.store.queue import Job, Jobs, enqueue

T = TypeVar("T")
START = datetime(2026, 5, 4, 12, tzinfo=UTC)
WHY = Reason("why", "because")
ACCOUNTS = ("a", "b")
LANE = lane_of("sms", Priority.NORMAL)
PATIENCE = timedelta(hours=1)
#: Outcomes of a call, and whether the provider really accepted the message.
OUTCOMES: dict[str, tuple[Outcome, bool]] = {
    "sent": (Sent("reference"), True),
    "delivered": (Sent("reference", delivered=True), True),
    "refused": (Rejected(WHY), False),
    "deferred": (Deferred(WHY), False),
    "deferred for days": (Deferred(WHY, timedelta(days=9)), False),
    "misconfigured": (Misconfigured(WHY), False),
    "accepted, no answer": (Uncertain(WHY), True),
    "not accepted, no answer": (Uncertain(WHY), False),
}


@dataclass(frozen=True)
class Held:
    """A job in a worker's hands, and the delivery as it was loaded."""

    worker: int
    job: Job
    loaded: Delivery


@dataclass(frozen=True)
class Flight:
    """A call in progress. ``accepted``: by the provider, once it is known."""

    held: Held
    begun: Delivery
    account: str


@dataclass
class Model:
    """What the row must say."""

    status: Status = Status.QUEUED
    attempts: int = 0
    doubts: int = 0
    account: str | None = None
    follows: bool = True
    expired: bool = False


class Machine(RuleBasedStateMachine):
    """One delivery that may fall back to another channel, two workers, and everybody else."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.held: list[Held] = []
        self.flights: list[Flight] = []
        self.accepted: list[str] = []
        self.given_up = False
        self.withdrawn = False
        self.waits = 0
        self.second = False
        self.clock = START
        self.frozen: bytes | None = None
        self.owners: set[int] = set()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    # -- set-up ----------------------------------------

    @initialize(when=st.sampled_from(["resend", "hold"]), waits=st.integers(0, 3))
    def accept(self, when: Any, waits: int) -> None:
        """``waits``: after how many attempts a synchronous call may stop waiting; 0: none waits."""
        self.when, self.waits = when, waits
        self.do(self._accept())

    async def _accept(self) -> None:
        await empty(self.database.url, ROWS)
        row = await delivery(self.database, Status.QUEUED)
        self.id, self.message_id, self.batch_id = row.id, row.message_id, row.batch_id
        await self.database.pool.execute(
            "UPDATE deliveries SET next = '{sms}', secret = 'x', account = NULL,"
            " expires_at = $2 WHERE id = $1",
            row.id,
            START + timedelta(hours=48),
        )
        await enqueue(self.database.pool, [("sms", Priority.NORMAL, MID, row.id, START)])
        self.attempts = [Attempts(self.database) for _ in range(2)]
        self.workers = [new_id() for _ in range(2)]
        self.jobs = [Jobs(self.database.pool, worker) for worker in self.workers]

    async def row(self) -> Any:
        return await self.database.pool.fetchrow("SELECT * FROM deliveries WHERE id = $1", self.id)

    async def load(self) -> Delivery:
        row = await self.row()
        return Delivery(
            id=self.id,
            municipality_id=MID,
            batch_id=self.batch_id,
            message_id=self.message_id,
            channel="sms",
            status=Status(row["status"]),
            priority=Priority.NORMAL,
            attempts=row["attempts"],
            tried=tuple(row["tried"]),
            doubts=row["doubts"],
            account=row["account"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            next=tuple(row["next"]),
            month=month_of(START),
        )

    def context(self, loaded: Delivery, account: str) -> RetryContext:
        able = carriers(ACCOUNTS, loaded)
        return RetryContext(account, able, self.when, self.clock, 0.5, Policy())

    # -- workers ----------------------------------------

    @rule(worker=st.integers(0, 1), silent=st.booleans())
    def claim(self, worker: int, silent: bool) -> None:
        """Whatever is due, or was held by a worker that has fallen silent, without knowing it."""
        self.do(self._claim(worker))
        if silent:
            self.do(self._fall_silent(worker))

    async def _fall_silent(self, worker: int) -> None:
        """Its jobs may be claimed by the other one."""
        await self.database.pool.execute(
            "UPDATE pgqueuer SET heartbeat = now() - interval '2 hours'"
            " WHERE queue_manager_id = $1",
            self.workers[worker],
        )

    async def _claim(self, worker: int) -> None:
        await self.database.pool.execute("UPDATE pgqueuer SET execute_after = now()")
        for job in await self.jobs[worker].claim([LANE], 1, PATIENCE):
            if job.delivery_id != self.id:
                await self.jobs[worker].finish([job.id])
                continue
            owner = await self.database.pool.fetchval(
                "SELECT queue_manager_id FROM pgqueuer WHERE id = $1", job.id
            )
            assert owner == self.workers[worker]
            self.held.append(Held(worker, job, await self.load()))

    @rule(worker=st.integers(0, 1), name=st.sampled_from(sorted(OUTCOMES)))
    def work(self, worker: int, name: str) -> None:
        """Claim, call and settle without anything in between, as nearly always."""
        count, calls = len(self.held), len(self.flights)
        self.do(self._claim(worker))
        if len(self.held) > count:
            self.dispatch_one(self.held.pop())
        if len(self.flights) > calls:
            self.answer_one(self.flights.pop(), name)

    @precondition(lambda self: self.model.status in (Status.QUEUED, Status.DEFERRED))
    @rule(
        worker=st.integers(0, 1),
        names=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=3),
        calls=st.booleans(),
        late=st.sampled_from(sorted(OUTCOMES)),
        wakes=st.booleans(),
    )
    def overtake(self, worker: int, names: list[str], calls: bool, late: str, wakes: bool) -> None:
        """A worker falls silent with a job in its hands, or during its call; the other goes on, and
        then it wakes."""
        held, flights = len(self.held), len(self.flights)
        self.claim(worker, silent=not calls)
        if calls and len(self.held) > held:
            self.dispatch_one(self.held.pop())
            self.do(self._fall_silent(worker))
        for name in names:
            self.work(1 - worker, name)
        if wakes and len(self.held) > held:
            self.dispatch_one(self.held.pop(held))
        if wakes and len(self.flights) > flights:
            self.answer_one(self.flights.pop(flights), late)

    @precondition(lambda self: self.model.status in (Status.QUEUED, Status.DEFERRED))
    @rule(worker=st.integers(0, 1))
    def begin_twice(self, worker: int) -> None:
        """A worker that fell silent goes on while the other one makes its call."""
        self.claim(worker, silent=True)
        count = len(self.held)
        self.claim(1 - worker, silent=False)
        if len(self.held) > count > 0:
            late = self.held[count - 1]
            self.dispatch_one(self.held.pop())
            self.held.remove(late)
            self.dispatch_one(late)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.held))
        self.held.remove(held)
        self.do(self.jobs[held.worker].give_back([held.job.id]))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), silent=st.booleans())
    def dispatch(self, data: st.DataObject, silent: bool) -> None:
        """What ``Dispatch.run`` does with a claimed job, as far as the call, which stays open."""
        held = data.draw(st.sampled_from(self.held))
        self.held.remove(held)
        self.dispatch_one(held)
        if silent:
            self.do(self._fall_silent(held.worker))

    def dispatch_one(self, held: Held) -> None:
        loaded = held.loaded
        if loaded.status is Status.SENDING:
            account = loaded.account or ""
            move = next_move(Uncertain(WHY), loaded, self.context(loaded, account))
            self.settle(held, loaded, move, account)
        elif loaded.status not in (Status.QUEUED, Status.DEFERRED):
            self.do(self.jobs[held.worker].finish([held.job.id]))
        elif self.clock >= loaded.expires_at:
            self.settle(held, loaded, unsent(Status.EXPIRED, WHY, loaded), None)
        else:
            self.begin(held)

    def begin(self, held: Held) -> None:
        loaded = held.loaded
        account = choose(carriers(ACCOUNTS, loaded), loaded.tried, ())
        assert account is not None
        snapshot = f"frozen at attempt {loaded.attempts + 1} by {held.worker}".encode()
        start = AttemptStart(loaded, account, self.workers[held.worker], "w", self.clock, snapshot)
        begun = self.do(self.attempts[held.worker].begin(start))
        fresh = (
            self.model.status in (Status.QUEUED, Status.DEFERRED)
            and self.model.attempts == loaded.attempts
        )
        assert begun is fresh, "a stale begin changes nothing, a fresh one is made"
        if not begun:
            self.do(self.jobs[held.worker].finish([held.job.id]))
            return
        self.model.status, self.model.account = Status.SENDING, account
        self.model.attempts += 1
        self.flights.append(Flight(held, loaded.begun(account), account))

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), name=st.sampled_from(sorted(OUTCOMES)))
    def answer(self, data: st.DataObject, name: str) -> None:
        """The call ends; its worker may have been given up meanwhile."""
        flight = data.draw(st.sampled_from(self.flights))
        self.flights.remove(flight)
        self.answer_one(flight, name)

    def answer_one(self, flight: Flight, name: str) -> None:
        outcome, accepted = OUTCOMES[name]
        if accepted:
            self.accepted.append(flight.account)
        move = next_move(outcome, flight.begun, self.context(flight.begun, flight.account))
        self.settle(flight.held, flight.begun, move, flight.account)

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), accepted=st.booleans())
    def die(self, data: st.DataObject, accepted: bool) -> None:
        """The worker is killed during the call: the attempt stays open on disk."""
        flight = data.draw(st.sampled_from(self.flights))
        self.flights.remove(flight)
        if accepted:
            self.accepted.append(flight.account)

    def settle(self, held: Held, loaded: Delivery, move: Move, account: str | None) -> None:
        settlement = Settlement(
            loaded,
            loaded.attempts,
            move,
            held.job.id,
            account,
            self.clock,
            types={"sms": "SMS"},
        )
        settled = self.do(self.attempts[held.worker].settle(settlement))
        model = self.model
        expected = (
            model.attempts == loaded.attempts
            and move.status in MOVES_BY[Transition.SETTLE].get(model.status, frozenset())
            and (model.status is Status.SENDING or not move.doubt)
        )
        assert settled is expected, "a stale settlement changes nothing, a fresh one is made"
        if not settled:
            self.do(self.jobs[held.worker].finish([held.job.id]))
            return
        assert move.status in MOVES[model.status] | {model.status}
        model.status, model.doubts = move.status, loaded.doubts + move.doubt
        if settlement.falls_back and model.follows:
            assert not self.second, "a further leg only once"
            assert not self.accepted, "a further leg only after a known no"
            self.second = True

    # -- everybody else ----------------------------------------

    @precondition(lambda self: self.model.attempts > 1)
    @rule()
    def wait(self) -> None:
        """Longer than the delivery has."""
        self.clock += timedelta(hours=60)

    @precondition(lambda self: self.model.status is Status.UNCERTAIN)
    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        """What a person finds out is true."""
        untrue = "not-sent" if self.accepted or self.flights else "sent"
        known = [choice for choice in get_args(Choice) if choice != untrue]
        if self.flights:
            known = [choice for choice in known if choice not in ("sent", "not-sent")]
        choice = data.draw(st.sampled_from(known))
        until = self.clock + timedelta(hours=48)
        decision = Decision(MID, self.id, choice, "joe01doe", self.clock, until)
        assert self.do(Resolutions(self.database).decide(decision, change()))
        model = self.model
        model.status = {"sent": Status.SENT, "give-up": Status.FAILED}.get(choice, Status.QUEUED)
        if choice != "resend":
            model.doubts = 0
        self.given_up |= choice == "give-up"

    @precondition(
        lambda self: not self.withdrawn and self.waits and self.model.attempts >= self.waits - 1
    )
    @rule()
    def withdraw(self) -> None:
        """Its synchronous call stops waiting."""
        before = self.model.status
        self.do(
            Withdrawals(self.database).withdraw(MID, self.batch_id, [self.message_id], self.clock)
        )
        self.withdrawn = True
        if before in MOVES_BY[Transition.WITHDRAW]:
            self.model.follows = False
            in_doubt = before is Status.SENDING or self.model.doubts > 0
            self.model.doubts += before is Status.SENDING
            self.model.status = Status.UNCERTAIN if in_doubt else Status.CANCELLED

    @precondition(lambda self: self.accepted and self.model.attempts)
    @rule(report=st.sampled_from([Report.SENT, Report.DELIVERED]))
    def report(self, report: Report) -> None:
        """A provider that accepted it says so, whenever."""
        self.do(self._report(report))

    async def _report(self, report: Report) -> None:
        rows = ReceiptRows(self.database)
        receipt = Receipt("p", report, self.id, None, self.clock)
        arrival = Arrival("sms", self.accepted[-1], receipt, self.clock)
        await rows.apply(await rows.keep(arrival))
        target = Status(report.value)
        if target in MOVES_BY[Transition.RECEIPT].get(self.model.status, frozenset()):
            self.model.status = target

    # -- what always holds ----------------------------------------

    @invariant()
    def the_row_is_as_the_model_says(self) -> None:
        if not hasattr(self, "id"):
            return
        row = self.do(self.row())
        model = self.model
        assert (row["status"], row["attempts"], row["doubts"]) == (
            model.status.value,
            model.attempts,
            model.doubts,
        )
        if model.status in OVER:
            assert row["secret"] is None, "erased when nothing can follow"
        elif model.status is not Status.UNCERTAIN:
            assert row["secret"] == b"x"
        if model.doubts and self.frozen is not None:
            assert row["frozen"] == self.frozen, "what may have been sent is sent again as it was"
        self.frozen = row["frozen"]

    @invariant()
    def nothing_is_doubled_or_told_wrongly(self) -> None:
        told = contract_status(self.model.status)
        assert len(set(self.accepted)) <= 1, "copies by two accounts"
        if self.accepted and not self.given_up:
            assert told not in (ContractStatus.FAILED, ContractStatus.NOT_SENT)
            assert not self.second, "a copy on another way"

    @invariant()
    def one_job_stands_for_what_is_pending(self) -> None:
        if not hasattr(self, "id"):
            return
        count = self.do(
            self.database.pool.fetchval(
                "SELECT count(*) FROM pgqueuer WHERE substring(payload FROM 1 FOR 16) = $1",
                self.id.bytes,
            )
        )
        if self.model.status in PENDING:
            assert count >= 1, "accepted is never lost"
        if not self.withdrawn:
            assert count <= 1, "at most one live job"
        assert (
            self.do(self.database.pool.fetchval("SELECT count(*) FROM deliveries"))
            == 1 + self.second
        )


def test_a_delivery_is_always_what_its_model_says(server: str) -> None:
    loop = asyncio.new_event_loop()

    async def opened() -> Any:
        await empty(server, f"{ROWS}, {TABLES}")
        context = process(server)
        database = await context.__aenter__()
        await database.vault.ready(MID, month_of(START))
        return context, database

    context, Machine.database = loop.run_until_complete(opened())
    Machine.loop = loop
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=50,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.run_until_complete(empty(server, f"{ROWS}, {TABLES}"))
        loop.close()
