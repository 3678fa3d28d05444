"""Further deliveries of a message: the answers of a routed one, the way on when a leg has failed,
and the members of a hand-over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from utskick.domain.channel import Priority
from utskick.domain.delivery import LIFETIME, Delivery, Move
from utskick.domain.ids import new_id
from utskick.domain.preparation import Route
from utskick.domain.status import Status
from utskick.store import queue as jobs
from utskick.store.crypto.columns import Column
from utskick.store.database import Connection, Database

if TYPE_CHECKING:
    from utskick.store.messages.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Routing:
    """A routed delivery with its answers. ``types``: the contract's word for each channel."""

    delivery: Delivery
    routes: tuple[Route, ...]
    types: Mapping[str, str]
    job_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Leg:
    """A further delivery after ``first``; ``rest``: what it may fall back to itself."""

    first: Delivery
    route: Route
    message_type: str
    rest: tuple[str, ...]
    at: datetime


class FollowUps:
    """Written in the transaction of what they follow from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def route(self, routing: Routing) -> bool:
        """The delivery is routed, and its answers are deliveries of their own. False: it was not
        due any more."""
        delivery = routing.delivery
        async with self._database.transaction() as connection:
            moved = await connection.fetchval(
                """
                UPDATE deliveries SET status = 'routed', updated_at = $4 WHERE municipality_id = $1 AND id = $2 AND attempts = $3
                    AND status IN ('queued', 'deferred') RETURNING true
                """,
                delivery.municipality_id,
                delivery.id,
                delivery.attempts,
                routing.at,
            )
            if moved:
                await _tell(connection, delivery, Status.ROUTED, routing.at)
                for route in routing.routes:
                    await self._add(
                        connection,
                        _Leg(delivery, route, routing.types[route.channel], (), routing.at),
                    )
                await connection.execute("DELETE FROM pgqueuer WHERE id = $1", routing.job_id)
        return bool(moved)

    async def follow(self, connection: Connection, settlement: Settlement) -> None:
        """What a settlement brings with it."""
        first, move = settlement.delivery, settlement.move
        if first.encloses is not None:
            ending = Ending(
                first.municipality_id,
                first.encloses,
                move,
                settlement.account,
                settlement.at,
                settlement.actor,
            )
            await end_letters(connection, ending)
        if settlement.falls_back:
            channel, *rest = settlement.delivery.next
            leg = _Leg(
                settlement.delivery,
                Route(channel, ""),
                settlement.types[channel],
                tuple(rest),
                settlement.at,
            )
            await self._add(connection, leg)

    async def _add(self, connection: Connection, leg: _Leg) -> None:
        first, route, delivery_id = leg.first, leg.route, new_id()
        key = self._database.vault.of(first.municipality_id, first.month)
        await connection.execute(
            """
            INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination,
                awaited, next, created_at, updated_at, expires_at)
            SELECT $3, municipality_id, batch_id, message_id, $4, $5, priority, 'queued', $6, awaited, $7, $8, $8, greatest(expires_at, $9)
            FROM deliveries WHERE municipality_id = $1 AND id = $2
            """,
            first.municipality_id,
            first.id,
            delivery_id,
            route.channel,
            leg.message_type,
            key.seal(Column.DESTINATION, route.destination.encode()),
            list(leg.rest),
            leg.at,
            leg.at + LIFETIME,
        )
        await jobs.enqueue(
            connection,
            [(route.channel, Priority(first.priority), first.municipality_id, delivery_id, leg.at)],
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of the hand-over of a print batch: through which account, and by whose decision
    where it was somebody's."""

    municipality_id: str
    print_batch: UUID
    move: Move
    account: str | None
    at: datetime
    actor: str | None = None


async def end_letters(connection: Any, ending: Ending) -> None:
    """Every letter of a hand-over becomes what the hand-over became."""
    move = ending.move
    reason = move.reason
    await connection.execute(
        """
        WITH moved AS (
            UPDATE deliveries SET status = $3, reference = $4, reason_code = $5, reason = $6, provider_code = $7, account = $8,
                updated_at = $9
            WHERE municipality_id = $1 AND print_batch = $2 AND status = 'gathered' RETURNING id, message_id, awaited),
        noted AS (
            INSERT INTO events (municipality_id, delivery_id, status, account, reference, reason_code, reason, provider_code, actor, at)
            SELECT $1, id, $3, $8, $4, $5, $6, $7, $10, $9 FROM moved)
        SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited
        """,
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
    )


async def _tell(connection: Connection, delivery: Delivery, status: Status, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO events (municipality_id, delivery_id, status, at) VALUES ($1, $2, $3, $4)",
        delivery.municipality_id,
        delivery.id,
        status.value,
        at,
    )
