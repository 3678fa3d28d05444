"""Claimed deliveries: what a worker loads, with all that is needed to send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from utskick.domain.channel import Draft, Priority
from utskick.domain.clock import utc_now
from utskick.domain.delivery import Delivery, Move
from utskick.domain.errors import Erased
from utskick.domain.outcome import Reason
from utskick.domain.recipient import Recipient
from utskick.domain.status import Status
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import Column, month_of_value
from utskick.store.database import Database
from utskick.store.messages.attachments import Attachments
from utskick.store.messages.contents import CONTENT, Contents, recipient_of
from utskick.store.messages.follow_ups import Ending, end_letters
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.queue import Job

log = structlog.get_logger(__name__)

#: Letters of a hand-over that are read at a time.
_STRIDE: Final = 100

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

_COLUMNS: Final = f"""
    d.id, d.message_id, d.status, d.priority, d.attempts, d.tried, d.doubts, d.account,
    d.created_at, d.expires_at, d.next, d.frozen, d.secret, d.awaited, m.department,
    b.organization_number, b.message_type AS batch_type, {CONTENT}
"""

#: The message and the batch of ``d``, each looked up by its key: OFFSET 0 keeps the planner from
#: joining in another order (docs/explanation/adr/0012).
_JOINED: Final = """
    CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = d.message_id OFFSET 0) m
    CROSS JOIN LATERAL (
        SELECT * FROM batches WHERE id = d.batch_id AND municipality_id = d.municipality_id
        OFFSET 0) b
"""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery with what is needed to send it.

    ``routed``: it is a leg of another channel's request. ``erased``: its key was destroyed, and
    nobody can read it.
    """

    delivery: Delivery
    draft: Draft
    routed: bool = False
    erased: bool = False

    def begun(self, account: str) -> ClaimedDelivery:
        """Return it with one more attempt."""
        return ClaimedDelivery(self.delivery.begun(account), self.draft, self.routed, self.erased)


class Deliveries:
    """Reader of deliveries for workers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attachments = Attachments(database)
        self._contents = Contents(database)

    async def load(self, claimed: Sequence[Job]) -> tuple[dict[UUID, ClaimedDelivery], set[UUID]]:
        """Return the deliveries of these jobs by id, and the ids of those that cannot be read.

        An unreadable one does not stop its neighbours; a removed one is in neither.
        """
        rows = await self._database.pool.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM unnest($1::text[], $2::uuid[]) AS w(municipality_id, id)
            CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE id = w.id OFFSET 0) d
            {_JOINED}
            WHERE d.municipality_id = w.municipality_id AND m.municipality_id = d.municipality_id
            """,  # noqa: S608
            [job.municipality_id for job in claimed],
            [job.delivery_id for job in claimed],
        )
        await self._database.vault.at_hand(rows)
        loaded: dict[UUID, ClaimedDelivery] = {}
        unreadable: set[UUID] = set()
        for row in rows:
            try:
                draft, routed = await self._draft(row), row["channel"] != row["batch_channel"]
                loaded[row["id"]] = ClaimedDelivery(read_delivery(row), draft, routed)
            except Erased:
                empty = Draft(row["municipality_id"], {}, Recipient("", None, row["reference"]))
                loaded[row["id"]] = ClaimedDelivery(read_delivery(row), empty, erased=True)
            except (ValueError, LookupError, AssertionError, Locked):
                log.exception("delivery-unreadable", delivery=str(row["id"]))
                unreadable.add(row["id"])
        return loaded, unreadable

    async def _draft(self, row: Any) -> Draft:
        municipality_id, vault = row["municipality_id"], self._database.vault
        content = await self._contents.of(row)
        files = content.files
        return Draft(
            municipality_id=municipality_id,
            content=content.members,
            recipient=recipient_of(vault, row),
            attachments=await self._attachments.load(municipality_id, files) if files else (),
            priority=Priority(row["priority"]),
            created_at=row["created_at"],
            frozen=vault.decrypt_column(municipality_id, Column.FROZEN, row["frozen"])
            if row["frozen"] is not None
            else None,
            secret=vault.decrypt_column(municipality_id, Column.SECRET, row["secret"])
            if row["secret"] is not None
            else None,
            letters=partial(self._letters, municipality_id, row["batch_id"])
            if row["batch_type"] == HAND_OVER
            else None,
            leave_out=partial(self._leave_out, municipality_id, row["batch_id"])
            if row["batch_type"] == HAND_OVER
            else None,
            organization_number=row["organization_number"],
            department=row["department"],
            deferred=content.deferred,
            expires_at=row["expires_at"],
        )

    async def _letters(
        self, municipality_id: str, print_batch: UUID
    ) -> AsyncIterator[tuple[UUID, Draft | None]]:
        """Yield the letters of a hand-over, in the order of their ids; None for an erased one.

        No connection is held between two strides.
        """
        last = _FIRST
        while True:
            rows = await self._database.pool.fetch(
                f"""
                SELECT {_COLUMNS}
                FROM (
                    SELECT * FROM deliveries
                    WHERE (print_batch, id) > ($2, $3) AND (print_batch, id) <= ($2, $5)
                        AND print_batch IS NOT NULL AND municipality_id = $1
                        AND status = 'gathered'
                    ORDER BY print_batch, id LIMIT $4) d
                {_JOINED}
                WHERE m.municipality_id = $1
                ORDER BY d.id
                """,  # noqa: S608
                municipality_id,
                print_batch,
                last,
                _STRIDE,
                _LAST,
            )
            await self._database.vault.at_hand(rows)
            for row in rows:
                try:
                    letter = await self._draft(row)
                except Erased:
                    letter = None
                yield row["id"], letter
            if len(rows) < _STRIDE:
                return
            last = rows[-1]["id"]

    async def _leave_out(
        self, municipality_id: str, print_batch: UUID, letters: Mapping[UUID, Reason]
    ) -> None:
        """Fail letters that the hand-over goes without; may be repeated."""
        async with self._database.transaction() as connection:
            for letter, reason in letters.items():
                move = Move(Status.FAILED, reason=reason)
                end = Ending(municipality_id, print_batch, move, None, utc_now(), only=(letter,))
                await end_letters(connection, end)


def read_delivery(row: Any) -> Delivery:
    """Return the delivery of a row with the columns ``_COLUMNS``. Raises ``Locked``."""
    return Delivery(
        id=row["id"],
        municipality_id=row["municipality_id"],
        batch_id=row["batch_id"],
        message_id=row["message_id"],
        channel=row["channel"],
        status=Status(row["status"]),
        priority=Priority(row["priority"]),
        attempts=row["attempts"],
        tried=tuple(row["tried"]),
        doubts=row["doubts"],
        account=row["account"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        next=tuple(row["next"]),
        encloses=row["batch_id"] if row["batch_type"] == HAND_OVER else None,
        month=month_of_value(row["destination"]),
        awaited=row["awaited"],
    )
