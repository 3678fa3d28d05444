"""Deliveries on their way: what the worker loads, begins and settles. Every change compares before it sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog

from utskick.domain.channel import Draft, Priority
from utskick.domain.delivery import Delivery, Move
from utskick.domain.message import lane_of
from utskick.domain.recipient import Recipient
from utskick.domain.status import SETTLED, Status
from utskick.store import jobs
from utskick.store.attachments import Attachments, read_names
from utskick.store.batching import Batching
from utskick.store.contents import Contents
from utskick.store.database import Database

log = structlog.get_logger(__name__)

#: NOTIFY channel: ids of settled deliveries that a synchronous call waits for.
SETTLEMENTS = "utskick_settled"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A delivery with what is needed to send it."""

    delivery: Delivery
    draft: Draft


@dataclass(frozen=True, slots=True)
class Beginning:
    """One attempt about to be made. ``claim``: the worker's id, by which it knows its own beginning again when the
    commit was not confirmed."""

    delivery: Delivery
    account: str
    claim: UUID
    worker: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to. ``job_id`` is removed with it, when it is the one that counts; ``account`` and ``actor`` tell the story."""

    delivery: Delivery
    attempt: int
    move: Move
    job_id: int | None
    account: str | None
    at: datetime
    actor: str | None = None


class Deliveries:
    """Begin and settle are grouped: many tasks, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attachments = Attachments(database)
        self._contents = Contents(database)
        self._begins: Batching[Beginning, bool] = Batching(self._begin)
        self._settles: Batching[Settlement, bool] = Batching(self._settle, split=(asyncpg.DataError,))

    async def load(self, claimed: Sequence[jobs.Job]) -> tuple[dict[UUID, Loaded], set[UUID]]:
        """The deliveries of these jobs, by id, and those that cannot be read: one of them must not stop its neighbours.

        One that is gone is in neither.
        """
        rows = await self._database.pool.fetch(
            """
            SELECT d.id, d.municipality_id, d.batch_id, d.message_id, d.channel, d.status, d.priority, d.attempts, d.tried, d.doubts,
                d.account, d.created_at, d.expires_at, d.destination, m.party, m.reference,
                CASE WHEN b.recipients = 1 THEN b.content END AS content, CASE WHEN b.recipients = 1 THEN b.attachments END AS attachments,
                b.recipients
            FROM unnest($1::text[], $2::uuid[]) AS w(municipality_id, id)
            JOIN deliveries d ON d.id = w.id AND d.municipality_id = w.municipality_id
            JOIN messages m ON m.id = d.message_id AND m.municipality_id = d.municipality_id
            JOIN batches b ON b.id = d.batch_id AND b.municipality_id = d.municipality_id
            """,
            [job.municipality_id for job in claimed],
            [job.delivery_id for job in claimed],
        )
        loaded: dict[UUID, Loaded] = {}
        unreadable: set[UUID] = set()
        for row in rows:
            try:
                loaded[row["id"]] = await self._loaded(row)
            except (ValueError, KeyError, AssertionError):
                log.exception("delivery-unreadable", delivery=str(row["id"]))
                unreadable.add(row["id"])
        return loaded, unreadable

    async def _loaded(self, row: Any) -> Loaded:
        municipality_id, vault = row["municipality_id"], self._database.vault
        delivery = read_delivery(row)
        if row["recipients"] == 1:
            content = orjson.loads(vault.open(municipality_id, row["content"]))
            names = read_names(vault, municipality_id, row["attachments"])
        else:
            content, names = await self._contents.of(municipality_id, delivery.batch_id)
        draft = Draft(
            municipality_id=municipality_id,
            content=content,
            recipient=Recipient(
                vault.open(municipality_id, row["destination"]).decode(),
                vault.open(municipality_id, row["party"]).decode() if row["party"] else None,
                row["reference"],
            ),
            attachments=await self._attachments.load(municipality_id, names) if names else (),
            priority=delivery.priority,
            created_at=delivery.created_at,
        )
        return Loaded(delivery, draft)

    async def begin(self, beginning: Beginning) -> bool:
        """The attempt is on disk. False: it was not due any more, or somebody else has taken it; nothing may be sent."""
        return await self._begins.put(beginning)

    async def _begin(self, group: Sequence[Beginning]) -> Sequence[bool]:
        rows = await self._database.pool.fetch(
            """
            WITH w AS (
                SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::uuid[], $6::text[], $7::timestamptz[])
                AS w(municipality_id, id, attempts, account, claim, worker, at)),
            taken AS (
                UPDATE deliveries d
                SET status = 'sending', attempts = w.attempts + 1, account = w.account, claim = w.claim, updated_at = w.at
                FROM w WHERE d.id = w.id AND d.municipality_id = w.municipality_id AND (
                    (d.status IN ('queued', 'deferred') AND d.attempts = w.attempts)
                    OR (d.status = 'sending' AND d.claim = w.claim AND d.attempts = w.attempts + 1))
                RETURNING d.id),
            opened AS (
                INSERT INTO attempts (delivery_id, number, municipality_id, account, worker, started_at)
                SELECT w.id, w.attempts + 1, w.municipality_id, w.account, w.worker, w.at FROM w JOIN taken USING (id)
                ON CONFLICT (delivery_id, number) DO NOTHING)
            SELECT id FROM taken
            """,
            [b.delivery.municipality_id for b in group],
            [b.delivery.id for b in group],
            [b.delivery.attempts for b in group],
            [b.account for b in group],
            [b.claim for b in group],
            [b.worker for b in group],
            [b.at for b in group],
        )
        taken = {row["id"] for row in rows}
        return [b.delivery.id in taken for b in group]

    async def settle(self, settlement: Settlement) -> bool:
        """The outcome is on disk, with the next job if there is one. False: another worker settled this attempt before."""
        return await self._settles.put(settlement)

    async def _settle(self, group: Sequence[Settlement]) -> Sequence[bool]:
        rows = await self._database.pool.fetch(
            """
            WITH w AS (
                SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::text[], $10::boolean[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::int[], $16::bytea[],
                    $17::text[], $18::boolean[], $19::text[], $20::bigint[])
                AS w(municipality_id, id, attempt, status, account, reference, reason_code, reason, provider_code, doubt, tried, at, due,
                    lane, level, payload, actor, settled, noted, job)),
            moved AS (
                UPDATE deliveries d SET status = w.status, reference = coalesce(w.reference, d.reference), reason_code = w.reason_code,
                    reason = w.reason, provider_code = w.provider_code, doubts = d.doubts + w.doubt::int,
                    tried = string_to_array(w.tried, ' '), updated_at = w.at
                FROM w WHERE d.id = w.id AND d.municipality_id = w.municipality_id AND d.attempts = w.attempt
                    AND (d.status IN ('sending', 'uncertain')
                        OR (d.status IN ('queued', 'deferred') AND w.status IN ('expired', 'failed', 'cancelled')))
                    AND NOT (d.status = 'uncertain' AND w.status = 'uncertain')
                RETURNING d.id, d.awaited AND w.settled AS told),
            noted AS (
                INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference,
                    reason_code, reason, provider_code, actor, at)
                SELECT w.municipality_id, w.id, nullif(w.attempt, 0), w.noted, w.account, w.reference, w.reason_code, w.reason,
                    w.provider_code, w.actor, w.at
                FROM w JOIN moved USING (id)),
            done AS (DELETE FROM pgqueuer WHERE id IN (SELECT w.job FROM w JOIN moved USING (id))),
            next AS (
                INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
                SELECT w.level, w.lane, w.payload, now() + (w.due - w.at), 'queued' FROM w JOIN moved USING (id) WHERE w.due IS NOT NULL),
            called AS MATERIALIZED (
                SELECT pg_notify('utskick_work', lane)
                FROM (SELECT DISTINCT w.lane FROM w JOIN moved USING (id) WHERE w.due IS NOT NULL) l),
            told AS MATERIALIZED (SELECT pg_notify('utskick_settled', moved.id::text) FROM moved WHERE told)
            SELECT id, (SELECT count(*) FROM called) + (SELECT count(*) FROM told) AS notified FROM moved
            """,
            *_columns(group),
        )
        moved = {row["id"] for row in rows}
        return [s.delivery.id in moved for s in group]


def _columns(group: Sequence[Settlement]) -> list[list[Any]]:
    rows = [
        (
            s.delivery.municipality_id, s.delivery.id, s.attempt, s.move.status.value, s.account, s.move.reference,
            s.move.reason.code if s.move.reason else None, s.move.reason.sentence if s.move.reason else None,
            s.move.reason.provider_code if s.move.reason else None, s.move.doubt, " ".join(s.move.tried), s.at, s.move.due,
            lane_of(s.delivery.channel, s.delivery.priority), jobs.level(s.delivery.priority),
            jobs.payload(s.delivery.municipality_id, s.delivery.id), s.actor, s.move.status in SETTLED,
            (s.move.noted or s.move.status).value, s.job_id,
        )
        for s in group
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def read_delivery(row: Any) -> Delivery:
    return Delivery(
        id=row["id"],
        municipality_id=row["municipality_id"],
        batch_id=row["batch_id"],
        message_id=row["message_id"],
        channel=row["channel"],
        status=Status(row["status"]),
        priority=Priority(row["priority"]),
        attempts=row["attempts"],
        tried=tuple(row["tried"]),
        doubts=row["doubts"],
        account=row["account"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
