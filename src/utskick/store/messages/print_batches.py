"""Print batches: letters are gathered in one that closes exactly once.

Its hand-over is a delivery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.audit import AuditEntry
from utskick.domain.channel import Priority
from utskick.domain.delivery import Delivery
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.domain.status import PENDING, Status, Transition
from utskick.store import queue as jobs
from utskick.store.administration.audit import keep
from utskick.store.crypto.columns import Column
from utskick.store.database import PASSING, Connection, Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.rows import DELIVERY_COLUMNS
from utskick.store.transitions import listed, sources

#: The message type of a hand-over. It is no type of the contract: a hand-over belongs to no caller.
HAND_OVER: Final = "PRINT_BATCH"

#: How long a hand-over is tried: a printing house that is down for a week loses no letter.
_LIFETIME: Final = timedelta(days=14)

#: Statuses of deliveries that a call to close the batch concerns.
_CLOSABLE: Final = (Status.QUEUED, Status.DEFERRED, Status.GATHERED)

#: (municipality, channel, the request's batch)
_Place = tuple[str, str, UUID]


#: Parameters: the columns of ``w``.
_GATHER: Final = f"""
    WITH w AS (
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::bytea[], $5::uuid[],
            $6::timestamptz[], $7::bigint[])
        AS w(municipality_id, id, attempts, frozen, print_batch, at, job)),
    moved AS (
        UPDATE deliveries d
        SET status = 'gathered', frozen = w.frozen, print_batch = w.print_batch, updated_at = w.at
        FROM w WHERE d.id = ANY($2) AND d.municipality_id = w.municipality_id AND d.id = w.id
            AND d.attempts = w.attempts AND d.status IN {sources(Transition.GATHER)}
        RETURNING d.id, d.message_id, d.awaited, d.print_batch),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, status, at)
        SELECT w.municipality_id, w.id, 'gathered', w.at FROM w JOIN moved USING (id)),
    counted AS (
        UPDATE print_batches p SET letters = p.letters + n.letters
        FROM (SELECT print_batch, count(*) AS letters FROM moved GROUP BY print_batch) n
        WHERE p.id = ANY($5) AND p.id = n.print_batch),
    done AS (
        DELETE FROM pgqueuer WHERE id = ANY(ARRAY(SELECT w.job FROM w JOIN moved USING (id)))),
    notified AS MATERIALIZED (
        SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited)
    SELECT id, (SELECT count(*) FROM notified) FROM moved
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class GatheredLetter:
    """A letter that is ready for its print batch.

    ``closes_itself``: the print batch is closed, without a call, when no delivery of the request is
    pending any more.
    """

    delivery: Delivery
    frozen: bytes
    job_id: int
    at: datetime
    closes_itself: bool

    @property
    def place(self) -> _Place:
        return self.delivery.municipality_id, self.delivery.channel, self.delivery.batch_id


class PrintBatches:
    """Writer of print batches.

    An open one is locked by whoever adds to it or closes it: none is closed while a letter is being
    added.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathers: GroupCommit[tuple[GatheredLetter, bytes], bool] = GroupCommit(
            self._gather, split=(Exception,), whole=PASSING
        )

    async def gather(self, letter: GatheredLetter) -> bool:
        """Add a letter to the open print batch of its request. False: it was not due any more."""
        key = self._database.vault.of(letter.delivery.municipality_id, letter.delivery.month)
        return await self._gathers.put((letter, key.encrypt(Column.FROZEN, letter.frozen)))

    async def _gather(self, encrypted: Sequence[tuple[GatheredLetter, bytes]]) -> Sequence[bool]:
        group = [letter for letter, _ in encrypted]
        async with self._database.transaction() as connection:
            places = await _open(connection, {letter.place: letter for letter in group})
            rows = await connection.fetch(
                _GATHER,
                [g.delivery.municipality_id for g in group],
                [g.delivery.id for g in group],
                [g.delivery.attempts for g in group],
                [frozen for _, frozen in encrypted],
                [places[g.place] for g in group],
                [g.at for g in group],
                [g.job_id for g in group],
            )
        moved = {row["id"] for row in rows}
        return [g.delivery.id in moved for g in group]

    async def want_closed(self, channel: str, batch_id: UUID, change: AuditEntry) -> bool:
        """Close the batch as soon as nothing of it is on its way; may be repeated.

        False: there is no such batch in the municipality.
        """
        municipality_id = change.municipality_id
        async with self._database.transaction() as connection:
            known = await connection.fetchval(
                "SELECT true FROM batches"
                " WHERE municipality_id = $1 AND id = $2 AND message_type <> $3",
                municipality_id,
                batch_id,
                HAND_OVER,
            )
            if not known:
                return False
            if await connection.fetchval(
                f"""
                SELECT true FROM deliveries
                WHERE municipality_id = $1 AND batch_id = $2 AND channel = $3
                    AND status IN {listed(_CLOSABLE)} LIMIT 1
                """,  # noqa: S608
                municipality_id,
                batch_id,
                channel,
            ):
                await _insert(
                    connection, [(municipality_id, channel, batch_id)], [False], change.at
                )
                await connection.execute(
                    """
                    UPDATE print_batches SET close_wanted = true
                    WHERE municipality_id = $1 AND channel = $2 AND batch_id = $3
                        AND closed_at IS NULL
                    """,
                    municipality_id,
                    channel,
                    batch_id,
                )
            await keep(connection, [change])
            return True

    async def close_due(self, now: datetime, close_after: Mapping[str, timedelta]) -> int:
        """Close the print batches that are due, each with a hand-over. Returns how many.

        ``close_after``: the age at which a channel's batches close. Any number of workers may call
        it at once.
        """
        rows = await self._database.pool.fetch(
            f"""
            SELECT p.id, p.municipality_id FROM print_batches p
            WHERE p.closed_at IS NULL AND {_DUE} ORDER BY p.opened_at LIMIT 50
            """,  # noqa: S608
            list(close_after),
            [now - age for age in close_after.values()],
        )
        closed = 0
        for row in rows:
            await self._database.vault.ready(row["municipality_id"], month_of(now))
            async with self._database.transaction() as connection:
                found = await connection.fetchrow(
                    f"""
                    UPDATE print_batches
                    SET closed_at = $3, ended_at = CASE letters WHEN 0 THEN $3::timestamptz END
                    WHERE id = (
                        SELECT p.id FROM print_batches p
                        WHERE p.id = $4 AND p.closed_at IS NULL AND {_DUE} FOR UPDATE SKIP LOCKED)
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
        """Add the hand-over as a delivery, whose batch has the print batch's id."""
        municipality_id, channel, print_batch = (
            found["municipality_id"],
            found["channel"],
            found["id"],
        )
        request = await connection.fetchrow(
            "SELECT priority, origin, issuer FROM batches WHERE municipality_id = $1 AND id = $2",
            municipality_id,
            found["batch_id"],
        )
        assert request is not None, "a print batch without its batch"
        content = {
            "batchId": str(found["batch_id"]),
            "sequence": found["sequence"],
            "letters": found["letters"],
            "municipalityId": municipality_id,
            "sentBy": request["issuer"],
        }
        encrypt, message_id, delivery_id = (
            self._database.vault.of(municipality_id, month_of(now)).encrypt,
            new_id(),
            new_id(),
        )
        await connection.execute(
            f"""
            WITH b AS (
                INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin,
                    issuer, recipients, content, created_at)
                VALUES ($2, $1, $3, $4, $5, $6, $7, 1, $8, $9)),
            m AS (
                INSERT INTO messages (id, municipality_id, batch_id, ordinal, at)
                VALUES ($10, $1, $2, 0, $9))
            INSERT INTO deliveries ({DELIVERY_COLUMNS})
            VALUES ($11, $1, $2, $10, $3, $4, $5, $12, $9, $9, $13, false, '{{}}', 'queued')
            """,  # noqa: S608
            municipality_id,
            print_batch,
            channel,
            HAND_OVER,
            request["priority"],
            request["origin"],
            request["issuer"],
            encrypt(Column.CONTENT, orjson.dumps(content), print_batch),
            now,
            message_id,
            delivery_id,
            encrypt(Column.DESTINATION, b"", delivery_id),
            now + _LIFETIME,
        )
        job = (channel, Priority(request["priority"]), municipality_id, delivery_id, now)
        await jobs.enqueue(connection, [job])


#: $1: channels; $2: the time before which an open batch of each is closed by its age. Uncertain
#: deliveries do not hold up the others.
_DUE: Final = f"""NOT p.held AND (
    p.opened_at < (
        SELECT a.before FROM unnest($1::text[], $2::timestamptz[]) AS a(channel, before)
        WHERE a.channel = p.channel)
    OR ((p.closes_itself OR p.close_wanted) AND (
        SELECT true FROM deliveries d
        WHERE d.batch_id = p.batch_id AND d.municipality_id = p.municipality_id
            AND d.status IN {listed(PENDING)} LIMIT 1) IS NULL))
"""  # noqa: S608


async def _open(
    connection: Connection, wanted: Mapping[_Place, GatheredLetter]
) -> dict[_Place, UUID]:
    """Return the open print batch of each place, locked; it is made where there is none."""
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
            # all transactions lock in the same order
            *map(list, zip(*sorted(wanted), strict=True)),
        )
        found = {
            (row["municipality_id"], row["channel"], row["batch_id"]): row["id"] for row in rows
        }
        if len(found) == len(wanted):
            return found
        # One was closed between the two statements: try again.


async def _insert(
    connection: Connection, places: Sequence[_Place], closes_itself: Sequence[bool], now: datetime
) -> None:
    await connection.execute(
        """
        INSERT INTO print_batches (id, municipality_id, channel, batch_id, sequence, closes_itself,
            opened_at)
        SELECT w.id, w.municipality_id, w.channel, w.batch_id, 1 + (
            SELECT count(*) FROM print_batches p
            WHERE p.municipality_id = w.municipality_id AND p.channel = w.channel
                AND p.batch_id = w.batch_id), w.closes_itself, $6
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
