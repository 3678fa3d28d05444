"""Receipts of providers, applied to their deliveries.

Early, late, doubled and unknown ones are all stored and harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from utskick.domain.account_label import stored_name
from utskick.domain.channel import Channel, ProviderCallback
from utskick.domain.clock import Clock
from utskick.domain.delivery import Delivery, Move
from utskick.domain.errors import NotFound
from utskick.domain.receipt import Receipt
from utskick.store.database import Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.receipts import Arrival, ReceiptRows, SettledAttempt

_FIRST = UUID(int=0)
#: Receipts that one sweep reads.
_SWEEP = 500


class Receipts:
    """Accepts reports over HTTP, and applies stored ones."""

    def __init__(self, database: Database, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._rows = ReceiptRows(database)
        self._channels = channels
        self._clock = clock
        self._swept = _FIRST
        self._catch_ups: GroupCommit[SettledAttempt, None] = GroupCommit(self._catch_up)

    async def take(self, channel_name: str, hook: ProviderCallback) -> int:
        """Verify, store and apply the receipts of a call. Returns how many it held."""
        channel = self._channels.get(channel_name)
        account = stored_name(channel.accounts, hook.account) if channel is not None else None
        if channel is None or account is None:
            raise NotFound("no provider account of that name takes delivery reports here")
        found = channel.read_receipt(replace(hook, account=account))
        await self.keep(channel_name, account, found)
        return len(found)

    async def keep(self, channel_name: str, account: str, found: Sequence[Receipt]) -> None:
        """Store receipts whose sender is verified; they are on disk when this returns."""
        for receipt in found:
            await self._rows.apply(
                await self._rows.keep(Arrival(channel_name, account, receipt, self._clock()))
            )

    async def catch_up(self, delivery: Delivery, account: str | None, move: Move) -> None:
        """Apply what was reported of a delivery before it was settled, then notify its call."""
        notify = delivery.message_id if delivery.awaited else None
        references = move.parts or (move.reference,)
        await self._catch_ups.put(SettledAttempt(delivery.id, account, references, notify))

    async def _catch_up(self, group: Sequence[SettledAttempt]) -> Sequence[None]:
        for receipt_id in await self._rows.waiting_for(group):
            await self._rows.apply(receipt_id)
        if awaited := [attempt.awaited for attempt in group if attempt.awaited is not None]:
            await self._rows.notify(awaited)
        return [None] * len(group)

    async def sweep(self, older_than: float, give_up_after: float) -> None:
        """Apply what has waited for so many seconds, and give up what no settlement asked for."""
        now = self._clock()
        found = await self._rows.overdue(now - timedelta(seconds=older_than), self._swept, _SWEEP)
        for receipt_id in found:
            await self._rows.apply(receipt_id)
        # The next sweep goes on from here: those that no settlement asks for must not hide others.
        self._swept = found[-1] if len(found) == _SWEEP else _FIRST
        await self._rows.give_up(now - timedelta(seconds=give_up_after))
