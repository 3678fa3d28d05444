"""Inbound messages as they are read: in the order of their commits, by id, or by sender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from utskick.domain.errors import Erased
from utskick.domain.feed import OLDEST, Position
from utskick.domain.inbound import InboundMessage, InboundNotice
from utskick.store.crypto.columns import Column
from utskick.store.database import Database

#: Messages that are counted at most.
LOOK: Final = 20_000

_NOTICE: Final = """
    id, tx, number, municipality_id, message_type, account, recipient, missing, stop, received_at
"""
_BEHIND: Final = """
    FROM inbound_messages
    WHERE municipality_id = $1 AND (tx, number) > ($2::bigint, $3::bigint) AND tx < $4::bigint
    ORDER BY tx, number LIMIT $5
"""

M = TypeVar("M", bound=InboundNotice)


@dataclass(frozen=True, slots=True)
class InboundPage(Generic[M]):
    """A page. ``next``: the position to go on from. ``more``: there are messages behind it."""

    messages: tuple[M, ...]
    next: Position
    more: bool


class InboundFeed:
    """Reader of one municipality's messages at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._vault = database.vault

    async def now(self) -> Position:
        """Return the position behind everything that is complete."""
        return Position(await self._database.pool.fetchval("SELECT utskick_complete_tx()"), 0)

    async def page(
        self, municipality_id: str, after: Position, limit: int
    ) -> InboundPage[InboundMessage]:
        """Return up to ``limit`` messages. It ends where every transaction has ended."""
        end = await self.now()
        rows = await self._behind(
            f"SELECT {_NOTICE}, sender, body {_BEHIND}",
            municipality_id,
            (after, end),
            limit,
        )
        messages = await self._opened(rows[:limit])
        return _page(messages, after=after, end=end, more=len(rows) > limit)

    async def notices(
        self, municipality_id: str, after: Position, limit: int
    ) -> InboundPage[InboundNotice]:
        """Return a page like ``page``, without number and text, for which no key is needed."""
        end = await self.now()
        rows = await self._behind(
            f"SELECT {_NOTICE} {_BEHIND}",
            municipality_id,
            (after, end),
            limit,
        )
        notices = [InboundNotice(**_members(row)) for row in rows[:limit]]
        return _page(notices, after=after, end=end, more=len(rows) > limit)

    async def waiting(self, municipality_id: str, after: Position) -> tuple[int, bool]:
        """Return how many messages there are, and whether there are more than were counted."""
        count = await self._database.of(municipality_id).fetchval(
            f"SELECT count(*) FROM (SELECT 1 {_BEHIND}) m",  # noqa: S608
            municipality_id,
            after.tx,
            after.id,
            (await self.now()).tx,
            LOOK + 1,
        )
        return min(count, LOOK), count > LOOK

    async def get(self, municipality_id: str, message_id: UUID) -> InboundMessage | None:
        """Return a message; None: there is none with this id in the municipality."""
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {_NOTICE}, sender, body FROM inbound_messages
            WHERE municipality_id = $1 AND id = $2
            """,  # noqa: S608
            municipality_id,
            message_id,
        )
        found = await self._opened(rows)
        return found[0] if found else None

    async def of_senders(
        self, municipality_id: str, senders: Sequence[bytes], before: Position | None, limit: int
    ) -> list[InboundMessage]:
        """Return messages of numbers, newest first, before a position of one of them.

        ``senders``: keyed hashes of the numbers.
        """
        place = before or OLDEST
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {_NOTICE}, sender, body FROM inbound_messages
            WHERE municipality_id = $1 AND sender_key = ANY($2::bytea[])
                AND ($3 OR (tx, number) < ($4::bigint, $5::bigint))
            ORDER BY tx DESC, number DESC LIMIT $6
            """,  # noqa: S608
            municipality_id,
            senders,
            before is None,
            place.tx,
            place.id,
            limit,
        )
        return await self._opened(rows)

    async def _behind(
        self, statement: str, municipality_id: str, between: tuple[Position, Position], limit: int
    ) -> list[Any]:
        after, end = between
        rows = await self._database.of(municipality_id).fetch(
            statement, municipality_id, after.tx, after.id, end.tx, limit + 1
        )
        return list(rows)

    async def _opened(self, rows: Sequence[Any]) -> list[InboundMessage]:
        await self._vault.at_hand(rows)
        return [
            InboundMessage(
                **_members(row),
                sender=self._open(row, Column.DESTINATION, "sender"),
                text=self._open(row, Column.INBOUND, "body"),
            )
            for row in rows
        ]

    def _open(self, row: Any, column: Column, name: str) -> str | None:
        try:
            sealed = self._vault.decrypt_column(
                row["municipality_id"], column, row[name], row["id"]
            )
            return sealed.decode()
        except Erased:
            return None


def _members(row: Any) -> dict[str, Any]:
    """Return the members of ``InboundNotice``."""
    names = ("id", "message_type", "account", "recipient", "missing", "stop", "received_at")
    return {"position": Position(row["tx"], row["number"]), **{name: row[name] for name in names}}


def _page(messages: Sequence[M], *, after: Position, end: Position, more: bool) -> InboundPage[M]:
    place = messages[-1].position if more else max(after, end)
    return InboundPage(tuple(messages), place, more)
