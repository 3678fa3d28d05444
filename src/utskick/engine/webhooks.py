"""Calls to webhooks: each gets its events or messages in order, one call at a time.

One that fails holds back only its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import structlog

from utskick.domain.clock import Clock
from utskick.domain.webhook import Stopped, wait_after
from utskick.outgoing.webhooks import AT_ONCE, WebhookCall, WebhookClient, WebhookResponse
from utskick.store.database import PASSING, Database
from utskick.store.events.webhook_calls import Claimed, Failure, OpenCall, WebhookCalls
from utskick.store.events.webhooks import Owner

log = structlog.get_logger(__name__)

#: Of the concurrent calls, the most of one calling system.
_SHARE: Final = 4
#: Seconds after which a webhook with more events lets others go first.
_TURN: Final = 5.0


class WebhookRound:
    """Calls webhooks. ``step`` may be called by any number of workers.

    ``rest``: seconds in which a webhook with nothing new is left alone. ``label``: a provider
    account's stored name → the readable one.
    """

    def __init__(
        self,
        database: Database,
        receivers: WebhookClient,
        clock: Clock,
        rest: float = 1.0,
        label: Callable[[str], str] = str,
    ) -> None:
        self._calls = WebhookCalls(database, label)
        self._receivers = receivers
        self._clock = clock
        self._rest = timedelta(seconds=rest)
        self._running: set[asyncio.Task[None]] = set()
        self._owners: Counter[Owner] = Counter()
        self._stopping = False

    async def round(self) -> None:
        """Serve as long as something is due; what becomes due does not wait for running calls."""
        while True:
            under_way = bool(
                self._running
                # What ends while ``step`` queries frees its place: it queries once more.
            )
            if not await self.step() and not under_way:
                return
            if self._running:
                await asyncio.wait(
                    self._running,
                    timeout=self._rest.total_seconds(),
                    return_when=asyncio.FIRST_COMPLETED,
                )

    async def step(self) -> int:
        """Claim what is due, and serve it concurrently. Returns how many."""
        room = AT_ONCE - len(self._running)
        if room <= 0 or self._stopping:
            return 0
        busy = [owner for owner, count in self._owners.items() if count >= _SHARE]
        rows = await self._calls.claim(self._clock(), room, busy, _SHARE)
        for row in rows:
            self._start(row)
        return len(rows)

    async def finish(self, within: float | None = None) -> None:
        """Wait for running calls.

        What takes longer is cancelled, and called again when its claim has expired.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        late = [task for task in self._running if task.cancel()]
        await asyncio.gather(*late, return_exceptions=True)

    async def stop(self, grace: float) -> None:
        self._stopping = True
        await self.finish(grace)

    def _start(self, row: Any) -> None:
        owner, task = (
            Owner(row["municipality_id"], row["origin"], row["client"]),
            asyncio.create_task(self._serve(row)),
        )
        self._owners[owner] += 1
        self._running.add(task)
        task.add_done_callback(lambda done: self._done(owner, row["id"], done))

    def _done(self, owner: Owner, webhook_id: object, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._owners[owner] -= 1
        if not self._owners[owner]:
            del self._owners[owner]
        if task.cancelled() or (fault := task.exception()) is None:
            return
        if isinstance(fault, PASSING):
            log.warning("database-away", during="webhooks", fault=type(fault).__name__)
        # A bug, or a secret that no key opens: logged in full. Its claim expires, and then it is
        # tried again.
        else:
            log.error("webhook-fault", webhook=str(webhook_id), exc_info=fault)

    async def _serve(self, row: Any) -> None:
        """Make call after call, until nothing is left, one fails, or its turn is over."""
        claimed, until = self._calls.read(row, self._clock()), monotonic() + _TURN
        while not self._stopping:
            if claimed.call is None:
                made = await self._calls.make(claimed, self._clock())
                if made is None:
                    return
                claimed = made
            if claimed.call is None:
                await self._calls.release(claimed, self._clock() + self._rest)
                return
            if not await self._called(claimed, claimed.call):
                return
            claimed = replace(claimed, call=None)
            if monotonic() > until:
                break
        await self._calls.release(claimed, self._clock())

    async def _called(self, claimed: Claimed, call: OpenCall) -> bool:
        """Make one call. Returns whether to go on."""
        heard = await self._receivers.call(
            claimed.url, WebhookCall(str(call.id), call.body, claimed.secrets), self._clock()
        )
        if heard.fault is None:
            return await self._calls.succeeded(claimed, call, self._clock())
        await self._calls.failed(claimed, call, self._failure(claimed, call, heard))
        return False

    def _failure(self, claimed: Claimed, call: OpenCall, heard: WebhookResponse) -> Failure:
        assert heard.fault is not None
        now, failures = self._clock(), call.failures + 1
        wait = wait_after(failures, heard.retry_after, random.random())  # noqa: S311
        stopped = Stopped.GONE if heard.gone else Stopped.EXHAUSTED if wait is None else None
        log.warning(
            "webhook-call-failed",
            webhook=str(claimed.id),
            failures=failures,
            reason=heard.fault.code,
            stopped=stopped,
        )
        return Failure(
            now,
            heard.status,
            heard.fault,
            now + wait if wait is not None and stopped is None else None,
            stopped,
        )
