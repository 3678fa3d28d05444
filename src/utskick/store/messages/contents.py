"""Contents: the shared content of a batch, a message's own, and the leg that a channel is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.cache import Cache
from utskick.domain.leg import content_of, leg_of
from utskick.domain.recipient import Recipient
from utskick.store.crypto.columns import Column
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.messages.attachments import FileName, Gone, read_names

#: Batches whose content is kept in memory.
_BATCHES: Final = 64

#: What ``Contents.of`` and ``recipient_of`` read, of ``d`` a delivery, ``m`` its message and ``b``
#: its batch. ``content`` and ``attachments`` are null where they are the batch's and shared.
CONTENT: Final = """
    d.id AS delivery_row, d.municipality_id, d.batch_id, d.channel, d.destination, m.party,
    m.reference,     b.channel AS batch_channel,
    CASE WHEN m.content IS NOT NULL THEN m.content
        WHEN b.recipients = 1 THEN b.content END AS content,
    CASE WHEN m.content IS NOT NULL THEN m.id ELSE b.id END AS content_row,
    CASE WHEN m.content IS NOT NULL THEN m.attachments
        WHEN b.recipients = 1 THEN b.attachments END AS attachments
"""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a delivery, with the names of its attachments.

    ``deferred``: of a leg, the members that were not inspected at acceptance.
    """

    members: Mapping[str, Any]
    files: list[FileName]
    deferred: tuple[str, ...] = ()


#: (stored content, names of its attachments)
_Stored = tuple[dict[str, Any], list[FileName]]


class Contents:
    """Reader of contents, with a cache of shared ones, by municipality and batch.

    A batch's content never changes, and 100 000 deliveries refer to one row.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared: Cache[tuple[str, UUID], _Stored] = Cache(_BATCHES)

    async def of(self, row: Any) -> Content:
        """Return the content of a delivery, from a row with the columns ``CONTENT``.

        Raises ``Gone``, ``Erased`` or ``Locked``.
        """
        municipality_id = row["municipality_id"]
        if row["content"] is not None:
            stored, files = self._read(municipality_id, row)
        else:
            stored, files = await self._of_batch(municipality_id, row["batch_id"])
        if row["channel"] == row["batch_channel"]:
            return Content(content_of(stored), files)
        leg = leg_of(stored, row["channel"])
        return Content(leg.content, [files[i] for i in leg.attachments], leg.deferred)

    async def _of_batch(self, municipality_id: str, batch_id: UUID) -> _Stored:
        found = self._shared.get((municipality_id, batch_id))
        if found is None:
            row = await self._database.of(municipality_id).fetchrow(
                "SELECT municipality_id, content, id AS content_row, attachments FROM batches"
                " WHERE municipality_id = $1 AND id = $2",
                municipality_id,
                batch_id,
            )
            if row is None:
                raise Gone("a batch")
            await self._database.vault.at_hand([row])
            found = self._read(municipality_id, row)
            self._shared.put((municipality_id, batch_id), found)
        return found

    def _read(self, municipality_id: str, row: Any) -> _Stored:
        vault = self._database.vault
        content = orjson.loads(
            vault.decrypt_column(
                municipality_id, Column.CONTENT, row["content"], row["content_row"]
            )
        )
        return content, read_names(vault, municipality_id, row["attachments"])


def recipient_of(vault: Vault, row: Any) -> Recipient:
    """Return the recipient of a delivery, from a row with the columns ``CONTENT``.

    Raises ``Erased`` or ``Locked``.
    """
    municipality_id = row["municipality_id"]
    return Recipient(
        vault.decrypt_column(
            municipality_id, Column.DESTINATION, row["destination"], row["delivery_row"]
        ).decode(),
        vault.decrypt_column(municipality_id, Column.PARTY, row["party"]).decode()
        if row["party"]
        else None,
        row["reference"],
    )
