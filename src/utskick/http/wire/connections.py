"""Bounds on the connections of a process: of all, and of one address."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

#: Seconds between two log lines, and for which the health check names what was refused.
_MINUTE: Final = 60.0


class ConnectionLimits:
    """Counts connections. ``most``, ``per_address``: how many may be open at a time.

    An IPv6 network of 64 bits, which one host may use as a whole, counts as an address.
    """

    def __init__(
        self, most: int, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._per_address = min(per_address, most)
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._count = 0
        self._refused = 0
        self._last: float | None = None
        self._next_log = 0.0

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
        self._refused += 1
        self._last = now = self._clock()
        if now >= self._next_log:
            self._next_log = now + _MINUTE
            log.warning(
                "connections-refused",
                setting=setting,
                limit=limit,
                open=self._count,
                refused=self._refused,
            )

    def health(self) -> dict[str, Any] | None:
        """Return the state for the health check; None: nothing was ever refused."""
        if self._last is None:
            return None
        recently = self._clock() - self._last < _MINUTE
        return {
            "status": "DEGRADED" if recently else "UP",
            "open": self._count,
            "limit": self._most,
            "refused": self._refused,
        }


def _key(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.packed[:8].hex()
    return address
