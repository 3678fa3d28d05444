"""What the channel knows of a push provider, and the words they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from utskick.channels.push.payload import Notification
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Outcome, Reason, Rejected

#: The device is not to be found any more: its subscription is removed.
GONE: Final = "gone"


def gone(provider_code: str | None = None) -> Rejected:
    return Rejected(
        Reason(
            GONE,
            "the device no longer takes our messages; its subscription has been removed",
            provider_code,
        )
    )


def is_gone(outcome: object) -> bool:
    return isinstance(outcome, Rejected) and outcome.reason.code == GONE


class PushProvider(Protocol):
    """One provider account, spoken to."""

    async def send(self, notification: Notification, address: Mapping[str, str]) -> Outcome:
        """One attempt; ``address`` is that of a subscription of the provider's own kind."""
        ...

    async def look(self, name: str) -> AccountHealth: ...

    async def close(self) -> None: ...
