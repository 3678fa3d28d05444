"""Health checks of the provider accounts, by the processes that send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from utskick.domain.account_label import label_of
from utskick.domain.channel import Account, AccountHealth, Channel
from utskick.domain.clock import Clock

#: Providers are not checked more often than this.
_CHECK_EVERY: Final = timedelta(seconds=30)

#: State of each account, by channel and account, as ``/health/ready`` shows it.
Health = Mapping[str, Mapping[str, Any]]


class ProviderChecks:
    """The accounts as this process finds them.

    Only processes that send check: a check binds or logs in, which providers count.
    """

    def __init__(self, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._channels = channels
        self._clock = clock
        self._found: Health = {}
        self._checked: datetime | None = None
        self._accounts: Sequence[Sequence[Account]] = ()
        self._checking = asyncio.Lock()

    async def current(self) -> Health:
        """Return the state of all accounts, checked again where it is old.

        Also where a configuration was taken over since, which replaces the accounts of its channel.
        """
        async with self._checking:
            now, accounts = self._clock(), [each.accounts for each in self._channels.values()]
            same = all(new is old for new, old in zip(accounts, self._accounts, strict=False))
            if self._checked is None or now - self._checked > _CHECK_EVERY or not same:
                self._checked, self._accounts = now, accounts
                self._found = {
                    f"{channel.name}/{label_of(self._channels, health.account)}": _shown(health)
                    for channel in self._channels.values()
                    for health in await channel.look()
                }
            return self._found


def combined(found: Sequence[Health]) -> dict[str, dict[str, Any]]:
    """Combine what several processes found: an account is DOWN where one of them cannot use it."""
    states: dict[str, dict[str, Any]] = {}
    for name in sorted({name for each in found for name in each}):
        seen = [each[name] for each in found if name in each]
        down = [state for state in seen if state["status"] == "DOWN"]
        states[name] = dict(down[0] if down else seen[0])
        if down and len(down) < len(seen):
            states[name]["detail"] += f" ({len(down)} of {len(seen)} workers)"
    return states


def _shown(health: AccountHealth) -> dict[str, Any]:
    return {
        "status": "UP" if health.ok else "DOWN",
        "detail": health.sentence,
        **({"warning": True} if health.warns else {}),
    }
