"""The ordered feed of delivery events: by number of transaction, up to where every transaction has
ended. So nothing is passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from utskick.domain.feed import FeedEvent, Position
from utskick.domain.outcome import Reason
from utskick.domain.status import Status
from utskick.store.database import Database
from utskick.store.messages.print_batches import HAND_OVER

#: Events that one call looks at: with a filter that matches little, a page may be empty and yet not
#: the last.
LOOK: Final = 20_000

#: Each event's delivery is looked up by its key, so that a page costs the same however many
#: deliveries there are.
_FROM: Final = """
    FROM (
        SELECT * FROM events WHERE municipality_id = $1 AND (tx, id) > ($2::bigint, $3::bigint) AND tx < $4::bigint
        ORDER BY tx, id LIMIT $5::bigint) e
    CROSS JOIN LATERAL (
        SELECT d.message_id, d.batch_id, d.message_type, b.message_type AS original_type, m.reference, m.origin
        FROM (SELECT * FROM deliveries WHERE id = e.delivery_id OFFSET 0) d
        CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = d.message_id OFFSET 0) m
        CROSS JOIN LATERAL (
            SELECT * FROM batches WHERE id = d.batch_id AND municipality_id = d.municipality_id
            OFFSET 0) b
        WHERE d.municipality_id = $1 AND b.message_type <> $6 AND ($7::text IS NULL OR m.origin = $7)
            AND ($8::text IS NULL OR coalesce(m.client, '') = $8)
        LIMIT 1) d
    WHERE e.status <> 'routed' AND ($9::text[] IS NULL OR coalesce(e.became, e.status) = ANY($9))
"""


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What of the feed is asked for: of one municipality, after a position. ``statuses``: none
    stands for all.

    ``client``: that sent the messages; "" stands for those that were sent without a token, None for
    whoever sent them.
    """

    municipality_id: str
    after: Position
    origin: str | None = None
    client: str | None = None
    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedPage:
    """``next``: from where to go on. ``more``: there are events behind it already now, seen or not
    yet looked at."""

    events: tuple[FeedEvent, ...]
    next: Position
    more: bool


class Feed:
    """Reads only. Every statement about events is bound to a municipality. ``look``: events that
    one call looks at."""

    def __init__(self, database: Database, look: int = LOOK) -> None:
        self._database = database
        self._look = look

    async def now(self) -> Position:
        """Behind everything that is complete: what is committed from here on comes after it."""
        return Position(await self._database.pool.fetchval("SELECT utskick_complete_tx()"), 0)

    async def page(self, window: FeedQuery, limit: int) -> FeedPage:
        """Up to ``limit`` events, and from where to go on."""
        end = await self.now()
        rows = await self._database.of(window.municipality_id).fetch(
            f"""
            SELECT e.tx, e.id, e.delivery_id, coalesce(e.became, e.status) AS lifecycle, e.reason_code, e.reason, e.provider_code, e.at, d.*
            {_FROM} ORDER BY e.tx, e.id LIMIT $10::bigint
            """,
            *self._bounds(window, end),
            limit + 1,
        )
        events = tuple(_event(row) for row in rows[:limit])
        if len(rows) > limit:
            return FeedPage(events, events[-1].position, more=True)
        reached = await self._reached(window, end)
        return FeedPage(events, reached or max(window.after, end), more=reached is not None)

    async def waiting(self, window: FeedQuery) -> tuple[int, bool]:
        """How many events there are, and whether there are more behind those that were looked
        at."""
        end = await self.now()
        count = await self._database.of(window.municipality_id).fetchval(
            f"SELECT count(*) {_FROM}", *self._bounds(window, end)
        )
        return count, await self._reached(window, end) is not None

    def _bounds(self, window: FeedQuery, end: Position) -> tuple[Any, ...]:
        after, statuses = window.after, [status.value for status in window.statuses]
        whose = window.origin, window.client
        return (
            window.municipality_id,
            after.tx,
            after.id,
            end.tx,
            self._look,
            HAND_OVER,
            *whose,
            statuses or None,
        )

    async def _reached(self, window: FeedQuery, end: Position) -> Position | None:
        """The last event that a full look comes to; None: it comes to the end before."""
        row = await self._database.of(window.municipality_id).fetchrow(
            """
            SELECT tx, id FROM events WHERE municipality_id = $1 AND (tx, id) > ($2::bigint, $3::bigint) AND tx < $4::bigint
            ORDER BY tx, id OFFSET $5::bigint - 1 LIMIT 1
            """,
            window.municipality_id,
            window.after.tx,
            window.after.id,
            end.tx,
            self._look,
        )
        return Position(row["tx"], row["id"]) if row else None


def _event(row: Any) -> FeedEvent:
    return FeedEvent(
        position=Position(row["tx"], row["id"]),
        delivery_id=row["delivery_id"],
        message_id=row["message_id"],
        batch_id=row["batch_id"],
        message_type=row["message_type"],
        original_type=row["original_type"],
        lifecycle=Status(row["lifecycle"]),
        reason=Reason(row["reason_code"], row["reason"] or "", row["provider_code"])
        if row["reason_code"]
        else None,
        reference=row["reference"],
        origin=row["origin"],
        at=row["at"],
    )
