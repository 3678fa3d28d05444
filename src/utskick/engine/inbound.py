"""Inbound messages that channels receive over connections of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utskick.domain.account_label import label_of
from utskick.domain.channel import Channel
from utskick.domain.clock import Clock
from utskick.domain.inbound import InboundPart
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows


class InboundMessages:
    """Keeps them for the municipality of the account, or else for the default one."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        default_municipality: str,
    ) -> None:
        self._rows = InboundRows(database)
        self._channels = channels
        self._clock = clock
        self._default = default_municipality

    async def keep(self, channel_name: str, account: str, found: Sequence[InboundPart]) -> None:
        """Store messages and parts; they are on disk when this returns."""
        _, of_unit, unit = label_of(self._channels, account).partition("@")
        municipality_id = unit.partition("/")[0] if of_unit else self._default
        message_type = self._channels[channel_name].message_type
        for part in found:
            await self._rows.keep(
                InboundPlace(municipality_id, message_type, account), part, self._clock()
            )
