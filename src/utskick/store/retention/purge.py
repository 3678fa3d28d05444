"""Purge: messages are removed with everything that belongs to them, or not at all.

The one place where messages and deliveries are deleted. It holds the municipality's lock
(``retention.rules``), so that no two purges run. Against writers these rows are guarded:

- A delivery changes only by an UPDATE of its row, and events and further deliveries come with such
a change. Deliveries are locked first (SKIP LOCKED: one that is being written is not over), then
judged by a statement that sees what was committed until then.

- An import adds deliveries to existing messages, and locks those (FOR KEY SHARE); they are locked
here before they are judged.

- A batch may be given further messages by a writer that has locked its row: an empty one is locked
before it is judged.

Events are removed only when statistics have counted them and webhooks have been called.

Files: what refers to a file is in encrypted JSON, whose key may have been destroyed; so references
have rows of their own, ``attachment_uses``, written with what refers: only requests that carry
files write any, and those write the file, too. With a message or a batch its rows are removed; a
file when it has none left. One that is just being referred to is locked by that writer (FOR KEY
SHARE in ``attachments.keep``) and stays: its row of use is about to be committed. ``sweep_files``
finds in the end whatever was passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from utskick.domain.retention import Kept
from utskick.domain.status import OVER, Status
from utskick.domain.unit import Unit
from utskick.store.database import Connection
from utskick.store.history.statistics import NAME as TALLIES
from utskick.store.messages.idempotency import KEPT
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.transitions import listed

#: No attempt follows these. A receipt that comes later finds no delivery, and changes nothing.
_OVER: Final = [status.value for status in Status if status in OVER]
_NOT_OVER: Final = f"d.status NOT IN {listed(OVER)}"
#: A webhook that has stopped may be enabled again, and then goes on where it stopped: so long its
#: events are kept.
_STOPPED: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class JudgedMessage:
    """A message with the reason to keep it.

    ``kept``: None: nothing but a rule keeps it. ``hold``: the reference of the hold. ``unit``: the
    unit whose rules apply.
    """

    id: UUID
    batch_id: UUID
    message_type: str
    at: datetime
    kept: Kept | None
    hold: str | None
    unit: Unit


@dataclass(frozen=True, slots=True)
class RemovalCounts:
    """How much was removed.

    ``entries``: rows of the directory. ``oldest`` and ``newest``: the times of the messages.
    """

    messages: int = 0
    deliveries: int = 0
    batches: int = 0
    files: int = 0
    entries: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def is_nothing(self) -> bool:
        return not (self.messages or self.deliveries or self.batches or self.files or self.entries)

    def __add__(self, other: RemovalCounts) -> RemovalCounts:
        times = [t for t in (self.oldest, other.oldest, self.newest, other.newest) if t is not None]
        return RemovalCounts(
            self.messages + other.messages,
            self.deliveries + other.deliveries,
            self.batches + other.batches,
            self.files + other.files,
            self.entries + other.entries,
            min(times, default=None),
            max(times, default=None),
        )


_JUDGED: Final = """
    SELECT m.id, m.batch_id, b.message_type, m.at, m.municipality_id, b.organization_number,
        m.department,
        (SELECT coalesce(h.reference, '') FROM holds h WHERE h.municipality_id = $1
            AND h.lifted_at IS NULL AND (
            (h.kind = 'party' AND m.party_key = ANY(h.keys)) OR (h.kind = 'message'
                AND uuid_send(m.id) = ANY(h.keys))
            OR (h.kind = 'batch' AND uuid_send(m.batch_id) = ANY(h.keys)))
                ORDER BY h.placed_at, h.id LIMIT 1) AS hold,
        (SELECT true FROM deliveries d WHERE d.batch_id = m.batch_id AND d.message_id = m.id
            AND d.municipality_id = $1
            AND ({open}) LIMIT 1) AS open,
        (SELECT true FROM (
                SELECT * FROM deliveries WHERE batch_id = m.batch_id
                    AND message_id = m.id OFFSET 0) d
            CROSS JOIN LATERAL (SELECT * FROM events WHERE delivery_id = d.id
                ORDER BY id OFFSET 0) e
            WHERE d.municipality_id = $1 AND e.municipality_id = $1 AND (
                e.tx >= coalesce((SELECT tx FROM watermarks WHERE name = '{tallies}'
                    AND municipality_id = $1), 0)
                OR EXISTS (SELECT FROM webhooks w WHERE w.municipality_id = $1
                    AND w.kind = 'deliveries' AND w.origin = m.origin
                    AND (e.tx, e.id) > (w.tx, w.event_id) AND (w.stopped IS NULL
                        OR w.stopped_at > $3))) LIMIT 1) AS untold
    FROM unnest($2::uuid[]) AS r(id)
    CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = r.id OFFSET 0) m
    CROSS JOIN LATERAL (
        SELECT * FROM batches WHERE id = m.batch_id AND municipality_id = $1 OFFSET 0) b
    WHERE m.municipality_id = $1
"""
_UNLOCKED: Final = _JUDGED.format(open=_NOT_OVER, tallies=TALLIES)
_LOCKED: Final = _JUDGED.format(open=f"{_NOT_OVER} OR d.id <> ALL($4::uuid[])", tallies=TALLIES)


async def look(
    connection: Any, municipality_id: str, message_ids: Sequence[UUID], now: datetime
) -> list[JudgedMessage]:
    """Return how these messages stand now; nothing is locked."""
    return [
        _judged(row)
        for row in await connection.fetch(
            _UNLOCKED, municipality_id, list(message_ids), now - _STOPPED
        )
    ]


def _judged(row: Any) -> JudgedMessage:
    kept = (
        Kept.HOLD
        if row["hold"] is not None
        else Kept.ON_ITS_WAY
        if row["open"]
        else Kept.UNTOLD
        if row["untold"]
        else None
    )
    unit = Unit(row["municipality_id"], row["organization_number"], row["department"])
    return JudgedMessage(
        row["id"], row["batch_id"], row["message_type"], row["at"], kept, row["hold"], unit
    )


class Removal:
    """A removal in one transaction, which holds the municipality's lock."""

    def __init__(self, connection: Connection, municipality_id: str, now: datetime) -> None:
        self._connection = connection
        self._municipality_id = municipality_id
        self._now = now

    async def judge(self, message_ids: Sequence[UUID]) -> list[JudgedMessage]:
        """Lock these messages with their deliveries, and return how they stand.

        One that another transaction has locked is not over, or left out.
        """
        rows = await self._connection.fetch(
            "SELECT id, batch_id FROM messages WHERE municipality_id = $1"
            " AND id = ANY($2::uuid[]) FOR UPDATE SKIP LOCKED",
            self._municipality_id,
            list(message_ids),
        )
        locked = await self._connection.fetch(
            """
            SELECT d.id FROM unnest($2::uuid[], $3::uuid[]) AS r(batch_id, message_id)
            CROSS JOIN LATERAL (
                SELECT id FROM deliveries
                WHERE batch_id = r.batch_id AND message_id = r.message_id AND municipality_id = $1
                FOR UPDATE SKIP LOCKED) d
            """,
            self._municipality_id,
            [row["batch_id"] for row in rows],
            [row["id"] for row in rows],
        )
        judged = await self._connection.fetch(
            _LOCKED,
            self._municipality_id,
            [row["id"] for row in rows],
            self._now - _STOPPED,
            [row["id"] for row in locked],
        )
        return [_judged(row) for row in judged]

    async def remove(self, messages: Sequence[JudgedMessage]) -> RemovalCounts:
        """Remove judged messages, and batches and files that nothing refers to any more."""
        if not messages:
            return RemovalCounts()
        ids, batch_ids, times = (
            [m.id for m in messages],
            [m.batch_id for m in messages],
            [m.at for m in messages],
        )
        rows = await self._connection.fetch(
            """
            DELETE FROM deliveries d USING unnest($2::uuid[], $3::uuid[]) AS r(batch_id, message_id)
            WHERE d.municipality_id = $1 AND d.batch_id = ANY($2) AND d.message_id = ANY($3)
                AND d.batch_id = r.batch_id AND d.message_id = r.message_id RETURNING d.id
            """,
            self._municipality_id,
            batch_ids,
            ids,
        )
        await self._deliveries(row["id"] for row in rows)
        await self._connection.execute(
            "DELETE FROM messages WHERE municipality_id = $1 AND id = ANY($2::uuid[])",
            self._municipality_id,
            ids,
        )
        batches = await self._batches(batch_ids)
        await self._traces([*ids, *batches])
        if max(times) > self._now - KEPT - timedelta(hours=1):  # older ones have expired
            await self._keys([*ids, *batches])
        files = await self._files([*ids, *batches])
        return RemovalCounts(len(ids), len(rows), len(batches), files, 0, min(times), max(times))

    async def remove_empty(self, batch_ids: Sequence[UUID]) -> RemovalCounts:
        """Remove batches without messages, as an interrupted writer may leave them."""
        batches = await self._batches(batch_ids)
        await self._traces(batches)
        return RemovalCounts(batches=len(batches), files=await self._files(batches))

    async def _deliveries(self, delivery_ids: Iterable[UUID]) -> None:
        """Remove what belongs to deliveries that were removed."""
        ids = list(delivery_ids)
        if not ids:  # An empty array would suit every partial index, which is then read as a whole.
            return
        for table in ("attempts", "events", "part_references"):
            await self._connection.execute(
                f"DELETE FROM {table} WHERE (municipality_id = $1) IS TRUE"  # noqa: S608
                " AND delivery_id = ANY($2::uuid[])",
                self._municipality_id,
                ids,
            )
        await self._connection.execute(
            "DELETE FROM receipts WHERE delivery_id = ANY($2::uuid[])"
            " AND (municipality_id = $1 OR municipality_id IS NULL)",
            self._municipality_id,
            ids,
        )

    async def _batches(self, batch_ids: Iterable[UUID]) -> list[UUID]:
        """Remove those of these that have no message left, with their hand-overs."""
        rows = await self._connection.fetch(
            """
            DELETE FROM batches WHERE ctid = ANY(ARRAY(
                SELECT b.place FROM unnest($2::uuid[]) AS r(id)
                CROSS JOIN LATERAL (
                    SELECT ctid AS place, message_type FROM batches
                    WHERE id = r.id AND municipality_id = $1 OFFSET 0) b
                WHERE b.message_type <> $3
                    AND (SELECT true FROM messages m
                        WHERE m.batch_id = r.id AND m.municipality_id = $1 LIMIT 1) IS NULL
                    AND (SELECT true FROM print_batches p CROSS JOIN LATERAL (
                            SELECT status FROM deliveries
                            WHERE batch_id = p.id AND municipality_id = $1 OFFSET 0) d
                        WHERE p.municipality_id = $1 AND p.batch_id = r.id
                            AND d.status <> ALL($4::text[]) LIMIT 1) IS NULL))
            RETURNING id
            """,
            self._municipality_id,
            await self._locked(batch_ids),
            HAND_OVER,
            _OVER,
        )
        gone = [row["id"] for row in rows]
        if gone:
            await self._hand_overs(gone)
        return gone

    async def _locked(self, batch_ids: Iterable[UUID]) -> list[UUID]:
        """Lock those of these batches that exist, in the order of their ids.

        Their place in the table (ctid) is then the same until the transaction ends, and finds them
        again.
        """
        rows = await self._connection.fetch(
            """
            SELECT b.id FROM unnest($2::uuid[]) AS r(id) CROSS JOIN LATERAL (
                SELECT id FROM batches WHERE id = r.id AND municipality_id = $1 FOR UPDATE) b
            """,
            self._municipality_id,
            sorted(set(batch_ids)),
        )
        return [row["id"] for row in rows]

    async def _hand_overs(self, batch_ids: Sequence[UUID]) -> None:
        """Remove hand-overs: batches with the print batch's id, of one message."""
        rows = await self._connection.fetch(
            """
            DELETE FROM print_batches WHERE id = ANY(ARRAY(
                SELECT p.id FROM unnest($2::uuid[]) AS r(batch_id) CROSS JOIN LATERAL (
                    SELECT id FROM print_batches
                    WHERE batch_id = r.batch_id AND municipality_id = $1 OFFSET 0) p))
            RETURNING id
            """,
            self._municipality_id,
            list(batch_ids),
        )
        if not rows:
            return
        ids = [row["id"] for row in rows]
        deliveries = await self._connection.fetch(
            "DELETE FROM deliveries WHERE municipality_id = $1"
            " AND batch_id = ANY($2::uuid[]) RETURNING id",
            self._municipality_id,
            ids,
        )
        await self._deliveries(row["id"] for row in deliveries)
        await self._connection.execute(
            "DELETE FROM messages WHERE municipality_id = $1 AND batch_id = ANY($2::uuid[])",
            self._municipality_id,
            ids,
        )
        await self._connection.execute(
            """
            DELETE FROM batches WHERE ctid = ANY(ARRAY(
                SELECT b.place FROM unnest($2::uuid[]) AS r(id) CROSS JOIN LATERAL (
                    SELECT ctid AS place FROM batches
                    WHERE id = r.id AND municipality_id = $1 OFFSET 0) b))
            """,
            self._municipality_id,
            await self._locked(ids),
        )

    async def _traces(self, ids: Sequence[UUID]) -> None:
        """Erase what lifted holds have recorded of them."""
        await self._connection.execute(
            """
            UPDATE holds SET reason = NULL
            WHERE municipality_id = $1 AND kind <> 'party' AND lifted_at IS NOT NULL
                AND keys && $2::bytea[]
            """,
            self._municipality_id,
            [each.bytes for each in ids],
        )

    async def _keys(self, marks: Sequence[UUID]) -> None:
        await self._connection.execute(
            "DELETE FROM idempotency_keys WHERE municipality_id = $1"
            " AND batch_id = ANY($2::uuid[])",
            self._municipality_id,
            list(marks),
        )

    async def _files(self, owners: Sequence[UUID]) -> int:
        rows = await self._connection.fetch(
            """
            DELETE FROM attachment_uses WHERE ctid = ANY(ARRAY(
                SELECT u.place FROM unnest($2::uuid[]) AS r(owner) CROSS JOIN LATERAL (
                    SELECT ctid AS place FROM attachment_uses
                    WHERE municipality_id = $1 AND owner = r.owner OFFSET 0) u))
            RETURNING digest
            """,
            self._municipality_id,
            list(owners),
        )
        return await unreferred(
            self._connection, self._municipality_id, {row["digest"] for row in rows}
        )


async def unreferred(connection: Connection, municipality_id: str, digests: Iterable[bytes]) -> int:
    """Remove those of these files that nothing refers to. Returns how many."""
    wanted = list(digests)
    if not wanted:
        return 0
    locked = await connection.fetch(
        "SELECT digest FROM attachments WHERE municipality_id = $1"
        " AND digest = ANY($2::bytea[]) FOR UPDATE SKIP LOCKED",
        municipality_id,
        wanted,
    )
    done: str = await connection.execute(
        """
        DELETE FROM attachments a WHERE a.municipality_id = $1 AND a.digest = ANY($2::bytea[])
            AND (SELECT true FROM attachment_uses u WHERE u.municipality_id = $1
                AND u.digest = a.digest LIMIT 1) IS NULL
        """,
        municipality_id,
        [row["digest"] for row in locked],
    )
    return int(done.split()[-1])
