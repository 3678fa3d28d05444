"""One delivery: choose the account, commit the attempt, send, settle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import random
from typing import Final, TypeVar
from uuid import UUID

import structlog

from utskick.domain.account_label import label_of
from utskick.domain.channel import Channel, Draft, RequestContext
from utskick.domain.clock import Clock
from utskick.domain.delivery import Delivery, Move
from utskick.domain.errors import Violation
from utskick.domain.outcome import Concern, Deferred, Outcome, Reason, Rejected, Uncertain
from utskick.domain.preparation import Gathered, Prepared, Ready, Route, Routed
from utskick.domain.status import Status
from utskick.engine.accounts import AccountLimitsMap, Wait
from utskick.engine.failpoints import Failpoints
from utskick.engine.hand_overs import log_hand_over
from utskick.engine.receipts import Receipts
from utskick.engine.retry import Policy, RetryContext, carriers, next_move, unsent
from utskick.engine.turns import Turns
from utskick.store.database import PASSING
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.deliveries import ClaimedDelivery
from utskick.store.messages.follow_ups import FollowUps, Routing
from utskick.store.messages.print_batches import GatheredLetter, PrintBatches
from utskick.store.messages.settlement import Settlement
from utskick.store.queue import Job, Jobs

log = structlog.get_logger(__name__)
T = TypeVar("T")

_USUAL: Final = Policy()


@dataclass(frozen=True, slots=True)
class DispatchContext:
    """What a dispatch works with.

    ``worker``: its id, which claims attempts. ``name``: as attempts record it. ``random``: 0 ≤ x <
    1.
    """

    worker: UUID
    name: str
    attempts: Attempts
    legs: FollowUps
    print_batches: PrintBatches
    jobs: Jobs
    receipts: Receipts
    channels: Mapping[str, Channel]
    limits: AccountLimitsMap
    policies: Mapping[str, Policy]
    clock: Clock
    failpoints: Failpoints
    random: Callable[[], float] = random


class Dispatch:
    """Takes claimed deliveries to their next status.

    An outcome is kept and written again until the database accepts it, as long as the process
    lives.
    """

    def __init__(self, context: DispatchContext) -> None:
        self._context = context
        self._finished: GroupCommit[int, None] = GroupCommit(self._finish)
        self._sending: set[int] = set()
        self._turns = Turns(context.limits, context.clock, context.random)
        self._types = {channel.name: channel.message_type for channel in context.channels.values()}

    def is_sending(self, job_id: int) -> bool:
        """Return whether this job's attempt is on disk and not settled.

        To stop now would leave it uncertain.
        """
        return job_id in self._sending

    async def run(self, job: Job, loaded: ClaimedDelivery | None) -> None:
        """Take a delivery to its next status. ``loaded`` None: it is gone, its job is removed."""
        if loaded is None:
            await self._finished.put(job.id)
            return
        delivery, now = loaded.delivery, self._context.clock()
        if delivery.status is Status.SENDING:
            await self._interrupted(job, loaded)
        elif delivery.status not in (Status.QUEUED, Status.DEFERRED):
            await self._finished.put(job.id)
        elif loaded.erased:
            reason = Reason("erased", "its content was erased before a provider accepted it")
            erased = replace(loaded, delivery=replace(delivery, next=()))
            await self._settle(job, erased, unsent(Status.FAILED, reason, delivery), None)
        elif now >= delivery.expires_at:
            reason = Reason("expired", "it expired before a provider accepted it")
            await self._settle(job, loaded, unsent(Status.EXPIRED, reason, delivery), None)
        else:
            await self._advance(job, loaded)

    async def _advance(self, job: Job, loaded: ClaimedDelivery) -> None:
        """Prepare the delivery, and go on to the attempt or to what takes its place."""
        channel = self._context.channels[loaded.delivery.channel]
        wait = self._turns.still(
            loaded.delivery, lambda: carriers(channel.able(loaded.draft), loaded.delivery)
        )
        if wait is not None:
            await self._wait(job, wait)
            return
        match await self._prepare(loaded):
            case Ready(frozen):
                await self._attempt(
                    job,
                    loaded
                    if frozen is None
                    else replace(loaded, draft=replace(loaded.draft, frozen=frozen)),
                )
            case Routed(routes):
                await self._route(job, loaded.delivery, routes)
            case Gathered(frozen):
                await self._gather(job, loaded, frozen)
            case outcome:
                await self._settle_uncalled(job, loaded, outcome)

    async def _prepare(self, loaded: ClaimedDelivery) -> Prepared:
        channel = self._context.channels[loaded.delivery.channel]
        try:
            if loaded.draft.deferred and (unfit := await _unfit(channel, loaded.draft)):
                return unfit
            return await channel.prepare(loaded.draft, loaded.delivery.id)
        except Exception:  # A fault of the adapter: it is logged in full. Nothing was sent yet.
            log.exception(
                "adapter-fault",
                channel=channel.name,
                during="prepare",
                delivery=str(loaded.delivery.id),
            )
            return Deferred(
                Reason("adapter-fault", "an internal fault before the call; nothing was sent"),
                concerns=Concern.OURSELVES,
            )

    async def _route(self, job: Job, delivery: Delivery, routes: tuple[Route, ...]) -> None:
        routing = Routing(delivery, routes, self._types, job.id, self._context.clock())
        if not await self._insist(self._context.legs.route, routing, "route"):
            await self._finished.put(job.id)

    async def _gather(self, job: Job, loaded: ClaimedDelivery, frozen: bytes) -> None:
        gather = GatheredLetter(
            loaded.delivery, frozen, job.id, self._context.clock(), closes_itself=loaded.routed
        )
        if not await self._insist(self._context.print_batches.gather, gather, "gather"):
            await self._finished.put(job.id)

    async def _settle_uncalled(self, job: Job, loaded: ClaimedDelivery, outcome: Outcome) -> None:
        """Settle an attempt that ended before its call, and was never begun on disk."""
        delivery = replace(loaded.delivery, attempts=loaded.delivery.attempts + 1)
        move = next_move(outcome, delivery, self._retry_context(loaded, "", ()))
        await self._record(
            job,
            Settlement(
                delivery,
                delivery.attempts,
                move,
                job.id,
                None,
                self._context.clock(),
                uncalled=True,
                types=self._types,
            ),
        )

    async def _attempt(self, job: Job, loaded: ClaimedDelivery) -> None:
        delivery, draft = loaded.delivery, loaded.draft
        channel = self._context.channels[delivery.channel]
        able = carriers(channel.able(draft), delivery)
        if not able:
            reason = Reason(
                "no-account", "no provider account of this municipality can carry the message"
            )
            await self._settle(
                job,
                loaded,
                next_move(Rejected(reason), delivery, self._retry_context(loaded, "", ())),
                None,
            )
            return
        turns, turn = self._turns, self._turns.turn(delivery, channel.destination(draft))
        units = partial(channel.units, draft)
        try:
            while (chosen := turns.choose(delivery, able, turn)) is not None:
                account, turn = chosen
                async with turns.slot(delivery, account, turn, units) as slot:
                    if not slot.admitted:
                        continue
                    self._sending.add(job.id)
                    sent = await self._send_begun(job, loaded, account)
                    if sent is not None:
                        slot.note(sent[1])
                if sent is not None:
                    # An account that is shut is not worth going on to at once: the round is over.
                    ready = [
                        a for a in able if a == account or not turns.is_shut(delivery, a, turn)
                    ]
                    await self._conclude(job, sent, account, ready)
                return
        finally:
            self._sending.discard(job.id)
        await self._wait(job, turns.wait(delivery, able, turn))

    async def _wait(self, job: Job, wait: Wait) -> None:
        pause = timedelta(seconds=wait.seconds)
        await self._context.jobs.give_back([job.id], pause, wait.names())

    async def _conclude(
        self, job: Job, sent: tuple[ClaimedDelivery, Outcome], account: str, able: Sequence[str]
    ) -> None:
        loaded, outcome = sent
        move = next_move(outcome, loaded.delivery, self._retry_context(loaded, account, able))
        await self._settle(job, loaded, move, account)

    async def _send_begun(
        self, job: Job, loaded: ClaimedDelivery, account: str
    ) -> tuple[ClaimedDelivery, Outcome] | None:
        """Commit the attempt, then make the call. None: it was not due; nothing was sent."""
        delivery, channel = loaded.delivery, self._context.channels[loaded.delivery.channel]
        self._context.failpoints.reach("before-begin")
        start = AttemptStart(
            delivery,
            account,
            self._context.worker,
            self._context.name,
            self._context.clock(),
            loaded.draft.frozen,
        )
        begun = await self._insist(self._context.attempts.begin, start, "begin")
        if not begun:
            log.info("not-due-any-more", delivery=str(delivery.id))
            await self._finished.put(job.id)
            return None
        self._context.failpoints.reach("after-begin")
        outcome = await self._send(channel, loaded, account)
        self._context.failpoints.reach("after-answer")
        return loaded.begun(account), outcome

    async def _send(self, channel: Channel, loaded: ClaimedDelivery, account: str) -> Outcome:
        try:
            return await channel.send(loaded.draft, loaded.delivery.id, account)
        except asyncio.CancelledError:
            return Uncertain(
                Reason("stopped", "the service was stopped during the call"), Concern.OURSELVES
            )
        # A fault of the adapter: it is logged in full, and the delivery must not be lost for it.
        except Exception:
            log.exception(
                "adapter-fault",
                channel=channel.name,
                account=label_of(self._context.channels, account),
                delivery=str(loaded.delivery.id),
            )
            return Uncertain(
                Reason(
                    "adapter-fault",
                    "an internal fault during the call; it may or may not have been sent",
                ),
                Concern.OURSELVES,
            )

    async def _interrupted(self, job: Job, loaded: ClaimedDelivery) -> None:
        """Settle an open attempt of a worker that died or lost its connection during the call."""
        delivery = loaded.delivery
        account = delivery.account or ""
        channel = self._context.channels[delivery.channel]
        outcome = await channel.ask(loaded.draft, delivery.id, account, None) or Uncertain(
            Reason(
                "interrupted",
                "the worker was interrupted during the attempt; it may or may not have been sent",
            )
        )
        able = carriers(channel.able(loaded.draft), delivery)
        move = next_move(outcome, delivery, self._retry_context(loaded, account, able))
        await self._settle(job, loaded, move, account)

    async def _settle(
        self, job: Job, loaded: ClaimedDelivery, move: Move, account: str | None
    ) -> None:
        delivery = loaded.delivery
        reports = (
            account is not None
            and move.status in (Status.SENT, Status.UNCERTAIN)
            and self._reports(delivery, account)
        )
        settlement = Settlement(
            delivery,
            delivery.attempts,
            move,
            job.id,
            account,
            self._context.clock(),
            reports=reports,
            types=self._types,
        )
        await self._record(job, settlement)
        log_hand_over(loaded, settlement)

    async def _record(self, job: Job, settlement: Settlement) -> None:
        delivery, move, account = settlement.delivery, settlement.move, settlement.account
        settled = await self._insist(self._context.attempts.settle, settlement, "settle")
        self._context.failpoints.reach("after-settle")
        if not settled:
            log.warning(
                "settled-by-another",
                delivery=str(delivery.id),
                attempt=delivery.attempts,
                status=move.status,
            )
            await self._finished.put(job.id)
        elif settlement.reports:
            with suppress(*PASSING):  # maintenance applies what waits
                await self._context.receipts.catch_up(delivery, account, move)

    async def _insist(self, write: Callable[[T], Awaitable[bool]], item: T, what: str) -> bool:
        """Repeat a write until the database accepts it, whatever it raised: an outcome is kept.

        The statements may be repeated: they compare before they set. What no repetition mends is a
        bug, which is logged in full once and retried more and more rarely; other deliveries go on.
        Only a begin is given up then, since nothing was sent.
        """
        pause, longest, logged = 0.1, 2.0, False
        while True:
            try:
                return await write(item)
            except PASSING as fault:
                log.warning("database-away", during=what, fault=type(fault).__name__)
            except Exception:
                if what == "begin":
                    raise
                if not logged:
                    log.exception("database-refuses", during=what)
                logged, longest = True, 60.0
            await asyncio.sleep(pause)
            pause = min(longest, pause * 2)

    async def _finish(self, ids: Sequence[int]) -> Sequence[None]:
        await self._context.jobs.finish(ids)
        return [None] * len(ids)

    def _reports(self, delivery: Delivery, account: str) -> bool:
        """Return whether the account may have reported before; one that is gone may."""
        limits = self._context.limits.get((delivery.channel, account))
        return limits is None or limits.account.reports

    def _retry_context(
        self, loaded: ClaimedDelivery, account: str, able: Sequence[str]
    ) -> RetryContext:
        name = loaded.delivery.channel
        return RetryContext(
            account=account,
            able=able,
            when_uncertain=self._context.channels[name].when_uncertain(account, loaded.draft)
            if account
            else "hold",
            now=self._context.clock(),
            random=self._context.random(),
            policy=self._context.policies.get(name, _USUAL),
        )


async def _unfit(channel: Channel, draft: Draft) -> Rejected | None:
    """Return the faults that could not be inspected at acceptance, as a refusal."""
    context = RequestContext(
        draft.municipality_id, draft.organization_number, department=draft.department
    )
    found = await channel.inspect(draft.content, draft.attachments, context)
    faults = [each for each in found if isinstance(each, Violation)]
    return Rejected(Reason("unfit", f"{faults[0].field} {faults[0].message}")) if faults else None
