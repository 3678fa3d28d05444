"""Inbound messages of a person: those from numbers to which the person was sent messages.

Only these messages, as long as they are stored, tell whose a number is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from utskick.domain.errors import Erased
from utskick.domain.feed import Position
from utskick.domain.inbound import InboundMessage
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.messages.inbound_feed import InboundFeed

_STRIDE: Final = 100


async def senders_of(database: Database, municipality_id: str, party_key: bytes) -> list[bytes]:
    """Return the keyed hashes of the numbers that the person's messages were sent to.

    Numbers of months whose key has been destroyed are unknown. Empty where the municipality has no
    inbound messages.
    """
    tenant, vault = database.of(municipality_id), database.vault
    rows = await tenant.fetch(
        """
        SELECT d.id, d.municipality_id, d.destination
        FROM messages m JOIN deliveries d ON d.message_id = m.id AND d.municipality_id = $1
        WHERE m.municipality_id = $1 AND m.party_key = $2 AND d.message_type IN (
            SELECT message_type FROM inbound_messages WHERE municipality_id = $1
            UNION SELECT message_type FROM inbound_parts WHERE municipality_id = $1)
        """,
        municipality_id,
        party_key,
    )
    await vault.at_hand(rows)
    found = set[bytes]()
    for row in rows:
        with suppress(Erased):
            number = vault.decrypt_column(
                municipality_id, Column.DESTINATION, row["destination"], row["id"]
            )
            found.add(vault.lasting(municipality_id).sender(number.decode()))
    return sorted(found)


class InboundHistory:
    """Reader of a person's messages; no connection is held between two strides."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._feed = InboundFeed(database)

    async def senders(self, municipality_id: str, party_id: UUID) -> list[bytes]:
        """Return the person's numbers as keyed hashes."""
        key = await self._database.vault.index(municipality_id, str(party_id))
        return await senders_of(self._database, municipality_id, key)

    async def count(self, municipality_id: str, senders: Sequence[bytes]) -> int:
        """Return the number of messages of these senders."""
        return int(
            await self._database.of(municipality_id).fetchval(
                """
                SELECT count(*) FROM inbound_messages
                WHERE municipality_id = $1 AND sender_key = ANY($2::bytea[])
                """,
                municipality_id,
                senders,
            )
        )

    async def messages(
        self, municipality_id: str, senders: Sequence[bytes]
    ) -> AsyncIterator[InboundMessage]:
        """Yield the messages of these senders, newest first."""
        place: Position | None = None
        while found := await self._feed.of_senders(municipality_id, senders, place, _STRIDE):
            for message in found:
                yield message
            place = found[-1].position
