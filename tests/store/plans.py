"""The statements of the hot path, with the rows and blocks that each of them reads.

They run in a database whose statistics a test has chosen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from tests.changes import change as audited
from tests.conftest import TABLES
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Plan, Priority
from utskick.domain.clock import utc_now
from utskick.domain.delivery import LIFETIME, Move
from utskick.domain.ids import new_id
from utskick.domain.inbound import InboundPart
from utskick.domain.message import Caller, Key, NumberedRequest, Replay
from utskick.domain.outcome import Reason
from utskick.domain.receipt import Receipt, Report
from utskick.domain.recipient import Recipient
from utskick.domain.retention import RetentionRule
from utskick.domain.status import Status
from utskick.domain.webhook import WebhookKind
from utskick.engine.sync_wait import SyncWaiters
from utskick.store.administration.audit import Audit
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.database import Database
from utskick.store.events.feed import Feed
from utskick.store.events.transaction_numbers import Numbering
from utskick.store.events.webhook_calls import WebhookCalls
from utskick.store.events.webhooks import Owner, WebhookDefinition, Webhooks
from utskick.store.history.statistics import Tallies
from utskick.store.history.status import History
from utskick.store.messages.acceptance import Messages
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.deliveries import ClaimedDelivery, Deliveries
from utskick.store.messages.follow_ups import FollowUps
from utskick.store.messages.idempotency import IdempotencyKeys
from utskick.store.messages.inbound import InboundPlace, InboundRows
from utskick.store.messages.print_batches import GatheredLetter, PrintBatches
from utskick.store.messages.receipts import Arrival, ReceiptRows, SettledAttempt
from utskick.store.messages.settlement import Settlement
from utskick.store.queue import Job, Jobs
from utskick.store.retention.sweep import Retention, Sweep

MID: Final = "2281"
ORIGIN: Final = "Byggr"
REPLIES: Final = "Svar"
HIGH: Final = ("sms:high", "sms:normal", "sms:bulk", "snail_mail:high")
TYPES: Final = {"sms": "SMS", "email": "EMAIL", "snail_mail": "SNAIL_MAIL"}
PATIENCE: Final = timedelta(seconds=30)

_READ: Final = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint AS rows, (
    SELECT coalesce(sum(heap_blks_read + heap_blks_hit
        + coalesce(idx_blks_read + idx_blks_hit, 0)), 0)::bigint
    FROM pg_statio_user_tables) AS blocks
FROM pg_stat_user_tables
"""

#: $1 settled deliveries with their rows, $2 jobs that are due after $3, of $4.
_FILL: Final = """
WITH n AS MATERIALIZED (
    SELECT i, uuidv7() AS message, uuidv7() AS delivery, uuidv7() AS batch, $4::text AS place,
        now() - interval '1 hour' AS at FROM generate_series(1, $1) i),
b AS (INSERT INTO batches (id, municipality_id, channel, message_type, priority, recipients,
        content, created_at)
    SELECT batch, place, 'sms', 'SMS', 'BULK', 1, '', at FROM n),
m AS (INSERT INTO messages (id, municipality_id, batch_id, ordinal, at, origin)
    SELECT message, place, batch, 0, at, 'other' FROM n),
d AS (INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type,
        priority, status, destination, awaited, attempts, account, created_at, updated_at,
        expires_at)
    SELECT delivery, place, batch, message, 'sms', 'SMS', 'BULK', 'sent', '', false, 1, 'old',
        at, at, at FROM n),
a AS (INSERT INTO attempts (delivery_id, number, municipality_id, account, worker, started_at)
    SELECT delivery, 1, place, 'old', 'w', at FROM n),
e AS (INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference, at)
    SELECT place, delivery, 1, 'sent', 'old', i::text, at FROM n),
r AS (INSERT INTO receipts (id, municipality_id, channel, account, reference, delivery_id, report,
        received_at, state)
    SELECT uuidv7(), place, 'sms', 'old', i::text, delivery, 'sent', at, 'applied' FROM n),
u AS (INSERT INTO audit_entries (municipality_id, at, action, subject)
    SELECT place, at, 'send', '{}' FROM n),
k AS (INSERT INTO idempotency_keys (municipality_id, key, digest, batch_id, created_at)
    SELECT place, 'old' || i, '', batch, now() FROM n),
i AS (INSERT INTO inbound_messages (id, municipality_id, message_type, account, recipient,
        sender_key, sender, body, missing, stop, received_at)
    SELECT uuidv7(), place, 'SMS', 'old', '71456', uuid_send(message), '', '', 0, false, at
    FROM n),
f AS (INSERT INTO attachments (municipality_id, digest, size, data, created_at)
    SELECT place, uuid_send(message), 1, '', at FROM n),
p AS (INSERT INTO print_batches (id, municipality_id, channel, batch_id, sequence, closes_itself,
        opened_at, closed_at)
    SELECT uuidv7(), place, 'snail_mail', batch, 1, false, at, at FROM n)
INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
SELECT 0, 'sms:bulk', uuid_send(uuidv7()) || convert_to($4::text, 'UTF8'),
    now() + $3::interval, 'queued'
FROM generate_series(1, $2) i
"""


@dataclass(frozen=True, slots=True)
class Read:
    """What one step has read for ``count`` rows of its own."""

    step: str
    count: int
    rows: int
    blocks: int


class Counted:
    """A database with one connection to each pool, and what is read over them."""

    def __init__(self, database: Database, watch: asyncpg.Connection) -> None:
        self.database, self.watch = database, watch
        self.reads: list[Read] = []

    async def read(self) -> tuple[int, int]:
        """Return the rows and blocks read until now."""
        flush = "SELECT pg_stat_force_next_flush()"
        await self.database.pool.execute(flush)
        await self.database.of(MID).execute(flush)
        await self.watch.execute(flush)  # what filled the tables is not counted later
        row = await self.watch.fetchrow(_READ)
        assert row is not None
        return row["rows"], row["blocks"]

    async def step(self, name: str, count: int, act: Callable[[], Awaitable[Any]]) -> Any:
        """Run ``act``, and record what it reads for ``count`` rows."""
        rows, blocks = await self.read()
        done = await act()
        more_rows, more_blocks = await self.read()
        self.reads.append(Read(name, count, more_rows - rows, more_blocks - blocks))
        return done

    async def fill(
        self, count: int, due: timedelta = timedelta(seconds=-5), place: str = MID
    ) -> None:
        """Write ``count`` settled deliveries and as many jobs in the lane ``sms:bulk``."""
        await self.watch.execute(_FILL, count, count, due, place)

    async def empty(self, how: str) -> None:
        """Remove all rows: ``TRUNCATE`` gives the pages back, ``DELETE`` leaves them."""
        async with self.watch.transaction():
            await self.watch.execute("SET LOCAL session_replication_role = replica")
            for table in TABLES.split(", "):
                end = " CASCADE" if how == "TRUNCATE" else ""
                await self.watch.execute(f"{how} {'' if end else 'FROM '}{table}{end}")

    async def forget(self) -> None:
        """Leave the server without any statistics, as before the first autoanalyze."""
        for table in TABLES.split(", "):
            await self.watch.execute("SELECT pg_clear_relation_stats('public', $1)", table)
            await self.watch.execute(
                "DELETE FROM pg_statistic WHERE starelid = $1::text::regclass", table
            )


class Flow:
    """The path of messages through the store, step by step, with the code of the service."""

    def __init__(self, counted: Counted) -> None:
        self.counted, self.database = counted, counted.database
        self.messages = Messages(self.database)
        self.keys = IdempotencyKeys(self.database)
        self.jobs = Jobs(self.database.pool, new_id())
        self.deliveries = Deliveries(self.database)
        self.attempts = Attempts(self.database)
        self.legs = FollowUps(self.database)
        self.receipts = ReceiptRows(self.database)
        self.prints = PrintBatches(self.database)
        self.history = History(self.database)
        self.upkeep = MaintenanceRows(self.database)
        self.worker = new_id()

    async def run(self, count: int) -> None:
        """Run every step once, with ``count`` messages."""
        sent = await self.sending(count)
        await self.reading(sent)
        await self.printing(count)
        await self.maintaining()

    # -- from acceptance to receipts --------------------------------------------------------------

    async def sending(self, count: int) -> list[ClaimedDelivery]:
        step = self.counted.step
        await step("accept", count, lambda: self.accept(count))
        await step("accept with key and file", 1, self.accept_keyed)
        claimed = await step("claim", count, lambda: self.claim(count))
        loaded, unreadable = await step("load", count, lambda: self.deliveries.load(claimed))
        assert len(loaded) == len(claimed) == count
        assert not unreadable
        jobs: dict[UUID, Job] = {job.delivery_id: job for job in claimed}
        begun = [found.begun("link") for found in loaded.values()]
        begin = [self.begin(found) for found in loaded.values()]
        assert all(await step("begin", count, lambda: asyncio.gather(*begin)))
        await step("heartbeat", count, lambda: self.jobs.beat([job.id for job in claimed]))
        settle = [self.settle(found, jobs[found.delivery.id]) for found in begun]
        assert all(await step("settle", count, lambda: asyncio.gather(*settle)))
        await self.again(begun[0])
        pairs = [SettledAttempt(f.delivery.id, "link", (str(f.delivery.id),)) for f in begun]
        await step("early receipts", count, lambda: self.receipts.waiting_for(pairs))
        arrived = await step("receipts", count, lambda: self.report(begun))
        apply = [self.receipts.apply(receipt) for receipt in arrived]
        await step("receipts applied", count, lambda: asyncio.gather(*apply))
        return begun

    async def again(self, loaded: ClaimedDelivery) -> None:
        """Run what only some deliveries need: another leg, and jobs that are returned."""
        step = self.counted.step
        await self.messages.add(numbered(legs=("email", "sms")))
        [job] = await self.jobs.claim(("email:high",), 1, PATIENCE)
        [found] = (await self.deliveries.load([job]))[0].values()
        await self.begin(found)
        failed = Move(Status.FAILED, reason=Reason("bounced", "no such mailbox"))
        settlement = replace(self.settlement(found.begun("smtp"), job), move=failed, types=TYPES)
        await step("settle with a leg", 1, lambda: self.attempts.settle(settlement))
        claimed = await step("claim of a leg", 1, lambda: self.claim(1))
        await step("give back", 1, lambda: self.jobs.give_back([job.id for job in claimed]))
        claimed = await self.claim(1)
        await step("finish", 1, lambda: self.jobs.finish([job.id for job in claimed]))

    async def accept(self, count: int) -> None:
        await asyncio.gather(*(self.messages.add(numbered(awaited=True)) for _ in range(count)))

    async def accept_keyed(self) -> None:
        """Accept as ``Intake`` does, and once more with the same key."""
        file = Attachment.of("a.pdf", "application/pdf", new_id().bytes)
        wanted, key = numbered(file=file, due=timedelta(hours=1)), Key(str(new_id()), b"digest")
        await self.messages.ready(wanted)
        async with self.database.transaction() as connection:
            assert await self.keys.reserve(connection, wanted, key) is None
            await self.messages.write(connection, [wanted])
            await self.keys.answer(connection, MID, key, Replay(201, b"{}", {}))
        async with self.database.transaction() as connection:
            assert isinstance(await self.keys.reserve(connection, wanted, key), Replay)

    async def claim(self, count: int) -> Sequence[Job]:
        return await self.jobs.claim(HIGH, count, PATIENCE)

    async def begin(self, loaded: ClaimedDelivery) -> bool:
        return await self.attempts.begin(
            AttemptStart(loaded.delivery, "link", self.worker, "w", utc_now())
        )

    def settlement(self, loaded: ClaimedDelivery, job: Job) -> Settlement:
        move = Move(Status.SENT, reference=str(loaded.delivery.id))
        return Settlement(
            loaded.delivery,
            loaded.delivery.attempts,
            move,
            job.id,
            loaded.delivery.account,
            utc_now(),
        )

    async def settle(self, loaded: ClaimedDelivery, job: Job) -> bool:
        return await self.attempts.settle(self.settlement(loaded, job))

    async def report(self, begun: Sequence[ClaimedDelivery]) -> list[UUID]:
        kept = [
            Receipt("link", Report.DELIVERED, None, str(found.delivery.id), utc_now())
            for found in begun
        ]
        arrivals = [Arrival("sms", "link", receipt, utc_now()) for receipt in kept]
        return await asyncio.gather(*(self.receipts.keep(arrival) for arrival in arrivals))

    # -- reading ----------------------------------------------------------------------------------

    async def reading(self, sent: Sequence[ClaimedDelivery]) -> None:
        step, first = self.counted.step, sent[0].delivery
        states = await step("message", 1, lambda: self.history.message(MID, first.message_id))
        assert [state.status for state in states] == [Status.DELIVERED]
        await step("delivery", 1, lambda: self.history.delivery(MID, first.id))
        await step("story", 1, lambda: self.history.story(MID, first.id))
        await step("batch", 1, lambda: self.whole(first.batch_id))
        await step("counts", 1, lambda: self.history.counts(MID, first.batch_id))
        await step("settled", len(sent), lambda: self.settled(sent))

    async def whole(self, batch_id: UUID) -> None:
        assert [len(states) async for states in self.history.batch(MID, batch_id)] == [1]

    async def settled(self, sent: Sequence[ClaimedDelivery]) -> None:
        """Run the query that a synchronous call makes for its messages."""
        settlements = SyncWaiters(self.database)
        for found in sent:
            settlements.expect(
                found.delivery.batch_id,
                [found.delivery.message_id],
                frozenset({Status.DELIVERED}),
                single=False,
            )
        settlements.start()
        assert await settlements.wait([found.delivery.message_id for found in sent], 10)
        await settlements.close()

    # -- letters ----------------------------------------------------------------------------------

    async def printing(self, count: int) -> None:
        step, wanted = self.counted.step, numbered(count, "snail_mail")
        await step("accept a batch", count, lambda: self.messages.add(wanted))
        claimed = await step("claim of letters", count, lambda: self.claim(count))
        loaded, _ = await step("load letters", count, lambda: self.deliveries.load(claimed))
        jobs: dict[UUID, Job] = {job.delivery_id: job for job in claimed}
        gather = [
            self.prints.gather(
                GatheredLetter(
                    found.delivery, b"frozen", jobs[found.delivery.id].id, utc_now(), True
                )
            )
            for found in loaded.values()
        ]
        assert all(await step("gather", count, lambda: asyncio.gather(*gather)))
        close = {"snail_mail": timedelta(days=1)}
        batch_id = wanted.batch_id
        await step(
            "close wanted",
            count,
            lambda: self.prints.want_closed("snail_mail", batch_id, audited(MID, at=utc_now())),
        )
        assert await step("close", count, lambda: self.prints.close_due(utc_now(), close)) == 1
        [job] = await self.claim(1)
        [hand_over] = (await self.deliveries.load([job]))[0].values()
        assert hand_over.draft.letters is not None
        letters = hand_over.draft.letters()
        assert len(await step("letters", count, lambda: _all(letters))) == count
        await self.begin(hand_over)
        settlement = self.settlement(hand_over.begun("house"), job)
        assert await step("settle a hand-over", count, lambda: self.attempts.settle(settlement))

    # -- upkeep -----------------------------------------------------------------------------------

    async def maintaining(self) -> None:
        step, now, database = self.counted.step, utc_now(), self.database
        nobody = UUID(int=0)
        await step("receipts overdue", 1, lambda: self.receipts.overdue(now, nobody, 100))
        await step("receipts given up", 1, lambda: self.receipts.give_up(now - LIFETIME))
        await step("keys forgotten", 1, lambda: self.keys.forget(now))
        await step("numbering", 3, lambda: Numbering(database).mend())
        await step("tallies", 80, Tallies(database).keep_up)
        await step("audit", 80, Audit(database).link)
        rescue = self.upkeep.rescue
        assert await step("rescue", 0, lambda: rescue(now - LIFETIME, now)) == 0
        await self.telling()
        retention = Retention(database, [RetentionRule("SMS", 1, "KS 2026/1")], 20)
        await retention.wake()
        later, walk = now + timedelta(days=2), Sweep(MID, "SMS")
        await step("retention", 100, lambda: retention.step(walk, later))

    async def telling(self) -> None:
        step, now, database = self.counted.step, utc_now(), self.database
        owner, webhooks, calls = Owner(MID, ORIGIN), Webhooks(database), WebhookCalls(database)
        if not await webhooks.listed(owner):
            assert await webhooks.add(
                owner, WebhookDefinition("https://example.se", (), None), audited(MID, at=now)
            )
        await self.accept(1)
        loaded, _ = await self.deliveries.load(claimed := await self.claim(1))
        for found in loaded.values():
            await self.begin(found)
            await self.settle(found.begun("link"), claimed[0])
        now = utc_now() + timedelta(minutes=2)
        await step("feed", 1, lambda: Feed(database).now())
        other = [Owner(MID, REPLIES)]
        [row] = await step("webhooks claimed", 1, lambda: calls.claim(now, 10, other, 4))
        claimed_hook = calls.read(row, now)
        made = await step("webhook call made", 80, lambda: calls.make(claimed_hook, now))
        assert made is not None
        assert made.call is not None
        await step("webhook called", 1, lambda: calls.succeeded(made, made.call, now))
        await calls.release(made, now - timedelta(hours=1))
        await self.telling_replies(calls)

    async def telling_replies(self, calls: WebhookCalls) -> None:
        """Call a webhook of inbound messages that has been told of all but one."""
        step, database, webhooks = self.counted.step, self.database, Webhooks(self.database)
        owner, now = Owner(MID, REPLIES), utc_now()
        if not await webhooks.listed(owner):
            wanted = WebhookDefinition("https://example.se", (), None, WebhookKind.INBOUND)
            assert await webhooks.add(owner, wanted, audited(MID, at=now))
        await database.pool.execute(
            "UPDATE webhooks SET tx = utskick_complete_tx(), event_id = 0 WHERE origin = $1",
            REPLIES,
        )
        part = InboundPart("+46701740605", "71456", "Ja")
        await InboundRows(database).keep(InboundPlace(MID, "SMS", "smpp"), part, now)
        now = utc_now() + timedelta(minutes=2)
        other = [Owner(MID, ORIGIN)]
        [row] = await step("webhook of replies claimed", 1, lambda: calls.claim(now, 10, other, 4))
        found = calls.read(row, now)
        made = await step("webhook call of replies made", 1, lambda: calls.make(found, now))
        assert made is not None
        assert made.call is not None
        [webhook] = await webhooks.listed(owner)
        assert await step("replies waiting", 1, lambda: webhooks.waiting(owner, webhook)) == (
            1,
            False,
        )
        await calls.succeeded(made, made.call, now)
        await calls.release(made, now - timedelta(hours=1))


async def _all(letters: Any) -> list[Any]:
    return [letter async for letter in letters]


def numbered(
    count: int = 1,
    channel: str = "sms",
    *,
    legs: tuple[str, ...] = (),
    file: Attachment | None = None,
    due: timedelta = timedelta(0),
    awaited: bool = False,
) -> NumberedRequest:
    """A request to ``count`` recipients, due ``due`` from now."""
    now = utc_now()
    content: dict[str, Any] = {"message": "Hej"}
    if legs:
        content["_legs"] = {leg: {"content": {}, "attachments": []} for leg in legs}
    recipients = [Recipient(f"+4672{i:07}", legs=legs) for i in range(count)]
    plan = Plan(content, recipients, list(range(count)), (file,) if file else (), Priority.HIGH)
    return NumberedRequest(
        new_id(),
        Caller(MID, ORIGIN),
        channel,
        TYPES[channel],
        plan,
        [(new_id(), new_id()) for _ in range(count)],
        now,
        now + due,
        now + LIFETIME,
        awaited,
        TYPES,
    )
