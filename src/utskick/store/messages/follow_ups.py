"""Further deliveries of a message, written in the transaction of what they follow from.

They are the answers of a routed delivery, the next leg after one that has failed, and the end of
the letters of a hand-over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from utskick.domain.channel import Priority
from utskick.domain.delivery import LIFETIME, Delivery, Move
from utskick.domain.ids import new_id
from utskick.domain.preparation import Route
from utskick.domain.status import Status, Transition
from utskick.store import queue as jobs
from utskick.store.crypto.columns import Column
from utskick.store.database import Connection, Database
from utskick.store.messages.rows import DELIVERY_COLUMNS
from utskick.store.transitions import allowed, sources

if TYPE_CHECKING:
    from utskick.store.messages.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Routing:
    """A routed delivery with its answers. ``types``: the message type of each channel."""

    delivery: Delivery
    routes: tuple[Route, ...]
    types: Mapping[str, str]
    job_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _FollowUp:
    """A further delivery after ``first``. ``rest``: the channels that it may fall back to."""

    first: Delivery
    route: Route
    message_type: str
    rest: tuple[str, ...]
    at: datetime


class FollowUps:
    """Writer of further deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def route(self, routing: Routing) -> bool:
        """Mark a delivery as routed and add its answers as deliveries of their own.

        False: it was not due any more.
        """
        delivery = routing.delivery
        async with self._database.transaction() as connection:
            moved = await connection.fetchval(
                f"""
                UPDATE deliveries SET status = 'routed', updated_at = $4
                WHERE municipality_id = $1 AND id = $2 AND attempts = $3
                    AND status IN {sources(Transition.ROUTE)} RETURNING true
                """,  # noqa: S608
                delivery.municipality_id,
                delivery.id,
                delivery.attempts,
                routing.at,
            )
            if moved:
                await _record(connection, delivery, Status.ROUTED, routing.at)
                for route in routing.routes:
                    message_type = routing.types[route.channel]
                    follow_up = _FollowUp(delivery, route, message_type, (), routing.at)
                    await self._add(connection, follow_up)
                await connection.execute("DELETE FROM pgqueuer WHERE id = $1", routing.job_id)
        return bool(moved)

    async def follow(self, connection: Connection, settlement: Settlement) -> None:
        """Write what follows from a settlement, inside the caller's transaction."""
        first = settlement.delivery
        if first.encloses is not None and not settlement.ends_letters:
            await _record_failed_try(connection, settlement)
        elif first.encloses is not None:
            ending = Ending(
                first.municipality_id,
                first.encloses,
                _of_letters(settlement.move),
                settlement.account,
                settlement.at,
                settlement.actor,
            )
            await end_letters(connection, ending)
        if settlement.falls_back:
            channel, *rest = first.next
            message_type = settlement.types[channel]
            follow_up = _FollowUp(
                first, Route(channel, ""), message_type, tuple(rest), settlement.at
            )
            await self._add(connection, follow_up, falls_back=True)

    async def _add(
        self, connection: Connection, follow_up: _FollowUp, *, falls_back: bool = False
    ) -> None:
        """Add the delivery. One that a caller has withdrawn meanwhile falls back to nothing."""
        first, route, delivery_id = follow_up.first, follow_up.route, new_id()
        key = self._database.vault.of(first.municipality_id, first.month)
        added = await connection.fetchval(
            f"""
            INSERT INTO deliveries ({DELIVERY_COLUMNS})
            SELECT $3, municipality_id, batch_id, message_id, $4, $5, priority, $6, $8, $8,
                greatest(expires_at, $9), awaited, $7, 'queued'
            FROM deliveries WHERE municipality_id = $1 AND id = $2
                AND (NOT $10::boolean OR next <> '{{}}')
            RETURNING true
            """,  # noqa: S608
            first.municipality_id,
            first.id,
            delivery_id,
            route.channel,
            follow_up.message_type,
            key.encrypt(Column.DESTINATION, route.destination.encode(), delivery_id),
            list(follow_up.rest),
            follow_up.at,
            follow_up.at + LIFETIME,
            falls_back,
        )
        if not added:
            return
        priority = Priority(first.priority)
        job = (route.channel, priority, first.municipality_id, delivery_id, follow_up.at)
        await jobs.enqueue(connection, [job])


def _of_letters(move: Move) -> Move:
    """Return the move of the letters of a hand-over.

    One that could not be made in all its time has failed for good: its letters were told as taken
    for the print run (contract Q32).
    """
    return replace(move, status=Status.FAILED) if move.status is Status.EXPIRED else move


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a print batch's hand-over.

    ``account``: the account that it went through. ``actor``: who decided, where a person did.
    ``only``: the letters that it is the end of, None for all.
    """

    municipality_id: str
    print_batch: UUID
    move: Move
    account: str | None
    at: datetime
    actor: str | None = None
    only: tuple[UUID, ...] | None = None


_END: Final = f"""
    WITH moved AS (
        UPDATE deliveries
        SET status = $3, reference = $4, reason_code = $5, reason = $6, provider_code = $7,
            account = $8, updated_at = $9
        WHERE municipality_id = $1 AND print_batch = $2
            AND {allowed(Transition.HAND_OVER, "status", "$3")}
            AND ($11::uuid[] IS NULL OR id = ANY($11))
        RETURNING id, message_id, awaited),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, status, account, reference, reason_code,
            reason, provider_code, actor, at)
        SELECT $1, id, $3, $8, $4, $5, $6, $7, $10, $9 FROM moved)
    SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited
"""  # noqa: S608


#: A print batch by its key: OFFSET 0 keeps the planner from another index (adr/0012).
_PRINT_BATCH: Final = """id = (
    SELECT id FROM (SELECT * FROM print_batches WHERE id = $2 OFFSET 0) p
    WHERE p.municipality_id = $1)"""


async def end_letters(connection: Any, ending: Ending) -> None:
    """Give the letters of a hand-over the status of the hand-over."""
    move = ending.move
    reason = move.reason
    await connection.execute(
        _END,
        ending.municipality_id,
        ending.print_batch,
        move.status.value,
        move.reference,
        reason.code if reason else None,
        reason.sentence if reason else None,
        reason.provider_code if reason else None,
        ending.account,
        ending.at,
        ending.actor,
        list(ending.only) if ending.only is not None else None,
    )
    if ending.only is None:
        await connection.execute(
            f"UPDATE print_batches SET retry_at = NULL, ended_at = $3 WHERE {_PRINT_BATCH}",  # noqa: S608
            ending.municipality_id,
            ending.print_batch,
            ending.at,
        )


async def _record_failed_try(connection: Connection, settlement: Settlement) -> None:
    """Note on the print batch that its hand-over fails, for the status of its letters."""
    await connection.execute(
        f"""
        UPDATE print_batches SET failing_since = coalesce(failing_since, $3), retry_at = $4
        WHERE {_PRINT_BATCH}
        """,  # noqa: S608
        settlement.delivery.municipality_id,
        settlement.delivery.encloses,
        settlement.at,
        settlement.move.due,
    )


async def _record(connection: Connection, delivery: Delivery, status: Status, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO events (municipality_id, delivery_id, status, at) VALUES ($1, $2, $3, $4)",
        delivery.municipality_id,
        delivery.id,
        status.value,
        at,
    )
