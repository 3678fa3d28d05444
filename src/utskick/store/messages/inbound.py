"""Inbound messages: kept, and put together from their parts.

Parts wait in a table of their own, so that a message that can be read never changes.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from utskick.domain.errors import Erased, Unavailable
from utskick.domain.ids import new_id
from utskick.domain.inbound import InboundPart, asks_to_stop, joined
from utskick.domain.month import month_of
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import Column
from utskick.store.database import Database

log = structlog.get_logger(__name__)

#: How long parts wait for the others; then what there is becomes the message.
PATIENCE: Final = timedelta(hours=1)
#: Messages put together in one round.
_MOST: Final = 500

_KEY: Final = "municipality_id, account, sender_key, recipient, reference, total"
_SAME: Final = """
    municipality_id = $1 AND account = $2 AND sender_key = $3 AND recipient = $4 AND reference = $5
    AND total = $6
"""


_INSERT: Final = """
    INSERT INTO inbound_messages (id, municipality_id, message_type, account, recipient,
        sender_key, sender, body, missing, stop, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


@dataclass(frozen=True, slots=True)
class InboundPlace:
    """Whose a message is, and how it came. ``message_type``: that of retention rules."""

    municipality_id: str
    message_type: str
    account: str


class InboundRows:
    """Writer. What it has been given is on disk when ``keep`` returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._vault = database.vault

    async def keep(self, place: InboundPlace, part: InboundPart, now: datetime) -> None:
        """Store a message, or a part of one."""
        mid = place.municipality_id
        await self._vault.ready(mid, month_of(now))
        sender_key = self._vault.lasting(mid).sender(part.sender)
        if part.total == 1:
            await self._database.pool.execute(_INSERT, *self._message(place, part, now))
            return
        group = (mid, place.account, sender_key, part.recipient, part.reference, part.total)
        if not await self._add(place, group, part, now):
            # Another message with the same reference: what came of the earlier one is shown first.
            await self._complete(group, now)
            if not await self._add(place, group, part, now):
                raise Unavailable("another process is storing parts of the same message")
        if await self._is_whole(group):
            with suppress(Unavailable):  # all parts are on disk: maintenance goes on
                await self._complete(group, now)

    def _message(
        self, place: InboundPlace, part: InboundPart, now: datetime, missing: int = 0
    ) -> tuple[Any, ...]:
        """Return the values of a row, encrypted with the key of this month."""
        mid, text = place.municipality_id, joined(part.text)
        key, message_id = self._vault.of(mid, month_of(now)), new_id()
        return (
            message_id,
            mid,
            place.message_type,
            place.account,
            part.recipient,
            self._vault.lasting(mid).sender(part.sender),
            key.encrypt(Column.DESTINATION, part.sender.encode(), message_id),
            key.encrypt(Column.INBOUND, text.encode(), message_id),
            missing,
            missing == 0 and asks_to_stop(text),
            now,
        )

    async def complete(self, now: datetime) -> None:
        """Put together what is whole, and what has waited for other parts long enough."""
        rows = await self._database.pool.fetch(
            f"""
            SELECT {_KEY} FROM inbound_parts GROUP BY {_KEY}
            HAVING count(*) = total OR max(received_at) < $1 LIMIT $2
            """,  # noqa: S608
            now - PATIENCE,
            _MOST,
        )
        for row in rows:
            try:
                with suppress(Unavailable):
                    await self._complete(tuple(row), now)
            except Locked:
                log.error("inbound-parts-unreadable", municipality=row["municipality_id"])

    async def _add(
        self, place: InboundPlace, group: tuple[Any, ...], part: InboundPart, now: datetime
    ) -> bool:
        """Store a part. False: there is another one with its number and a different text."""
        mid, text = place.municipality_id, part.text.encode("utf-8", "surrogatepass")
        key = self._vault.of(mid, month_of(now))
        digest = self._vault.lasting(mid).request(hashlib.sha256(text).digest())
        kept = await self._database.pool.fetchval(
            f"""
            INSERT INTO inbound_parts ({_KEY}, part, message_type, digest, sender, body,
                received_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT ({_KEY}, part) DO UPDATE SET received_at = excluded.received_at
                WHERE inbound_parts.digest = excluded.digest
            RETURNING true
            """,  # noqa: S608
            *group,
            part.part,
            place.message_type,
            digest,
            key.encrypt(Column.DESTINATION, part.sender.encode()),
            key.encrypt(Column.INBOUND, text),
            now,
        )
        return bool(kept)

    async def _is_whole(self, group: tuple[Any, ...]) -> bool:
        return bool(
            await self._database.pool.fetchval(
                f"SELECT count(*) = $6 FROM inbound_parts WHERE {_SAME}",  # noqa: S608
                *group,
            )
        )

    async def _complete(self, group: tuple[Any, ...], now: datetime) -> None:
        """Replace the parts by the message, unless another process has done so.

        Parts of a month whose key has been destroyed are deleted.
        """
        rows = await self._database.pool.fetch(
            f"SELECT * FROM inbound_parts WHERE {_SAME} ORDER BY part",  # noqa: S608
            *group,
        )
        if not rows:
            return
        mid, first = rows[0]["municipality_id"], rows[0]
        await self._vault.ready(mid, month_of(now))
        await self._vault.at_hand(rows)
        try:
            sender = self._vault.decrypt_column(mid, Column.DESTINATION, first["sender"])
            texts = [self._vault.decrypt_column(mid, Column.INBOUND, row["body"]) for row in rows]
        except Erased:
            await self._database.pool.execute(
                f"DELETE FROM inbound_parts WHERE {_SAME}",  # noqa: S608
                *group,
            )
            return
        part = InboundPart(
            sender.decode(),
            first["recipient"],
            "".join(text.decode("utf-8", "surrogatepass") for text in texts),
        )
        place = InboundPlace(mid, first["message_type"], first["account"])
        missing = first["total"] - len(rows)
        message = self._message(place, part, now, missing)
        async with self._database.transaction() as connection:
            gone = await connection.fetch(
                f"DELETE FROM inbound_parts WHERE {_SAME} RETURNING part, digest",  # noqa: S608
                *group,
            )
            if {tuple(row) for row in gone} == {(row["part"], row["digest"]) for row in rows}:
                await connection.execute(_INSERT, *message)
            elif gone:
                raise Unavailable("another process is storing parts of the same message")
