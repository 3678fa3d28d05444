"""A provider's report → the delivery it speaks of. Early, late, doubled and unknown ones are all
kept and harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from utskick.domain.channel import Channel, ProviderCallback, Receipt
from utskick.domain.clock import Clock
from utskick.domain.delivery import Delivery
from utskick.domain.errors import NotFound
from utskick.store.database import Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.receipts import Arrival, ReceiptRows

_FIRST = UUID(int=0)
#: Receipts that one sweep looks at.
_SWEEP = 500


class Receipts:
    """Takes reports from the door and from the store."""

    def __init__(self, database: Database, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._rows = ReceiptRows(database)
        self._channels = channels
        self._clock = clock
        self._swept = _FIRST
        self._looks: GroupCommit[tuple[UUID, str | None, str | None], None] = GroupCommit(
            self._look
        )

    async def take(self, channel_name: str, hook: ProviderCallback) -> int:
        """Verify, keep, apply. Returns how many receipts the call held."""
        channel = self._channels.get(channel_name)
        if channel is None or all(account.name != hook.account for account in channel.accounts):
            raise NotFound("no provider account of that name takes delivery reports here")
        found = channel.read_receipt(hook)
        await self.keep(channel_name, hook.account, found)
        return len(found)

    async def keep(self, channel_name: str, account: str, found: Sequence[Receipt]) -> None:
        """Receipts whose origin is certain: on disk when this returns."""
        for receipt in found:
            await self._rows.apply(
                await self._rows.keep(Arrival(channel_name, account, receipt, self._clock()))
            )

    async def catch_up(
        self, delivery: Delivery, account: str | None, reference: str | None
    ) -> None:
        """Apply what was reported of a delivery before it was settled."""
        await self._looks.put((delivery.id, account, reference))

    async def _look(self, group: Sequence[tuple[UUID, str | None, str | None]]) -> Sequence[None]:
        for receipt_id in await self._rows.waiting_for(group):
            await self._rows.apply(receipt_id)
        return [None] * len(group)

    async def sweep(self, older_than: float, give_up_after: float) -> None:
        """Upkeep: apply what waits too long (seconds), and stop looking at what nobody asked
        about."""
        now = self._clock()
        found = await self._rows.overdue(now - timedelta(seconds=older_than), self._swept, _SWEEP)
        for receipt_id in found:
            await self._rows.apply(receipt_id)
        self._swept = (
            found[-1] if len(found) == _SWEEP else _FIRST
        )  # those that nobody asks about must not hide the others
        await self._rows.give_up(now - timedelta(seconds=give_up_after))
