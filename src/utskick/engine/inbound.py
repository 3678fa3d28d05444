"""Inbound messages that channels receive over connections of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utskick.domain.account_label import label_of
from utskick.domain.channel import Channel
from utskick.domain.clock import Clock
from utskick.domain.inbound import InboundPart
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows


@dataclass(frozen=True, slots=True)
class NumberOwners:
    """Whose messages are that accounts of the settings receive.

    ``numbers``: municipality of a number of ours, as the message centre delivers it; ``default``:
    of all others.
    """

    default: str
    numbers: Mapping[str, str]

    def of(self, number: str) -> str:
        return self.numbers.get(number, self.default)


class InboundMessages:
    """Keeps them for the municipality of the account, or else for that of the number."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        owners: NumberOwners,
    ) -> None:
        self._rows = InboundRows(database)
        self._channels = channels
        self._clock = clock
        self._owners = owners

    async def keep(self, channel_name: str, account: str, found: Sequence[InboundPart]) -> None:
        """Store messages and parts; they are on disk when this returns."""
        _, of_unit, unit = label_of(self._channels, account).partition("@")
        of_account = unit.partition("/")[0] if of_unit else None
        message_type = self._channels[channel_name].message_type
        for part in found:
            place = InboundPlace(
                of_account or self._owners.of(part.recipient), message_type, account
            )
            await self._rows.keep(place, part, self._clock())
