"""Attempts: committed as begun before the provider is called, settled after it.

Every change compares before it sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.delivery import Delivery
from utskick.domain.message import lane_of
from utskick.domain.status import OVER, SETTLED, Transition
from utskick.store import queue as jobs
from utskick.store.crypto.columns import Column
from utskick.store.database import PASSING, Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.follow_ups import FollowUps
from utskick.store.messages.settlement import Settlement
from utskick.store.transitions import allowed, sources

#: NOTIFY channel; the payload is the id of a message of which a delivery has settled, and for which
#: a synchronous call waits.
SETTLEMENTS = "utskick_settled"

#: Parameters: the columns of ``w``; $7: the claim; $8: the worker's name.
_BEGIN: Final = f"""
    WITH w AS (
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[],
            $5::timestamptz[], $6::bytea[])
        AS w(municipality_id, id, attempts, account, at, frozen)),
    begun AS (
        UPDATE deliveries d
        SET status = 'sending', attempts = w.attempts + 1, account = w.account, claim = $7,
            updated_at = w.at, frozen = coalesce(d.frozen, w.frozen)
        FROM w WHERE d.id = ANY($2) AND d.id = w.id AND d.municipality_id = w.municipality_id AND (
            (d.status IN {sources(Transition.BEGIN)} AND d.attempts = w.attempts)
            OR (d.status = 'sending' AND d.claim = $7 AND d.attempts = w.attempts + 1))
        RETURNING d.id),
    opened AS (
        INSERT INTO attempts (delivery_id, number, municipality_id, account, worker, started_at)
        SELECT w.id, w.attempts + 1, w.municipality_id, w.account, $8, w.at
        FROM w JOIN begun USING (id)
        ON CONFLICT (delivery_id, number) DO NOTHING)
    SELECT id FROM begun
"""  # noqa: S608

#: A late answer of an attempt that another worker gave up settles that attempt; one that is
#: uncertain itself brings nothing new.
_SETTLES: Final = (
    allowed(Transition.SETTLE, "d.status", "w.status")
    + " AND (d.status = 'sending' OR NOT w.doubt)"
)
_SETTLES_UNCALLED: Final = allowed(Transition.SETTLE_UNCALLED, "d.status", "w.status")

#: While an attempt is in doubt, the delivery keeps the reason of the doubt; what came of later
#: attempts is told by their events.
_KEEPS_REASON: Final = "w.doubts > 0 AND NOT w.doubt AND w.status IN ('uncertain', 'deferred')"

#: Parameters: the columns of ``w`` and of ``again`` (``_columns``); ``doubts``: how many attempts
#: are in doubt after this one, so that a late answer takes back the doubt about it. $24: statuses
#: that a synchronous call waits for; $25: statuses after which nothing kept for an attempt is
#: needed.
_SETTLE: Final = f"""
    WITH w AS (
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::text[],
            $6::text[], $7::text[], $8::text[], $9::text[], $10::boolean[], $11::text[],
            $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[], $16::bigint[],
            $17::int[], $18::smallint[], $19::boolean[])
        AS w(municipality_id, id, attempt, status, account, reference, reason_code, reason,
            provider_code, doubt, tried, at, due, actor, noted, job, uncalled, doubts, reports)),
    again AS (
        SELECT * FROM unnest($20::uuid[], $21::text[], $22::int[], $23::bytea[])
        AS a(id, lane, level, payload)),
    moved AS (
        UPDATE deliveries d
        SET status = w.status, reference = coalesce(w.reference, d.reference),
            reason_code = CASE WHEN {_KEEPS_REASON} THEN coalesce(d.reason_code, w.reason_code)
                ELSE w.reason_code END,
            reason = CASE WHEN {_KEEPS_REASON} THEN coalesce(d.reason, w.reason)
                ELSE w.reason END,
            provider_code = CASE WHEN {_KEEPS_REASON} THEN d.provider_code
                ELSE w.provider_code END,
            doubts = w.doubts, tried = string_to_array(w.tried, ' '),
            updated_at = w.at, attempts = w.attempt,
            secret = CASE WHEN w.status = ANY($25) THEN NULL ELSE d.secret END,
            frozen = CASE WHEN w.due IS NOT NULL AND w.doubts = 0 THEN NULL ELSE d.frozen END
        FROM w WHERE d.id = ANY($2) AND d.id = w.id AND d.municipality_id = w.municipality_id
            AND d.attempts = w.attempt - w.uncalled
            AND CASE w.uncalled WHEN 0 THEN {_SETTLES} ELSE {_SETTLES_UNCALLED} END
        RETURNING d.id, d.message_id, d.expires_at,
            d.awaited AND NOT w.reports AND w.status = ANY($24) AS settled),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference,
            reason_code, reason, provider_code, actor, at, became)
        SELECT w.municipality_id, w.id, nullif(w.attempt, 0), coalesce(w.noted, w.status),
            w.account, w.reference, w.reason_code, w.reason, w.provider_code, w.actor, w.at,
            CASE WHEN w.noted <> w.status THEN w.status END
        FROM w JOIN moved USING (id)),
    done AS (
        DELETE FROM pgqueuer WHERE id = ANY(ARRAY(SELECT w.job FROM w JOIN moved USING (id)))),
    next AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        SELECT again.level, again.lane, again.payload,
            now() + least(w.due - w.at, greatest(moved.expires_at - w.at, interval '0')), 'queued'
        FROM again JOIN w USING (id) JOIN moved USING (id) WHERE w.due IS NOT NULL),
    called AS MATERIALIZED (
        SELECT pg_notify('utskick_work', lane)
        FROM (SELECT DISTINCT again.lane FROM again JOIN moved USING (id)) l),
    notified AS MATERIALIZED (
        SELECT pg_notify('utskick_settled', moved.message_id::text) FROM moved WHERE settled)
    SELECT id, (SELECT count(*) FROM called) + (SELECT count(*) FROM notified) AS notifications
    FROM moved
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """One attempt about to be made.

    ``claim``: the worker's id, by which it recognises its own begin when a commit was not
    confirmed. ``claim`` and ``worker`` are the same for all attempts of one ``Attempts``.
    """

    delivery: Delivery
    account: str
    claim: UUID
    worker: str
    at: datetime
    frozen: bytes | None = None


class Attempts:
    """Begin and settle, each as a group commit: many tasks, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._vault = database.vault
        self._follow_ups = FollowUps(database)
        self._begins: GroupCommit[tuple[AttemptStart, bytes | None], bool] = GroupCommit(
            self._begin, split=(Exception,), whole=PASSING
        )
        self._settles: GroupCommit[Settlement, bool] = GroupCommit(
            self._settle, split=(Exception,), whole=PASSING
        )

    async def begin(self, start: AttemptStart) -> bool:
        """Commit the attempt as begun.

        False: the delivery was not due any more, or another worker has claimed it; nothing may be
        sent.
        """
        delivery, frozen = start.delivery, start.frozen
        encrypted = (
            self._vault.of(delivery.municipality_id, delivery.month).encrypt(Column.FROZEN, frozen)
            if frozen is not None
            else None
        )
        return await self._begins.put((start, encrypted))

    async def _begin(self, group: Sequence[tuple[AttemptStart, bytes | None]]) -> Sequence[bool]:
        starts = [start for start, _ in group]
        rows = await self._database.pool.fetch(
            _BEGIN,
            [s.delivery.municipality_id for s in starts],
            [s.delivery.id for s in starts],
            [s.delivery.attempts for s in starts],
            [s.account for s in starts],
            [s.at for s in starts],
            [encrypted for _, encrypted in group],
            starts[0].claim,
            starts[0].worker,
        )
        begun = {row["id"] for row in rows}
        return [s.delivery.id in begun for s in starts]

    async def settle(self, settlement: Settlement) -> bool:
        """Commit the outcome, with the next job where there is one.

        False: another worker has settled this attempt.
        """
        if not settlement.follows:
            return await self._settles.put(settlement)
        async with self._database.transaction() as connection:
            [moved] = await self._write(connection, [settlement])
            if moved:
                await self._follow_ups.follow(connection, settlement)
            return moved

    async def _settle(self, group: Sequence[Settlement]) -> Sequence[bool]:
        """Write the outcomes, in one statement unless a message of several parts was accepted."""
        if not any(s.move.parts for s in group):
            return await self._write(self._database.pool, group)
        async with self._database.transaction() as connection:
            moved = await self._write(connection, group)
            await _add_parts(connection, [s for s, was in zip(group, moved, strict=True) if was])
            return moved

    async def _write(self, connection: Any, group: Sequence[Settlement]) -> Sequence[bool]:
        rows = await connection.fetch(_SETTLE, *_columns(group))
        moved = {row["id"] for row in rows}
        return [s.delivery.id in moved for s in group]


async def _add_parts(connection: Any, settlements: Sequence[Settlement]) -> None:
    """Store the references of all parts, so that a report of any of them finds its delivery."""
    await connection.executemany(
        "INSERT INTO part_references (delivery_id, attempt, part, municipality_id, account,"
        " reference) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        [
            (s.delivery.id, s.attempt, part, s.delivery.municipality_id, s.account, reference)
            for s in settlements
            for part, reference in enumerate(s.move.parts, start=1)
        ],
    )


_SETTLED_VALUES: Final = [status.value for status in SETTLED]
_OVER_VALUES: Final = [status.value for status in OVER]


def _columns(group: Sequence[Settlement]) -> list[list[Any]]:
    """Return the parameters of ``_SETTLE``.

    The next jobs are columns of their own, of those that are due again: most are not, and every
    value that is sent costs something.
    """
    rows = [
        (
            s.delivery.municipality_id,
            s.delivery.id,
            s.attempt,
            s.move.status.value,
            s.account,
            s.move.reference,
            s.move.reason.code if s.move.reason else None,
            s.move.reason.sentence if s.move.reason else None,
            s.move.reason.provider_code if s.move.reason else None,
            s.move.doubt,
            " ".join(s.move.tried),
            s.at,
            s.move.due,
            s.actor,
            s.move.noted.value if s.move.noted else None,
            s.job_id,
            int(s.uncalled),
            s.delivery.doubts + s.move.doubt,
            s.reports,
        )
        for s in group
    ]
    again = [s.delivery for s in group if s.move.due is not None]
    return [
        *map(list, zip(*rows, strict=True)),
        [d.id for d in again],
        [lane_of(d.channel, d.priority) for d in again],
        [jobs.level(d.priority) for d in again],
        [jobs.payload(d.municipality_id, d.id) for d in again],
        _SETTLED_VALUES,
        _OVER_VALUES,
    ]
