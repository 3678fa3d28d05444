"""Calls to webhooks of both kinds, stepped under a clock of the test: failures, retries, order,
claims."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from tests.changes import change
from tests.http.event_rows import delivery, happens
from tests.http.receiver import Receiver, receiving
from utskick.domain.clock import utc_now
from utskick.domain.feed import OLDEST
from utskick.domain.inbound import InboundPart
from utskick.domain.webhook import SCHEDULE, Stopped, WebhookKind
from utskick.engine.webhooks import WebhookRound
from utskick.outgoing.address_guard import AddressPolicy
from utskick.outgoing.http_client import Timeouts
from utskick.outgoing.webhooks import WebhookClient
from utskick.store.database import Database
from utskick.store.events.feed import Feed, FeedQuery
from utskick.store.events.webhook_calls import CLAIM, WebhookCalls
from utskick.store.events.webhooks import Owner, Webhook, WebhookDefinition, Webhooks
from utskick.store.messages.inbound import InboundPlace, InboundRows
from utskick.store.messages.inbound_feed import InboundFeed

HERE = AddressPolicy([ip_network("127.0.0.0/8")])
BYGGR = Owner("2281", "Byggr")


class Stage:
    """A worker's part that calls webhooks, on a clock that stands still until it is moved."""

    def __init__(
        self, database: Database, receiver: Receiver, kind: WebhookKind = WebhookKind.DELIVERIES
    ) -> None:
        self.kind = kind
        self.database, self.receiver, self.now = database, receiver, utc_now()
        self.webhooks = Webhooks(database)
        self.receivers = WebhookClient(HERE, Timeouts(8, 8))
        self.round = self.worker()
        receiver.by_their_clock = False

    def clock(self) -> datetime:
        return self.now

    def worker(self) -> WebhookRound:
        return WebhookRound(self.database, self.receivers, self.clock, rest=0.01)

    @asynccontextmanager
    async def calling(self, timeouts: Timeouts) -> AsyncIterator[WebhookRound]:
        """A worker whose receivers have this time-out."""
        receivers = WebhookClient(HERE, timeouts)
        yield WebhookRound(self.database, receivers, self.clock, rest=0.01)
        await receivers.close()

    async def add(self, owner: Owner = BYGGR, url: str | None = None) -> UUID:
        added = await self.webhooks.add(
            owner,
            WebhookDefinition(url or self.receiver.url, (), None, self.kind),
            change(at=self.now),
        )
        assert added is not None
        made, secret = added
        self.receiver.secrets.append(secret)
        return made

    async def happen(self, count: int, origin: str = "Byggr") -> None:
        """Let there be events of a calling system's delivery, or inbound messages."""
        if self.kind is WebhookKind.INBOUND:
            rows, place = InboundRows(self.database), InboundPlace("2281", "SMS", "smpp")
            for _ in range(count):
                await rows.keep(place, InboundPart("+46701740605", "71456", "Ja"), self.now)
            return
        one = await delivery(self.database, origin=origin)
        for _ in range(count):
            await happens(self.database.pool, one)

    async def step(self, **later: float) -> int:
        """Move the clock, then do everything that is due."""
        self.now += timedelta(**later)
        claimed = await self.round.step()
        await self.round.finish()
        return claimed

    async def get(self, made: UUID) -> Webhook:
        found = await self.webhooks.get(BYGGR, made)
        assert found is not None
        return found

    async def feed(self) -> list[str]:
        """What there is to tell, in order: positions of events, or ids of messages."""
        if self.kind is WebhookKind.INBOUND:
            found = await InboundFeed(self.database).page("2281", OLDEST, 1000)
            return [str(message.id) for message in found.messages]
        page = await Feed(self.database).page(FeedQuery("2281", OLDEST, "Byggr"), 1000)
        return [str(event.position) for event in page.events]

    @property
    def told(self) -> list[str]:
        member = "id" if self.kind is WebhookKind.INBOUND else "position"
        return [event[member] for event in self.receiver.events]


@asynccontextmanager
async def staged(database: Database, kind: WebhookKind) -> AsyncIterator[Stage]:
    async with receiving() as receiver:
        found = Stage(database, receiver, kind)
        yield found
        await found.round.stop(0)
        await found.receivers.close()


@pytest.fixture(params=sorted(WebhookKind))
async def stage(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(database, request.param) as found:
        yield found


@pytest.fixture
async def deliveries(database: Database) -> AsyncIterator[Stage]:
    """For what depends on the calling system, which inbound messages have none of."""
    async with staged(database, WebhookKind.DELIVERIES) as found:
        yield found


async def test_a_call_that_fails_is_repeated_the_same_until_it_succeeds(stage: Stage) -> None:
    made = await stage.add()
    await stage.happen(3)
    stage.receiver.answers = [500, 503]
    await stage.step()
    found = await stage.get(made)
    assert found.fault is not None
    assert (found.fault.status, found.fault.reason.code, found.stopped) == (500, "http-500", None)
    assert await stage.webhooks.waiting(BYGGR, found) == (3, False)
    assert await stage.step(seconds=3) == 0
    assert await stage.step(seconds=4) == 1
    await stage.happen(2)  # comes after the events that are not delivered yet
    assert await stage.step(seconds=20) == 0
    assert await stage.step(seconds=17) == 1
    assert stage.told == await stage.feed()
    assert len(set(stage.receiver.ids[:3])) == 1
    assert len({body for body, _ in stage.receiver.raw[:3]}) == 1
    assert len(stage.receiver.ids) == 4
    found = await stage.get(made)
    assert found.succeeded_at == stage.now
    assert await stage.webhooks.waiting(BYGGR, found) == (0, False)


async def test_after_an_outage_everything_comes_once_and_in_order_without_a_burst(
    stage: Stage,
) -> None:
    await stage.add()
    await stage.happen(50)
    stage.receiver.answers = [500] * 99
    for _ in range(50):
        await stage.step(seconds=60)
        await stage.happen(10)
    assert stage.told == []
    tries = len(stage.receiver.raw)
    assert tries in (5, 6)
    stage.receiver.answers = []
    for _ in range(3):
        await stage.step(hours=1)
    assert stage.told == await stage.feed()
    assert len(stage.told) == 550
    assert stage.receiver.most_at_once == 1
    assert len(set(stage.receiver.ids[: tries + 1])) == 1


async def test_410_stops_a_webhook_at_once_and_enabling_goes_on_where_it_stopped(
    stage: Stage,
) -> None:
    made = await stage.add()
    await stage.happen(2)
    stage.receiver.answers = [410]
    await stage.step()
    found = await stage.get(made)
    assert (found.stopped, found.stopped_at) == (Stopped.GONE, stage.now)
    await stage.happen(3)
    assert await stage.step(days=30) == 0
    assert await stage.webhooks.waiting(BYGGR, found) == (5, False)
    assert await stage.webhooks.enable(BYGGR, made, change(at=stage.now))
    await stage.step()
    assert stage.told == await stage.feed()
    assert len(stage.told) == 5
    assert (await stage.get(made)).stopped is None


async def test_a_webhook_that_fails_for_all_of_the_schedule_is_stopped(stage: Stage) -> None:
    made = await stage.add()
    await stage.happen(1)
    began, stage.receiver.answers = stage.now, [500] * 99
    for _ in range(400):
        await stage.step(minutes=15)
    found = await stage.get(made)
    assert found.stopped is Stopped.EXHAUSTED
    assert found.stopped_at is not None
    assert timedelta(hours=55) < found.stopped_at - began < timedelta(hours=95)
    assert len(stage.receiver.raw) == len(SCHEDULE) + 1
    await stage.webhooks.enable(BYGGR, made, change(at=stage.now))
    await stage.step()
    assert (await stage.get(made)).stopped is None  # it has all of its attempts again


async def test_a_receiver_that_asks_for_time_gets_it(stage: Stage) -> None:
    await stage.add()
    await stage.happen(1)
    stage.receiver.answers = [(429, {"Retry-After": "3600"}), (503, {"Retry-After": "604800"})]
    await stage.step()
    assert await stage.step(minutes=59) == 0
    assert await stage.step(minutes=1) == 1
    assert await stage.step(hours=7, minutes=59) == 0
    assert await stage.step(minutes=1) == 1
    assert len(stage.receiver.events) == 1


async def test_a_redirect_is_a_failure_and_is_not_followed(stage: Stage) -> None:
    async with receiving() as private:
        made = await stage.add()
        await stage.happen(1)
        stage.receiver.answers = [(307, {"Location": private.url})]
        await stage.step()
        assert private.raw == []
    found = await stage.get(made)
    assert found.fault is not None
    assert (found.fault.status, found.fault.reason.code) == (307, "redirect")
    await stage.step(seconds=7)
    assert len(stage.receiver.events) == 1


async def test_a_receiver_that_does_not_answer_in_time_has_failed(stage: Stage) -> None:
    made = await stage.add()
    await stage.happen(1)
    stage.receiver.gate = asyncio.Event()
    async with stage.calling(Timeouts(0.3, 0.3)) as hasty:
        await hasty.step()
        await hasty.finish()
    found = await stage.get(made)
    assert found.fault is not None
    assert (found.fault.status, found.fault.reason.code) == (None, "no-answer")


async def test_a_worker_that_dies_in_a_call_leaves_it_to_another_after_its_claim(
    stage: Stage,
) -> None:
    await stage.add()
    await stage.happen(2)
    stage.receiver.hold = 0.3
    dying = stage.worker()
    await dying.step()
    while not stage.receiver.ids:
        await asyncio.sleep(0.01)
    await dying.stop(0)  # the call is cancelled between its begin and its settlement
    assert await stage.step() == 0
    assert await stage.step(seconds=CLAIM.total_seconds() - 1) == 0
    assert await stage.step(seconds=1) == 1
    assert len(stage.receiver.ids) == 2
    assert len(set(stage.receiver.ids)) == 1
    assert stage.receiver.calls[0] == stage.receiver.calls[1]
    assert await stage.webhooks.waiting(BYGGR, (await stage.webhooks.listed(BYGGR))[0]) == (
        0,
        False,
    )


async def test_a_worker_that_dies_before_its_call_loses_and_doubles_nothing(stage: Stage) -> None:
    await stage.add()
    await stage.happen(2)
    calls = WebhookCalls(stage.database)
    [row] = await calls.claim(stage.now, 16, [], 4)
    made = await calls.make(calls.read(row, stage.now), stage.now)
    assert made is not None
    assert made.call is not None
    await stage.step(seconds=CLAIM.total_seconds())
    assert stage.receiver.ids == [str(made.call.id)]
    assert stage.told == await stage.feed()
    assert not await calls.succeeded(
        made, made.call, stage.now
    )  # and when it was only slow, it changes nothing any more


async def test_many_workers_call_once(stage: Stage) -> None:
    await stage.add()
    await stage.happen(30)
    stage.receiver.hold = 0.05
    workers = [stage.worker() for _ in range(4)]
    assert sum(await asyncio.gather(*(worker.step() for worker in workers))) == 1
    for worker in workers:
        await worker.finish()
    assert stage.told == await stage.feed()
    assert len(stage.receiver.ids) == 1


async def test_slow_receivers_of_one_system_delay_no_other(deliveries: Stage) -> None:
    stage = deliveries
    async with receiving() as slow:
        slow.by_their_clock, slow.gate, slow.secrets = (
            False,
            asyncio.Event(),
            stage.receiver.secrets,
        )
        for _ in range(9):
            await stage.add(Owner("2281", "Ecos"), slow.url)
        await stage.add()
        await stage.happen(1, "Ecos")
        await stage.happen(1)
        await stage.round.step()
        await stage.receiver.until(1)
        assert await stage.round.step() == 0  # it has its share
        async with asyncio.timeout(6):
            while slow.at_once < 4:
                await asyncio.sleep(0.01)
        slow.gate.set()
        await stage.round.finish()
        assert slow.most_at_once == 4
        while await stage.step():
            pass
        assert len(slow.events) == 9


async def test_a_round_goes_on_as_long_as_there_is_something_to_do(stage: Stage) -> None:
    for _ in range(6):
        await stage.add()
    await stage.happen(1)
    await stage.round.round()
    await stage.round.finish()
    assert len(stage.receiver.events) == 6


async def test_a_place_freed_during_a_rounds_query_is_used_in_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = WebhookCalls.claim

    async def slow_claim(
        calls: WebhookCalls, now: datetime, room: int, busy: Sequence[Owner], share: int
    ) -> list[Any]:
        rows = await claim(calls, now, room, busy, share)
        if busy:  # the result is old when it comes: all calls that held the share have ended
            await stage.round.finish()
        return rows

    monkeypatch.setattr(WebhookCalls, "claim", slow_claim)
    for _ in range(6):
        await stage.add()
    await stage.happen(1)
    stage.receiver.hold = 0.05
    await stage.round.round()
    assert len(stage.receiver.events) == 6


async def test_events_of_others_are_skipped_without_a_call(deliveries: Stage) -> None:
    stage = deliveries
    made = await stage.add()
    await stage.happen(5, "Ecos")
    before = (await stage.get(made)).reached
    assert await stage.step() == 1
    assert (await stage.get(made)).reached > before
    assert await stage.step(seconds=1) == 0  # nothing new: nothing is claimed
    assert stage.receiver.raw == []


async def test_a_webhook_that_is_deleted_during_its_call_stays_deleted(stage: Stage) -> None:
    made = await stage.add()
    await stage.happen(1)
    stage.receiver.hold = 0.2
    await stage.round.step()
    while not stage.receiver.ids:
        await asyncio.sleep(0.01)
    assert await stage.webhooks.delete(BYGGR, made, change())
    await stage.round.finish()
    assert await stage.database.pool.fetchval("SELECT count(*) FROM webhook_calls") == 0
    assert await stage.step(days=1) == 0


async def test_an_orderly_stop_waits_for_what_is_under_way(stage: Stage) -> None:
    made = await stage.add()
    await stage.happen(150)
    stage.receiver.hold = 0.2
    await stage.round.step()
    while not stage.receiver.ids:
        await asyncio.sleep(0.01)
    await stage.round.stop(2)
    assert len(stage.receiver.taken) == 1  # and does not begin another
    stage.round = stage.worker()
    await stage.step()
    assert stage.told == await stage.feed()
    assert (await stage.get(made)).fault is None


async def test_an_old_secret_signs_for_a_day(stage: Stage) -> None:
    made = await stage.add()
    new = await stage.webhooks.rotate(BYGGR, made, change(at=stage.now))
    assert new is not None
    for hours, signed in ((0, 2), (23, 2), (1, 1)):
        await stage.happen(1)
        stage.receiver.secrets = [new]  # and with it always
        await stage.step(hours=hours, seconds=1 if hours else 0)
        assert len(stage.receiver.raw[-1][1]["webhook-signature"].split()) == signed
    assert len(stage.receiver.raw) == 3


async def test_messages_removed_before_they_are_told_are_left_out(database: Database) -> None:
    async with staged(database, WebhookKind.INBOUND) as stage:
        made, pool = await stage.add(), database.pool
        await stage.happen(2)
        stage.receiver.answers = [500]
        await stage.step()
        called = [m["id"] for m in stage.receiver.calls[0]["data"]["messages"]]
        await stage.happen(2)
        await pool.execute("DELETE FROM inbound_messages")
        await stage.happen(1)
        [left] = await stage.feed()
        assert await stage.webhooks.waiting(BYGGR, await stage.get(made)) == (3, False)
        await stage.step(seconds=7)  # the call that was made is repeated as it was
        assert stage.told == [*called, left]
        await stage.happen(2)
        await pool.execute("DELETE FROM inbound_messages")
        assert await stage.webhooks.waiting(BYGGR, await stage.get(made)) == (0, False)
        assert await stage.step(seconds=1) == 0
        await stage.happen(1)
        assert await stage.step() == 1
        assert stage.told == [*called, left, *await stage.feed()]


async def test_more_messages_than_are_counted_are_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utskick.store.messages.inbound_feed.LOOK", 3)
    async with staged(database, WebhookKind.INBOUND) as stage:
        found = await stage.get(await stage.add())
        await stage.happen(3)
        assert await stage.webhooks.waiting(BYGGR, found) == (3, False)
        await stage.happen(1)
        assert await stage.webhooks.waiting(BYGGR, found) == (3, True)
