"""What a request said: the shared content of a batch or a message's own, and the part of it that
one channel is given."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from uuid import UUID

import orjson

from utskick.domain.recipient import Recipient
from utskick.store.crypto.columns import Column
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.messages.attachments import Gone, read_names

_REMEMBERED = 64

#: The columns ``content`` and ``attachments`` of ``m`` a message in ``b`` its batch: null where
#: they are the batch's, to be remembered.
OWN = """
    CASE WHEN m.content IS NOT NULL THEN m.content WHEN b.recipients = 1 THEN b.content END AS content,
    CASE WHEN m.content IS NOT NULL THEN m.attachments WHEN b.recipients = 1 THEN b.attachments END AS attachments
"""

#: (content, names of its attachments)
Content = tuple[dict[str, Any], list[dict[str, Any]]]


class Contents:
    """A bounded memory of batches, by municipality and id. A batch's content never changes: 100 000
    deliveries refer to one row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: OrderedDict[tuple[str, UUID], Content] = OrderedDict()

    async def of(self, row: Any) -> Content:
        """Of a delivery's row with ``channel``, ``batch_channel``, ``batch_id``, and ``content``
        (null: the batch's, to be remembered).

        Raises ``Gone``.
        """
        municipality_id = row["municipality_id"]
        if row["content"] is not None:
            whole = self._read(municipality_id, row)
        else:
            whole = await self._shared(municipality_id, row["batch_id"])
        return whole if row["channel"] == row["batch_channel"] else _leg(row["channel"], whole)

    async def _shared(self, municipality_id: str, batch_id: UUID) -> Content:
        found = self._recent.get((municipality_id, batch_id))
        if found is None:
            row = await self._database.of(municipality_id).fetchrow(
                "SELECT municipality_id, content, attachments FROM batches WHERE municipality_id = $1 AND id = $2",
                municipality_id,
                batch_id,
            )
            if row is None:
                raise Gone("a batch")
            await self._database.vault.at_hand([row])
            found = self._recent[municipality_id, batch_id] = self._read(municipality_id, row)
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return found

    def _read(self, municipality_id: str, row: Any) -> Content:
        vault = self._database.vault
        content = orjson.loads(vault.open(municipality_id, Column.CONTENT, row["content"]))
        return content, read_names(vault, municipality_id, row["attachments"])


def _leg(channel: str, whole: Content) -> Content:
    """What another channel is given of a routed request (``domain.channel.Plan``)."""
    content, names = whole
    leg = content["_legs"][channel]
    return leg["content"], [names[i] for i in leg["attachments"]]


def recipient_of(vault: Vault, row: Any) -> Recipient:
    """Of a row with ``destination`` of a delivery, and ``party`` and ``reference`` of its message.
    Raises ``Erased`` or ``Locked``."""
    municipality_id = row["municipality_id"]
    return Recipient(
        vault.open(municipality_id, Column.DESTINATION, row["destination"]).decode(),
        vault.open(municipality_id, Column.PARTY, row["party"]).decode() if row["party"] else None,
        row["reference"],
    )
