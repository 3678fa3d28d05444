"""Client of the PDF preflight workers (``preflight.py``): limits, time-outs and a result cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from utskick.cache import Cache
from utskick.channels.snail_mail.preflight_pool import WorkerPool
from utskick.channels.snail_mail.settings import Limits, Profile
from utskick.domain.attachment import Attachment

log = structlog.get_logger(__name__)

#: Number of PDFs whose results are cached.
REMEMBERED: Final = 4096
#: Seconds of wall-clock time beyond the CPU limit, for a busy machine.
_BUSY: Final = 10.0
#: Additional CPU seconds for each MiB, as large scans take longer.
_BY_SIZE: Final = 0.1
_TOO_COMPLEX: Final = (
    "is too complex to check: it needs more time or memory than a letter of its size should"
)


_Zones = tuple[tuple[str, str, str, float, float, bool], ...]


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """``findings``: predicates that follow a field's name. ``pages``: None if unreadable."""

    findings: tuple[str, ...]
    pages: int | None


class PreflightFault(Exception):
    """The preflight itself failed, which says nothing about the PDF."""


class PreflightClient:
    """Checks PDFs in worker processes, which all clients of this process share."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool: WorkerPool | None = None
        self._cache: Cache[tuple[bytes, _Zones], PreflightResult] = Cache(REMEMBERED)

    @property
    def pool(self) -> WorkerPool:
        """The running event loop's worker pool."""
        if self._pool is None:
            self._pool = WorkerPool.join(self)
        return self._pool

    def warm(self) -> None:
        """Start a worker in advance."""
        self.pool.warm()

    async def check(self, attachment: Attachment, profile: Profile) -> PreflightResult:
        """Check a PDF against the limits and the profile's zones.

        Raises ``OSError`` if no worker can be started, and ``PreflightFault`` for a fault of the
        preflight, never for what a PDF contains.
        """
        if len(attachment.data) > self._limits.size_limit:
            return PreflightResult(
                (f"is {len(attachment.data)} bytes; the limit is {self._limits.size_limit}",),
                None,
            )
        zones = tuple(
            (z.name, z.x, z.y, z.width, z.height, profile.zone_pages == "all")
            for z in profile.zones
        )
        cached = self._cache.get((attachment.digest, zones))
        if cached is not None:
            return cached
        result = await self._run(attachment.data, zones)
        self._cache.put((attachment.digest, zones), result)
        return result

    async def _run(self, data: bytes, zones: _Zones) -> PreflightResult:
        seconds = self._limits.check_seconds + _BY_SIZE * len(data) / 1_048_576
        request = {
            "size": len(data),
            "seconds": seconds,
            "pages": self._limits.page_limit,
            "zones": zones,
        }
        async with self.pool.acquire() as worker:
            response = await worker.run(request, data, seconds + _BUSY)
        if response is None:
            self.warm()
            return PreflightResult((_TOO_COMPLEX,), None)
        if "fault" in response:
            log.error("preflight-fault", fault=response["fault"], size=len(data))
            raise PreflightFault("a PDF could not be checked: the log has the fault")
        return PreflightResult(tuple(response["findings"]), response["pages"])

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.leave(self)
            self._pool = None
