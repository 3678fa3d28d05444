"""What retention rules allow to be removed, found and removed in small steps: each is one short transaction, and may be interrupted.

Batches are walked by type and age, and their messages by their place in them: an index on ``batches`` costs one entry a request, one on
``messages`` would cost each message of a batch of 100 000. No message is older than its batch. Where a walk has come to stays on disk, for
any worker to go on; at its end it rests, and begins anew: what was on its way, held or untold is then looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.retention import Kept, Rule
from utskick.store.database import Connection, Database
from utskick.store.places import places
from utskick.store.print_batches import HAND_OVER
from utskick.store.protocol import Cause, Entry, note
from utskick.store.removals import Removal, Removed, look, unreferred
from utskick.store.retention_rules import RetentionRules, try_lock

#: Messages that are looked at in one step.
STEP: Final = 400
#: Between the end of a walk and the next one.
REST: Final = timedelta(hours=1)
#: Files that are looked at in one step, and how long after the last of them the first is looked at again.
_FILES, _FILES_REST = 1000, timedelta(days=1)
#: How long a step waits for somebody who writes to a batch; then it is given up, and made again later.
PATIENCE: Final = "SET LOCAL lock_timeout = '2s'"

#: Municipalities with their types of requests, from one entry of the index to the next.
_TYPES: Final = """
    WITH RECURSIVE found AS (
        (SELECT municipality_id, message_type FROM batches ORDER BY municipality_id, message_type LIMIT 1)
        UNION ALL
        SELECT n.municipality_id, n.message_type FROM found CROSS JOIN LATERAL (
            SELECT b.municipality_id, b.message_type FROM batches b
            WHERE (b.municipality_id, b.message_type) > (found.municipality_id, found.message_type)
            ORDER BY b.municipality_id, b.message_type LIMIT 1) n)
    SELECT municipality_id, message_type FROM found WHERE message_type <> $1
"""

#: Of a municipality's requests of a type, older than $3, behind the place ($4, $5, $6): the next messages, and batches without any.
_NEXT: Final = """
    SELECT b.id AS batch_id, b.created_at, m.id AS message_id, coalesce(m.ordinal, 2147483647) AS ordinal, m.at
    FROM (
        SELECT id, created_at FROM batches
        WHERE municipality_id = $1 AND message_type = $2 AND created_at < $3 AND (created_at, id) >= ($4, $5)
        ORDER BY created_at, id LIMIT $7) b
    LEFT JOIN LATERAL (
        SELECT id, ordinal, at FROM messages m
        WHERE m.batch_id = b.id AND m.ordinal > CASE WHEN b.id = $5 THEN $6::integer ELSE -1 END ORDER BY m.ordinal LIMIT $7) m ON true
    ORDER BY b.created_at, b.id, m.ordinal LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class Walk:
    """A municipality's requests of one type."""

    municipality_id: str
    message_type: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk goes on."""

    at: datetime
    batch_id: UUID
    ordinal: int


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule would remove now, and what it would pass over, by the reason."""

    messages: int
    oldest: datetime | None
    newest: datetime | None
    kept: Mapping[Kept, int]


_BEGIN: Final = _Place(datetime(1, 1, 2, tzinfo=UTC), UUID(int=0), -1)


class Retention:
    """Every statement but the one that finds the municipalities is bound to one. ``step``: messages looked at in one, 2 or more."""

    def __init__(self, database: Database, defaults: Mapping[str, Rule], step: int = STEP) -> None:
        self._database = database
        self._rules = RetentionRules(database, defaults)
        self._size = step

    async def walks(self) -> list[Walk]:
        """All that there are, with or without a rule."""
        return [Walk(*row) for row in await self._database.pool.fetch(_TYPES, HAND_OVER)]

    async def wake(self) -> None:
        """No walk rests any more."""
        await self._database.pool.execute("DELETE FROM retention_places WHERE rests_until IS NOT NULL")

    async def step(self, walk: Walk, now: datetime) -> Removed | None:
        """None: there is nothing to do now, or somebody else is at it."""
        try:
            async with self._database.transaction() as connection:
                if not await try_lock(connection, walk.municipality_id):
                    return None
                rule = (await self._rules.of(walk.municipality_id, connection)).of(walk.message_type)
                place = await _place(connection, walk, now)
                if rule is None or rule.days is None or place is None:
                    return None
                await connection.execute(PATIENCE)
                return await self._removed(connection, walk, (rule, place), now)
        except asyncpg.LockNotAvailableError:
            return None

    async def _removed(self, connection: Connection, walk: Walk, by: tuple[Rule, _Place], now: datetime) -> Removed:
        rule, place = by
        rows, old = await self._next(connection, walk, place, rule.cutoff(now))
        removal = Removal(connection, walk.municipality_id, now)
        judged = await removal.judge(old) if old else []
        removed = await removal.remove([message for message in judged if message.kept is None])
        if empty := [row["batch_id"] for row in rows if row["message_id"] is None]:
            removed += await removal.remove_empty(empty)
        if not removed.is_nothing:
            cause = Cause("retention", walk.message_type, rule.days, rule.decision)
            await note(connection, walk.municipality_id, Entry(now, cause, removed))
        await _keep(connection, walk, rows[-1] if len(rows) == self._size else None, now)
        return removed

    async def _next(self, connection: Any, walk: Walk, place: _Place, before: datetime) -> tuple[list[Any], list[UUID]]:
        """The next rows, and those of their messages that are old enough."""
        rows = await connection.fetch(
            _NEXT, walk.municipality_id, walk.message_type, before, place.at, place.batch_id, place.ordinal, self._size
        )
        return list(rows), [row["message_id"] for row in rows if row["message_id"] is not None and row["at"] < before]

    async def due(self, walk: Walk, rule: Rule, now: datetime) -> Due:
        """What ``step`` after ``step`` would do. Reads only."""
        place, pool, before = _BEGIN, self._database.pool, rule.cutoff(now)
        count, kept, times = 0, Counter[Kept](), list[datetime]()
        while True:
            rows, old = await self._next(pool, walk, place, before)
            judged = await look(pool, walk.municipality_id, old, now)
            kept.update(message.kept for message in judged if message.kept is not None)
            going = [message.at for message in judged if message.kept is None]
            count += len(going)
            times = [f(all_times) for f in (min, max) if (all_times := times + going)]
            if len(rows) < self._size:
                return Due(count, min(times, default=None), max(times, default=None), kept)
            place = _Place(rows[-1]["created_at"], rows[-1]["batch_id"], rows[-1]["ordinal"])

    async def places_of_files(self) -> list[str]:
        """The municipalities that have files."""
        return [row["municipality_id"] for row in await self._database.pool.fetch(places("attachments"))]

    async def sweep_files(self, municipality_id: str, now: datetime) -> int:
        """Files to which nothing refers, of the next ones. Returns how many are gone."""
        async with self._database.transaction() as connection:
            if not await try_lock(connection, municipality_id):
                return 0
            row = await connection.fetchrow("SELECT digest, rests_until FROM retention_files WHERE municipality_id = $1", municipality_id)
            if row is not None and row["rests_until"] is not None and row["rests_until"] > now:
                return 0
            last = row["digest"] if row is not None and row["rests_until"] is None else b""
            rows = await connection.fetch(
                """
                SELECT a.digest, NOT EXISTS (SELECT FROM attachment_uses u WHERE u.municipality_id = $1 AND u.digest = a.digest) AS lone
                FROM attachments a WHERE a.municipality_id = $1 AND a.digest > $2 ORDER BY a.digest LIMIT $3
                """,
                municipality_id, last, _FILES,
            )  # fmt: skip
            gone = await unreferred(connection, municipality_id, [each["digest"] for each in rows if each["lone"]])
            ended = len(rows) < _FILES
            await connection.execute(
                """
                INSERT INTO retention_files (municipality_id, digest, rests_until) VALUES ($1, $2, $3)
                ON CONFLICT (municipality_id) DO UPDATE SET digest = excluded.digest, rests_until = excluded.rests_until
                """,
                municipality_id, b"" if ended else rows[-1]["digest"], now + _FILES_REST if ended else None,
            )  # fmt: skip
            if gone:
                await note(connection, municipality_id, Entry(now, Cause("retention"), Removed(files=gone)))
            return gone


async def _place(connection: Connection, walk: Walk, now: datetime) -> _Place | None:
    """None: it rests."""
    row = await connection.fetchrow(
        "SELECT at, batch_id, ordinal, rests_until FROM retention_places WHERE municipality_id = $1 AND message_type = $2",
        walk.municipality_id, walk.message_type,
    )  # fmt: skip
    if row is None:
        return _BEGIN
    if row["rests_until"] is not None:
        return None if row["rests_until"] > now else _BEGIN
    return _Place(row["at"], row["batch_id"], row["ordinal"])


async def _keep(connection: Connection, walk: Walk, last: Any, now: datetime) -> None:
    """``last``: what was looked at last; None: the walk is at its end."""
    at, batch_id, ordinal = (last["created_at"], last["batch_id"], last["ordinal"]) if last is not None else (None, None, None)
    await connection.execute(
        """
        INSERT INTO retention_places (municipality_id, message_type, at, batch_id, ordinal, rests_until) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (municipality_id, message_type) DO UPDATE SET at = excluded.at, batch_id = excluded.batch_id,
            ordinal = excluded.ordinal, rests_until = excluded.rests_until
        """,
        walk.municipality_id, walk.message_type, at, batch_id, ordinal, None if last is not None else now + REST,
    )  # fmt: skip
