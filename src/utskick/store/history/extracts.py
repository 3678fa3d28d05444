"""Everything that was said to a person, with its stories and files: some hundred messages at a
time, newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from utskick.domain.errors import Erased
from utskick.store.database import Database
from utskick.store.history.conversations import Between, Conversations, HistoryEntry, StoredFile
from utskick.store.history.status import DeliveryEvent, History

_STRIDE: Final = 100


@dataclass(frozen=True, slots=True)
class Whole:
    """A message: its deliveries, what happened to each of them, and the files that it carries."""

    id: UUID
    at: datetime
    said: Sequence[HistoryEntry]
    stories: dict[UUID, list[DeliveryEvent]]
    files: Sequence[StoredFile]


class Extracts:
    """Reads only. Every statement is bound to a municipality; no connection is held between two
    strides."""

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._database = database
        self._conversations = conversations
        self._history = History(database)

    async def count(self, municipality_id: str, party_id: UUID) -> int:
        """Of messages."""
        key = await self._database.vault.index(municipality_id, str(party_id))
        return int(
            await self._database.of(municipality_id).fetchval(
                "SELECT count(*) FROM messages WHERE municipality_id = $1 AND party_key = $2",
                municipality_id,
                key,
            )
        )

    async def messages(self, municipality_id: str, party_id: UUID) -> AsyncIterator[Whole]:
        """What retention removes meanwhile is left out."""
        async for times in self._conversations.strides(
            municipality_id, str(party_id), Between(), _STRIDE
        ):
            said = await self._conversations.of_messages(municipality_id, list(times), files=False)
            stories = await self._history.stories(municipality_id, [each.state.id for each in said])
            filed = await self._filed(municipality_id, said)
            for message_id, group in groupby(said, key=lambda each: each.state.message_id):
                files = (
                    await self._files(municipality_id, message_id) if message_id in filed else []
                )
                yield Whole(message_id, times[message_id], list(group), stories, files)

    async def _filed(self, municipality_id: str, said: Sequence[HistoryEntry]) -> set[UUID]:
        """Which of the messages carry files, of their own or of their batch."""
        rows = await self._database.of(municipality_id).fetch(
            """
            SELECT DISTINCT r.message_id FROM unnest($2::uuid[], $3::uuid[]) AS r(message_id, batch_id)
            JOIN attachment_uses u ON u.municipality_id = $1 AND u.owner IN (r.message_id, r.batch_id)
            """,
            municipality_id,
            [each.state.message_id for each in said],
            [each.state.batch_id for each in said],
        )
        return {row["message_id"] for row in rows}

    async def _files(self, municipality_id: str, message_id: UUID) -> Sequence[StoredFile]:
        try:
            found = await self._conversations.files(municipality_id, message_id)
        except (LookupError, Erased):
            return []
        return list({(file.name, file.digest): file for file in found}.values())
