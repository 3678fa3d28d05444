"""The columns that every writer of deliveries and messages sets, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from utskick.domain.status import Status


class NewDelivery(NamedTuple):
    """A row of ``deliveries`` as it is first written; a record of ``COPY``.

    ``message_type``: the contract's word for the channel. ``destination``: encrypted. ``next``: the
    channels to fall back to.
    """

    id: UUID
    municipality_id: str
    batch_id: UUID
    message_id: UUID
    channel: str
    message_type: str
    priority: str
    destination: bytes
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    awaited: bool = False
    next: Sequence[str] = ()
    status: str = Status.QUEUED.value


class NewMessage(NamedTuple):
    """A row of ``messages`` as it is first written; a record of ``COPY``.

    ``party_key``: the keyed hash that the party's messages are found by. ``party``: its id,
    encrypted. ``client``: whose token the request had. ``content``, ``attachments``: encrypted;
    None where they are those of the batch.
    """

    id: UUID
    municipality_id: str
    batch_id: UUID
    ordinal: int
    at: datetime
    origin: str | None = None
    issuer: str | None = None
    client: str | None = None
    department: str | None = None
    party_key: bytes | None = None
    party: bytes | None = None
    reference: str | None = None
    content: bytes | None = None
    attachments: bytes | None = None


#: The same columns for ``INSERT``.
DELIVERY_COLUMNS: Final = ", ".join(NewDelivery._fields)
MESSAGE_COLUMNS: Final = ", ".join(NewMessage._fields)
