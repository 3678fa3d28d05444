"""Print batches: letters gather in one, it closes exactly once, and its hand-over is a delivery of
its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.channel import Priority
from utskick.domain.delivery import Delivery
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.store import queue as jobs
from utskick.store.crypto.columns import Column
from utskick.store.database import Connection, Database
from utskick.store.group_commit import GroupCommit

#: The message type of a hand-over. It is no type of the contract: a hand-over is nobody's message.
HAND_OVER: Final = "PRINT_BATCH"

#: How long a hand-over is tried: a printing house that is away for a week loses no letter.
_LIFETIME: Final = timedelta(days=14)

#: (municipality, channel, the request's batch)
_Place = tuple[str, str, UUID]


@dataclass(frozen=True, slots=True)
class Gather:
    """A letter that is ready. ``closes_itself``: its batch is closed when the whole request rests,
    without a call."""

    delivery: Delivery
    frozen: bytes
    job_id: int
    at: datetime
    closes_itself: bool

    @property
    def place(self) -> _Place:
        return self.delivery.municipality_id, self.delivery.channel, self.delivery.batch_id


class PrintBatches:
    """An open print batch is locked by whoever adds to it or closes it: none is closed with a
    letter half in it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathers: GroupCommit[tuple[Gather, bytes], bool] = GroupCommit(self._gather)

    async def gather(self, letter: Gather) -> bool:
        """The letter lies in the open print batch of its request. False: it was not due any
        more."""
        key = self._database.vault.of(letter.delivery.municipality_id, letter.delivery.month)
        return await self._gathers.put((letter, key.seal(Column.FROZEN, letter.frozen)))

    async def _gather(self, sealed: Sequence[tuple[Gather, bytes]]) -> Sequence[bool]:
        group = [letter for letter, _ in sealed]
        async with self._database.transaction() as connection:
            places = await _open(connection, {letter.place: letter for letter in group})
            rows = await connection.fetch(
                """
                WITH w AS (
                    SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::bytea[], $5::uuid[], $6::timestamptz[], $7::bigint[])
                    AS w(municipality_id, id, attempts, frozen, print_batch, at, job)),
                moved AS (
                    UPDATE deliveries d SET status = 'gathered', frozen = w.frozen, print_batch = w.print_batch, updated_at = w.at
                    FROM w WHERE d.id = ANY($2) AND d.municipality_id = w.municipality_id AND d.id = w.id AND d.attempts = w.attempts
                        AND d.status IN ('queued', 'deferred')
                    RETURNING d.id, d.message_id, d.awaited, d.print_batch),
                noted AS (
                    INSERT INTO events (municipality_id, delivery_id, status, at)
                    SELECT w.municipality_id, w.id, 'gathered', w.at FROM w JOIN moved USING (id)),
                counted AS (
                    UPDATE print_batches p SET letters = p.letters + n.letters
                    FROM (SELECT print_batch, count(*) AS letters FROM moved GROUP BY print_batch) n
                    WHERE p.id = ANY($5) AND p.id = n.print_batch),
                done AS (DELETE FROM pgqueuer WHERE id = ANY(ARRAY(SELECT w.job FROM w JOIN moved USING (id)))),
                told AS MATERIALIZED (SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited)
                SELECT id, (SELECT count(*) FROM told) FROM moved
                """,
                [g.delivery.municipality_id for g in group],
                [g.delivery.id for g in group],
                [g.delivery.attempts for g in group],
                [frozen for _, frozen in sealed],
                [places[g.place] for g in group],
                [g.at for g in group],
                [g.job_id for g in group],
            )
        moved = {row["id"] for row in rows}
        return [g.delivery.id in moved for g in group]

    async def want_closed(
        self, municipality_id: str, channel: str, batch_id: UUID, now: datetime
    ) -> bool:
        """Close the batch as soon as nothing of it is on its way. False: there is no such batch
        here. May be repeated."""
        async with self._database.transaction() as connection:
            known = await connection.fetchval(
                "SELECT true FROM batches WHERE municipality_id = $1 AND id = $2 AND message_type <> $3",
                municipality_id,
                batch_id,
                HAND_OVER,
            )
            if not known:
                return False
            if await connection.fetchval(
                "SELECT true FROM deliveries WHERE municipality_id = $1 AND batch_id = $2 AND channel = $3"
                " AND status IN ('queued', 'deferred', 'gathered') LIMIT 1",
                municipality_id,
                batch_id,
                channel,
            ):
                await _insert(connection, [(municipality_id, channel, batch_id)], [False], now)
                await connection.execute(
                    "UPDATE print_batches SET close_wanted = true"
                    " WHERE municipality_id = $1 AND channel = $2 AND batch_id = $3 AND closed_at IS NULL",
                    municipality_id,
                    channel,
                    batch_id,
                )
            return True

    async def close_due(self, now: datetime, close_after: Mapping[str, timedelta]) -> int:
        """Close what is to be closed, each with a hand-over. Returns how many. Any number of
        workers may do it at once."""
        rows = await self._database.pool.fetch(
            f"SELECT p.id, p.municipality_id FROM print_batches p WHERE p.closed_at IS NULL AND {_DUE} ORDER BY p.opened_at LIMIT 50",  # noqa: S608
            list(close_after),
            [now - age for age in close_after.values()],
        )
        closed = 0
        for row in rows:
            await self._database.vault.ready(row["municipality_id"], month_of(now))
            async with self._database.transaction() as connection:
                found = await connection.fetchrow(
                    f"""
                    UPDATE print_batches SET closed_at = $3 WHERE id = (
                        SELECT p.id FROM print_batches p WHERE p.id = $4 AND p.closed_at IS NULL AND {_DUE} FOR UPDATE SKIP LOCKED)
                    RETURNING id, municipality_id, channel, batch_id, sequence, letters
                    """,  # noqa: S608
                    list(close_after),
                    [now - age for age in close_after.values()],
                    now,
                    row["id"],
                )
                if found is not None and found["letters"]:
                    await self._hand_over(connection, found, now)
                    closed += 1
        return closed

    async def _hand_over(self, connection: Connection, found: Any, now: datetime) -> None:
        """The hand-over as a delivery: its batch has the print batch's id."""
        municipality_id, channel, print_batch = (
            found["municipality_id"],
            found["channel"],
            found["id"],
        )
        asked = await connection.fetchrow(
            "SELECT priority, origin, issuer FROM batches WHERE municipality_id = $1 AND id = $2",
            municipality_id,
            found["batch_id"],
        )
        assert asked is not None, "a print batch without its batch"
        content = {
            "batchId": str(found["batch_id"]),
            "sequence": found["sequence"],
            "letters": found["letters"],
            "municipalityId": municipality_id,
            "sentBy": asked["issuer"],
        }
        seal, message_id, delivery_id = (
            self._database.vault.of(municipality_id, month_of(now)).seal,
            new_id(),
            new_id(),
        )
        await connection.execute(
            """
            WITH b AS (
                INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin, issuer, recipients, content, created_at)
                VALUES ($2, $1, $3, $4, $5, $6, $7, 1, $8, $9)),
            m AS (INSERT INTO messages (id, municipality_id, batch_id, ordinal, at) VALUES ($10, $1, $2, 0, $9))
            INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination,
                awaited, created_at, updated_at, expires_at)
            VALUES ($11, $1, $2, $10, $3, $4, $5, 'queued', $12, false, $9, $9, $13)
            """,
            municipality_id,
            print_batch,
            channel,
            HAND_OVER,
            asked["priority"],
            asked["origin"],
            asked["issuer"],
            seal(Column.CONTENT, orjson.dumps(content)),
            now,
            message_id,
            delivery_id,
            seal(Column.DESTINATION, b""),
            now + _LIFETIME,
        )
        await jobs.enqueue(
            connection, [(channel, Priority(asked["priority"]), municipality_id, delivery_id, now)]
        )


#: $1: channels, $2: the time before which an open batch is closed by its age. What is held in doubt
#: does not hold up the others.
_DUE: Final = """(
    p.opened_at < (SELECT a.before FROM unnest($1::text[], $2::timestamptz[]) AS a(channel, before) WHERE a.channel = p.channel)
    OR ((p.closes_itself OR p.close_wanted) AND (
        SELECT true FROM deliveries d WHERE d.batch_id = p.batch_id AND d.municipality_id = p.municipality_id
            AND d.status IN ('queued', 'sending', 'deferred') LIMIT 1) IS NULL))
"""


async def _open(connection: Connection, wanted: Mapping[_Place, Gather]) -> dict[_Place, UUID]:
    """The open print batch of each place, locked; made where there is none."""
    while True:
        await _insert(
            connection,
            list(wanted),
            [g.closes_itself for g in wanted.values()],
            max(g.at for g in wanted.values()),
        )
        rows = await connection.fetch(
            """
            SELECT p.id, w.* FROM unnest($1::text[], $2::text[], $3::uuid[])
                AS w(municipality_id, channel, batch_id)
            CROSS JOIN LATERAL (
                SELECT id FROM print_batches p
                WHERE p.municipality_id = w.municipality_id AND p.channel = w.channel
                    AND p.batch_id = w.batch_id AND p.closed_at IS NULL FOR UPDATE) p
            """,
            *map(list, zip(*sorted(wanted), strict=True)),  # all lock in the same order
        )
        found = {
            (row["municipality_id"], row["channel"], row["batch_id"]): row["id"] for row in rows
        }
        if len(found) == len(wanted):  # else one was closed between the two statements
            return found


async def _insert(
    connection: Connection, places: Sequence[_Place], closes_itself: Sequence[bool], now: datetime
) -> None:
    await connection.execute(
        """
        INSERT INTO print_batches (id, municipality_id, channel, batch_id, sequence, closes_itself, opened_at)
        SELECT w.id, w.municipality_id, w.channel, w.batch_id, 1 + (
            SELECT count(*) FROM print_batches p
            WHERE p.municipality_id = w.municipality_id AND p.channel = w.channel AND p.batch_id = w.batch_id), w.closes_itself, $6
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::boolean[])
            AS w(id, municipality_id, channel, batch_id, closes_itself)
        ORDER BY w.municipality_id, w.channel, w.batch_id
        ON CONFLICT DO NOTHING
        """,
        [new_id() for _ in places],
        [municipality_id for municipality_id, _, _ in places],
        [channel for _, channel, _ in places],
        [batch_id for _, _, batch_id in places],
        list(closes_itself),
        now,
    )
