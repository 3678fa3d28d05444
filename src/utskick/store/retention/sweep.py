"""What retention rules allow to be removed, found and removed in small steps: each is one short
transaction, and may be interrupted.

Batches are walked by type and age, and their messages by their place in them: an index on
``batches`` costs one entry a request, one on ``messages`` would cost each message of a batch of 100
000. No message is older than its batch. Where a walk has come to stays on disk, for any worker to
go on; at its end it rests, and begins anew: what was on its way, held or untold is then looked at
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.retention import Kept, RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.store.database import Connection, Database
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.retention.log import Cause, RetentionLogEntry, note
from utskick.store.retention.purge import Judged, Removal, Removed, look, unreferred
from utskick.store.retention.rules import RetentionRules, try_lock
from utskick.store.tenant import places

#: Messages that are looked at in one step.
STEP: Final = 400
#: Between the end of a walk and the next one.
REST: Final = timedelta(hours=1)
#: Files that are looked at in one step, and how long after the last of them the first is looked at
#: again.
_FILES, _FILES_REST = 1000, timedelta(days=1)
#: How long a step waits for somebody who writes to a batch; then it is given up, and made again
#: later.
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

#: Of a municipality's requests of a type, older than $3, behind the place ($4, $5, $6): the next
#: messages, and batches without any.
_NEXT: Final = """
    SELECT b.id AS batch_id, b.created_at, m.id AS message_id, coalesce(m.ordinal, 2147483647) AS ordinal, m.at,
        b.organization_number, CASE WHEN m.id IS NULL THEN b.department ELSE m.department END AS department
    FROM (
        SELECT id, created_at, organization_number, department FROM batches
        WHERE municipality_id = $1 AND message_type = $2 AND created_at < $3 AND (created_at, id) >= ($4, $5)
        ORDER BY created_at, id LIMIT $7) b
    LEFT JOIN LATERAL (
        SELECT id, ordinal, at, department FROM messages m
        WHERE m.batch_id = b.id AND m.municipality_id = $1 AND m.ordinal > CASE WHEN b.id = $5 THEN $6::integer ELSE -1 END
        ORDER BY m.ordinal LIMIT $7) m ON true
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


@dataclass(slots=True)
class Due:
    """What a rule would remove now, and what it would pass over, by the reason."""

    messages: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    kept: Counter[Kept] = field(default_factory=Counter)

    def count(self, message: Judged) -> None:
        if message.kept is not None:
            self.kept[message.kept] += 1
            return
        self.messages += 1
        self.oldest, self.newest = (
            min(self.oldest or message.at, message.at),
            max(self.newest or message.at, message.at),
        )


class Applied:
    """The rules of one walk: which of them decides on what, and from when on there may be something
    to decide on."""

    def __init__(self, rules: Rules, walk: Walk, now: datetime) -> None:
        self._rules = rules
        self._walk = walk
        self._now = now
        #: Those that remove something.
        self.removing = [
            rule
            for rule in rules.of_type(walk.message_type, walk.municipality_id)
            if rule.days is not None
        ]

    @property
    def before(self) -> datetime:
        """Nothing younger is touched by any of them."""
        return max(rule.cutoff(self._now) for rule in self.removing)

    def rule_of(self, row: Any) -> RetentionRule | None:
        """The rule by which this row is old enough."""
        rule = self._rules.of(
            self._walk.message_type,
            Unit(self._walk.municipality_id, row["organization_number"], row["department"]),
        )
        at = row["at"] if row["message_id"] is not None else row["created_at"]
        return (
            rule
            if rule is not None and rule.days is not None and at < rule.cutoff(self._now)
            else None
        )


_BEGIN: Final = _Place(datetime(1, 1, 2, tzinfo=UTC), UUID(int=0), -1)


class Retention:
    """Every statement but the one that finds the municipalities is bound to one. ``step``: messages
    looked at in one, 2 or more."""

    def __init__(
        self, database: Database, defaults: Collection[RetentionRule], step: int = STEP
    ) -> None:
        self._database = database
        self._rules = RetentionRules(database, defaults)
        self._size = step

    async def walks(self) -> list[Walk]:
        """All that there are, with or without a rule."""
        return [Walk(*row) for row in await self._database.pool.fetch(_TYPES, HAND_OVER)]

    async def wake(self) -> None:
        """No walk rests any more."""
        await self._database.pool.execute(
            "DELETE FROM retention_places WHERE rests_until IS NOT NULL"
        )

    async def step(self, walk: Walk, now: datetime) -> Removed | None:
        """None: there is nothing to do now, or somebody else is at it."""
        try:
            async with self._database.transaction() as connection:
                if not await try_lock(connection, walk.municipality_id):
                    return None
                applied = Applied(await self._rules.of(walk.municipality_id, connection), walk, now)
                if not applied.removing or (place := await _place(connection, walk, now)) is None:
                    return None
                await connection.execute(PATIENCE)
                return await self._removed(connection, walk, (applied, place), now)
        except asyncpg.LockNotAvailableError:
            return None

    async def _removed(
        self, connection: Connection, walk: Walk, by: tuple[Applied, _Place], now: datetime
    ) -> Removed:
        applied, place = by
        rows = await self._next(connection, walk, place, applied.before)
        old, empty = _by_rule(applied, rows)
        removal = Removal(connection, walk.municipality_id, now)
        judged = await removal.judge(list(old)) if old else []
        removed = Removed()
        for rule in dict.fromkeys((*old.values(), *empty.values())):
            gone = await removal.remove(
                [message for message in judged if message.kept is None and old[message.id] is rule]
            )
            if bare := [batch_id for batch_id, its in empty.items() if its is rule]:
                gone += await removal.remove_empty(bare)
            if not gone.is_nothing:
                await note(
                    connection,
                    walk.municipality_id,
                    RetentionLogEntry(now, _cause(walk, rule), gone),
                )
            removed += gone
        await _keep(connection, walk, rows[-1] if len(rows) == self._size else None, now)
        return removed

    async def _next(
        self, connection: Any, walk: Walk, place: _Place, before: datetime
    ) -> list[Any]:
        return list(
            await connection.fetch(
                _NEXT,
                walk.municipality_id,
                walk.message_type,
                before,
                place.at,
                place.batch_id,
                place.ordinal,
                self._size,
            )
        )

    async def due(self, walk: Walk, now: datetime) -> dict[RetentionRule, Due]:
        """What ``step`` after ``step`` would do, by each rule that removes something. Reads
        only."""
        place, pool = _BEGIN, self._database.pool
        applied = Applied(await self._rules.of(walk.municipality_id), walk, now)
        due = {rule: Due() for rule in applied.removing}
        while due:
            rows = await self._next(pool, walk, place, applied.before)
            old, _ = _by_rule(applied, rows)
            for message in await look(pool, walk.municipality_id, list(old), now):
                due[old[message.id]].count(message)
            if len(rows) < self._size:
                break
            place = _Place(rows[-1]["created_at"], rows[-1]["batch_id"], rows[-1]["ordinal"])
        return due

    async def places_of_files(self) -> list[str]:
        """The municipalities that have files."""
        return [
            row["municipality_id"] for row in await self._database.pool.fetch(places("attachments"))
        ]

    async def sweep_files(self, municipality_id: str, now: datetime) -> int:
        """Files to which nothing refers, of the next ones. Returns how many are gone."""
        async with self._database.transaction() as connection:
            if not await try_lock(connection, municipality_id):
                return 0
            row = await connection.fetchrow(
                "SELECT digest, rests_until FROM retention_files WHERE municipality_id = $1",
                municipality_id,
            )
            if row is not None and row["rests_until"] is not None and row["rests_until"] > now:
                return 0
            last = row["digest"] if row is not None and row["rests_until"] is None else b""
            rows = await connection.fetch(
                """
                SELECT a.digest, (
                    SELECT true FROM attachment_uses u
                    WHERE u.municipality_id = $1 AND u.digest = a.digest LIMIT 1) IS NULL AS lone
                FROM attachments a WHERE a.municipality_id = $1 AND a.digest > $2 ORDER BY a.digest LIMIT $3
                """,
                municipality_id,
                last,
                _FILES,
            )
            gone = await unreferred(
                connection, municipality_id, [each["digest"] for each in rows if each["lone"]]
            )
            ended = len(rows) < _FILES
            await connection.execute(
                """
                INSERT INTO retention_files (municipality_id, digest, rests_until) VALUES ($1, $2, $3)
                ON CONFLICT (municipality_id) DO UPDATE SET digest = excluded.digest, rests_until = excluded.rests_until
                """,
                municipality_id,
                b"" if ended else rows[-1]["digest"],
                now + _FILES_REST if ended else None,
            )
            if gone:
                await note(
                    connection,
                    municipality_id,
                    RetentionLogEntry(now, Cause("retention"), Removed(files=gone)),
                )
            return gone


def _by_rule(
    applied: Applied, rows: Collection[Any]
) -> tuple[dict[UUID, RetentionRule], dict[UUID, RetentionRule]]:
    """Messages that are old enough, and batches without any, each with the rule by which it is."""
    old, empty = dict[UUID, RetentionRule](), dict[UUID, RetentionRule]()
    for row in rows:
        if (rule := applied.rule_of(row)) is None:
            continue
        if row["message_id"] is not None:
            old[row["message_id"]] = rule
        else:
            empty[row["batch_id"]] = rule
    return old, empty


def _cause(walk: Walk, rule: RetentionRule) -> Cause:
    return Cause("retention", walk.message_type, rule.days, rule.decision)


async def _place(connection: Connection, walk: Walk, now: datetime) -> _Place | None:
    """None: it rests."""
    row = await connection.fetchrow(
        "SELECT at, batch_id, ordinal, rests_until FROM retention_places WHERE municipality_id = $1 AND message_type = $2",
        walk.municipality_id,
        walk.message_type,
    )
    if row is None:
        return _BEGIN
    if row["rests_until"] is not None:
        return None if row["rests_until"] > now else _BEGIN
    return _Place(row["at"], row["batch_id"], row["ordinal"])


async def _keep(connection: Connection, walk: Walk, last: Any, now: datetime) -> None:
    """``last``: what was looked at last; None: the walk is at its end."""
    at, batch_id, ordinal = (
        (last["created_at"], last["batch_id"], last["ordinal"])
        if last is not None
        else (None, None, None)
    )
    await connection.execute(
        """
        INSERT INTO retention_places (municipality_id, message_type, at, batch_id, ordinal, rests_until) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (municipality_id, message_type) DO UPDATE SET at = excluded.at, batch_id = excluded.batch_id,
            ordinal = excluded.ordinal, rests_until = excluded.rests_until
        """,
        walk.municipality_id,
        walk.message_type,
        at,
        batch_id,
        ordinal,
        None if last is not None else now + REST,
    )
