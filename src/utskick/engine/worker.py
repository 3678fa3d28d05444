"""The worker: claims due deliveries lane by lane, dispatches them, and stops gracefully.

It renews the lease of its jobs by heartbeats.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

import structlog

from utskick.domain.account_label import label_of
from utskick.domain.channel import Channel, Priority
from utskick.domain.clock import Clock
from utskick.domain.ids import new_id
from utskick.domain.message import lane_of
from utskick.domain.retention import RetentionRule
from utskick.engine.accounts import AccountLimitsMap
from utskick.engine.circuits import CircuitLog
from utskick.engine.dispatch import Dispatch, DispatchContext
from utskick.engine.failpoints import Failpoints
from utskick.engine.maintenance import ROUND, Maintenance
from utskick.engine.provider_checks import ProviderChecks
from utskick.engine.receipts import Receipts
from utskick.engine.retry import Policy
from utskick.engine.webhooks import WebhookRound
from utskick.outgoing.webhooks import WebhookClient
from utskick.store.database import PASSING, Database
from utskick.store.messages.attempts import Attempts
from utskick.store.messages.deliveries import Deliveries
from utskick.store.messages.follow_ups import FollowUps
from utskick.store.messages.print_batches import PrintBatches
from utskick.store.queue import WORK, Job, Jobs

log = structlog.get_logger(__name__)

#: When an unreadable delivery is tried again: the settings or the release may have been corrected.
_UNREADABLE = timedelta(minutes=1)

#: Deliveries of a lane that are claimed where nothing else sets a number.
_LEAST_ROOM = 32

#: Deliveries that are claimed and loaded at once: more would keep ready ones from being sent.
_MOST_CLAIMED = 80

#: Seconds between two reports of the provider accounts' health.
_REPORTING = 5.0

#: Seconds between two queries for print batches to close.
_CLOSING = 0.4


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of a worker.

    ``patience``: how long a silent worker keeps its jobs. ``poll``: the longest time (s) between
    two claims. ``grace``: how long running sends may take to finish after a stop (s).
    ``receivers``: what calls webhooks; None: other workers do. ``retention``: the rules of the
    settings. ``is_fit``: whether new work may be begun now (not while the clock is wrong).
    ``checks``: of the provider accounts, which are reported to processes that do not send.
    """

    patience: timedelta = timedelta(seconds=30)
    poll: float = 1.0
    grace: float = 10.0
    receivers: WebhookClient | None = None
    retention: Collection[RetentionRule] = ()
    is_fit: Callable[[], bool] = lambda: True
    checks: ProviderChecks | None = None


class Worker:
    """A worker; one per process, any number of processes."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        *,
        options: WorkerOptions | None = None,
        policies: Mapping[str, Policy] | None = None,
    ) -> None:
        self.id = new_id()
        self._database = database
        self._options = options or WorkerOptions()
        self._jobs = Jobs(database.pool, self.id)
        self._deliveries = Deliveries(database)
        self._circuits = CircuitLog(database, self.id, clock, partial(label_of, channels))
        self.limits = AccountLimitsMap(channels, monotonic, self._circuits.changed)
        receipts = Receipts(database, channels, clock)
        self._print_batches = PrintBatches(database)
        self._close_after = {
            c.name: c.gathering.close_after for c in channels.values() if c.gathering is not None
        }
        self._clock = clock
        self._maintenance = Maintenance(
            database, receipts, self.limits, clock, self._options.retention
        )
        called = self._options.receivers
        self._webhooks = (
            WebhookRound(database, called, clock, self._options.poll, partial(label_of, channels))
            if called is not None
            else None
        )
        self._dispatch = Dispatch(
            DispatchContext(
                worker=self.id,
                name=f"{socket.gethostname()}/{os.getpid()}",
                attempts=Attempts(database),
                legs=FollowUps(database),
                print_batches=self._print_batches,
                jobs=self._jobs,
                receipts=receipts,
                channels=channels,
                limits=self.limits,
                policies=policies or {},
                clock=clock,
                failpoints=Failpoints.from_environment(),
            )
        )
        self._channels = channels
        self._measure_room()
        self._lanes = list(self._room)
        #: Lanes in which something may be due: by NOTIFY, or not empty at the last claim; all of
        #: them every ``poll``.
        self._notified: set[str] = set()
        self._claim_all_at = 0.0
        self._busy: Counter[str] = Counter()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until ``stop``, then wait for running sends and return the other jobs.

        It waits at most ``grace``.
        """
        with suppress(*PASSING):  # maintenance queries again
            await self._maintenance.begin()
        background = [
            asyncio.create_task(
                self._database.listen(WORK, self._stir, lambda: self._stir(*self._lanes))
            ),
            asyncio.create_task(
                self._every(self._options.patience.total_seconds() / 4, self._beat)
            ),
            asyncio.create_task(self._every(ROUND, self._if_fit(self._maintain))),
        ]
        if self._close_after:
            background.append(
                asyncio.create_task(self._every(_CLOSING, self._if_fit(self.close_print_batches)))
            )
        if self._options.checks is not None:
            background.append(asyncio.create_task(self._every(_REPORTING, self._report_health)))
        if self._webhooks is not None:
            background.append(
                asyncio.create_task(
                    self._every(self._options.poll, self._if_fit(self._webhooks.round))
                )
            )
        log.info("worker-started", worker=str(self.id))
        try:
            while not self._stopping.is_set():
                await self._turn()
        finally:
            await asyncio.gather(
                self._finish_sends(),
                *([self._webhooks.stop(self._options.grace)] if self._webhooks is not None else []),
            )
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            with suppress(*PASSING):  # a database that is down removes the worker by itself
                await self._circuits.close()
                await self._maintenance.sign_off(self.id)
            log.info("worker-stopped", worker=str(self.id))

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def _measure_room(self) -> None:
        """Set how many deliveries of each lane may be in hand: accounts come and go."""
        self._room = {
            lane_of(c.name, priority): max(
                _LEAST_ROOM, c.ahead, 3 * sum(a.concurrency for a in c.accounts)
            )
            for c in self._channels.values()
            for priority in Priority
        }

    async def _maintain(self) -> None:
        await self._circuits.keep()
        await self._maintenance.round(self.id)
        self._measure_room()

    async def _report_health(self) -> None:
        if (checks := self._options.checks) is not None:
            await self._maintenance.report(self.id, await checks.current())

    def _stir(self, *lanes: str) -> None:
        self._notified.update(lanes)
        self._wake.set()

    async def step(self) -> int:
        """Claim what is due and dispatch it. Returns how many. For tests and one-shot runs."""
        self._stir(*self._lanes)
        claimed = await self._claim()
        while self._running:
            await asyncio.gather(*self._running.values())
        return claimed

    async def _turn(self) -> None:
        self._wake.clear()
        try:
            claimed = await self._claim()
        except PASSING as fault:
            log.warning("database-away", during="claim", fault=type(fault).__name__)
            await asyncio.sleep(0.5)
            return
        except Exception:  # a bug: logged in full, and the worker goes on with the next turn
            log.exception("claim-fault")
            await asyncio.sleep(1)
            return
        if not claimed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._options.poll)

    async def _claim(self) -> int:
        claimed = [job for job in await self._claim_due() if job.id not in self._running]
        if not claimed:
            return 0
        try:
            loaded, unreadable = await self._deliveries.load(claimed)
        except BaseException:
            with suppress(*PASSING):  # the lease expires all the same
                await self._jobs.give_back([job.id for job in claimed])
            raise
        if unreadable:
            await self._jobs.give_back(
                [job.id for job in claimed if job.delivery_id in unreadable], _UNREADABLE
            )
        for job in claimed:
            if job.delivery_id in unreadable:
                continue
            self._start(
                job, asyncio.create_task(self._dispatch.run(job, loaded.get(job.delivery_id)))
            )
        return len(claimed)

    async def _claim_due(self) -> list[Job]:
        """Claim for lanes that have room and may have due deliveries."""
        if not self._options.is_fit():
            return []
        if monotonic() >= self._claim_all_at:
            self._notified.update(self._lanes)
            self._claim_all_at = monotonic() + self._options.poll
        due = [
            lane
            for lane in self._lanes
            if lane in self._notified and self._busy[lane] <= self._room[lane] // 2
        ]
        if not due:
            return []
        # The claim is sized by the emptiest lane: a small lane may briefly exceed its limit. Sized
        # by the smallest, all lanes would be claimed in small portions.
        count = min(_MOST_CLAIMED, max(self._room[lane] - self._busy[lane] for lane in due))
        # Before the claim: a notification during it may have come too late for it.
        self._notified.difference_update(due)
        left = due
        try:
            claimed = await self._jobs.claim(due, count, self._options.patience)
            left = due if len(claimed) == count else list({job.lane for job in claimed})
        finally:
            self._notified.update(left)
        return claimed

    def _start(self, job: Job, task: asyncio.Task[None]) -> None:
        self._busy[job.lane] += 1
        self._running[job.id] = task
        task.add_done_callback(lambda done: self._done(job, done))

    def _done(self, job: Job, task: asyncio.Task[None]) -> None:
        self._busy[job.lane] -= 1
        self._running.pop(job.id, None)
        if self._busy[job.lane] == self._room[job.lane] // 2:
            self._wake.set()
        if task.cancelled() or (fault := task.exception()) is None:
            return
        if isinstance(fault, PASSING):  # the lease expires, and the job is claimed again
            log.warning("database-away", during="dispatch", fault=type(fault).__name__)
        else:
            log.error("dispatch-fault", delivery=str(job.delivery_id), exc_info=fault)

    async def close_print_batches(self) -> None:
        """Close print batches that are complete, or old enough."""
        await self._print_batches.close_due(self._clock(), self._close_after)

    def _if_fit(self, act: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def acting() -> None:
            if self._options.is_fit():
                await act()

        return acting

    async def _beat(self) -> None:
        await self._jobs.beat(list(self._running))

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await act()
            except PASSING as fault:
                log.warning("database-away", during="maintenance", fault=type(fault).__name__)
            except Exception:  # a bug: logged in full; heartbeats must go on
                log.exception("maintenance-fault")
            await asyncio.sleep(seconds)

    async def _finish_sends(self) -> None:
        """Let running sends finish, and return jobs that wait for a slot.

        What is left over is uncertain.
        """
        idle = [
            job_id
            for job_id, task in self._running.items()
            if not self._dispatch.is_sending(job_id) and task.cancel()
        ]
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._options.grace)
        late = [task for task in self._running.values() if task.cancel()]
        if late:
            await asyncio.wait(late, timeout=5)
        with suppress(*PASSING):
            await self._jobs.give_back(idle)
