"""Bounds on the connections of a process: of all, and of one address."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

from utskick.http.wire.refusals import Refusals


class ConnectionLimits:
    """Counts connections. ``most``, ``per_address``: how many may be open at a time.

    An IPv6 network of 64 bits, which one host may use as a whole, counts as an address.
    """

    def __init__(
        self, most: int, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._per_address = min(per_address, most)
        self._open: Counter[str] = Counter()
        self._count = 0
        self._refusals = Refusals("connections-refused", clock)

    def admit(self, address: str) -> bool:
        """Count a new connection; False: it is one too many, and must be closed."""
        key = _key(address)
        if self._count >= self._most:
            self._refuse("http.connections", self._most)
            return False
        if self._open[key] >= self._per_address:
            self._refuse("http.connections_per_address", self._per_address)
            return False
        self._count += 1
        self._open[key] += 1
        return True

    def release(self, address: str) -> None:
        """Count the end of a connection that was admitted."""
        key = _key(address)
        self._count -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]

    def _refuse(self, setting: str, limit: int) -> None:
        self._refusals.add(setting=setting, limit=limit, open=self._count)

    def health(self) -> dict[str, Any] | None:
        """Return the state for the health check; None: nothing was ever refused."""
        return self._refusals.health(open=self._count, limit=self._most)


def _key(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.packed[:8].hex()
    return address
