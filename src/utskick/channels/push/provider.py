"""Interface of push providers, and the outcome of an expired subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from utskick.channels.push.payload import Notification
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Outcome, Reason, Rejected

#: Reason code: the subscription no longer exists and is removed.
GONE: Final = "gone"


def gone(provider_code: str | None = None) -> Rejected:
    """Build the outcome for a subscription that no longer exists."""
    return Rejected(
        Reason(
            GONE,
            "the device is no longer subscribed; its subscription has been removed",
            provider_code,
        )
    )


def is_gone(outcome: object) -> bool:
    return isinstance(outcome, Rejected) and outcome.reason.code == GONE


class PushProvider(Protocol):
    """Client of one provider account."""

    async def send(self, notification: Notification, address: Mapping[str, str]) -> Outcome:
        """Make one attempt; ``address`` is of a subscription of this provider's kind."""
        ...

    async def check(self, name: str) -> AccountHealth: ...

    async def close(self) -> None: ...
