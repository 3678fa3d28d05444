"""The shared content of batches, read once and remembered for a while: 100 000 deliveries refer to one row."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from uuid import UUID

import orjson

from utskick.store.attachments import read_names
from utskick.store.database import Database

_REMEMBERED = 64


class Contents:
    """A bounded memory of batches by id. A batch's content never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: OrderedDict[UUID, tuple[dict[str, Any], list[dict[str, Any]]]] = OrderedDict()

    async def of(self, municipality_id: str, batch_id: UUID) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """(content, names of its attachments)."""
        found = self._recent.get(batch_id)
        if found is None:
            row = await self._database.pool.fetchrow(
                "SELECT content, attachments FROM batches WHERE municipality_id = $1 AND id = $2", municipality_id, batch_id
            )
            assert row is not None, "a delivery without its batch"
            vault = self._database.vault
            found = (orjson.loads(vault.open(municipality_id, row["content"])), read_names(vault, municipality_id, row["attachments"]))
            self._recent[batch_id] = found
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return found
