"""Client of the workers that check PDFs (``worker.py``): limits, time-outs and caches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from utskick.cache import Cache
from utskick.domain.attachment import Attachment
from utskick.pdf.pool import WorkerPool
from utskick.pdf.rules import Frames, Rules

log = structlog.get_logger(__name__)

#: Number of PDFs whose results are cached.
REMEMBERED: Final = 4096
#: Bytes of copies that are cached.
_COPIES: Final = 32 * 1_048_576
#: Seconds of wall-clock time beyond the CPU limit, for a busy machine.
_BUSY: Final = 10.0
#: Additional CPU seconds for each MiB, as large scans take longer.
_BY_SIZE: Final = 0.1
#: CPU seconds for a picture or a copy, which are made of what was checked.
_MAKING: Final = 5.0
_TOO_COMPLEX: Final = (
    "is too complex to check: it needs more time or memory than a letter of its size should"
)


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """What was found.

    ``findings``: what refuses the PDF, a code ("" for most) and a predicate that follows a field's
    name. ``notices``: code (``domain.notice``) and value of what is worth knowing. ``pages``: None
    if unreadable. ``copy``: what is sent is not the file itself (``Preflight.sendable``).
    ``blank``: the window is empty.
    """

    findings: tuple[tuple[str, str], ...] = ()
    notices: tuple[tuple[str, str], ...] = ()
    pages: int | None = None
    copy: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class PreflightLimits:
    """Maximum bytes, and CPU seconds (plus 0.1 for each MiB)."""

    size: int
    seconds: float


class PreflightFault(Exception):
    """The preflight itself failed, which says nothing about the PDF."""


class Preflight:
    """Checks PDFs in worker processes, which all clients of this process share."""

    def __init__(self, limits: PreflightLimits) -> None:
        self._limits = limits
        self._pool: WorkerPool | None = None
        self._results: Cache[tuple[bytes, Rules], PreflightResult] = Cache(REMEMBERED)
        self._copies: Cache[tuple[bytes, bool], bytes] = Cache(_COPIES, weigh=len)

    @property
    def pool(self) -> WorkerPool:
        """The running event loop's worker pool."""
        if self._pool is None:
            self._pool = WorkerPool.join(self)
        return self._pool

    def warm(self) -> None:
        """Start a worker in advance."""
        self.pool.warm()

    async def check(self, attachment: Attachment, rules: Rules) -> PreflightResult:
        """Check a PDF.

        Raises ``OSError`` if no worker can be started, and ``PreflightFault`` for a fault of the
        preflight, never for what a PDF contains.
        """
        size = len(attachment.data)
        if size > self._limits.size:
            return PreflightResult((("", f"is {size} bytes; the limit is {self._limits.size}"),))
        known = (attachment.digest, rules)
        result = self._results.get(known)
        if result is None:
            result = await self._check(attachment.data, rules)
            self._results.put(known, result)
        return result

    async def _check(self, data: bytes, rules: Rules) -> PreflightResult:
        seconds = self._limits.seconds + _BY_SIZE * len(data) / 1_048_576
        answer = await self._run({"do": "check", "rules": asdict(rules)}, data, seconds)
        if answer is None:
            self.warm()
            return PreflightResult((("", _TOO_COMPLEX),))
        found = answer[0]["result"]
        return PreflightResult(
            tuple((code, text) for code, text in found["findings"]),
            tuple((code, value) for code, value in found["notices"]),
            found["pages"],
            found["copy"],
            found["blank"],
        )

    async def sendable(self, attachment: Attachment, rules: Rules) -> Attachment:
        """Return what is sent: the PDF, or a copy of it that is mended, and for paper decrypted.

        Raises as ``check``.
        """
        if not (await self.check(attachment, rules)).copy:
            return attachment
        known = (attachment.digest, rules.paper)
        data = self._copies.get(known)
        if data is None:
            data = await self._made({"do": "copy", "paper": rules.paper}, attachment.data)
            if data is None:
                raise PreflightFault("a PDF that was checked cannot be copied")
            self._copies.put(known, data)
        return Attachment.of(attachment.name, attachment.content_type, data)

    async def picture(self, data: bytes, index: int, frames: Frames = ()) -> bytes | None:
        """Return a PNG (100 dpi) of a page as it is printed, with frames around areas.

        None where there is no such page. Raises as ``check``.
        """
        named = [(asdict(area), colour) for area, colour in frames]
        return await self._made({"do": "picture", "page": index, "frames": named}, data)

    async def _made(self, request: dict[str, Any], data: bytes) -> bytes | None:
        answer = await self._run(request, data, _MAKING + _BY_SIZE * len(data) / 1_048_576)
        if answer is None:
            self.warm()
            fault = f"{request['do']} exceeds the limits"
            log.error("preflight-fault", fault=fault, size=len(data))
            raise PreflightFault("a PDF exceeds the limits of the process that copies or draws it")
        return None if answer[0]["size"] is None else answer[1]

    async def _run(
        self, request: dict[str, Any], data: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytes] | None:
        request = {**request, "size": len(data), "seconds": seconds}
        async with self.pool.acquire() as worker:
            answer = await worker.run(request, data, seconds + _BUSY)
        if answer is not None and "fault" in answer[0]:
            log.error("preflight-fault", fault=answer[0]["fault"], size=len(data))
            raise PreflightFault("a PDF could not be checked: the log has the fault")
        return answer

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.leave(self)
            self._pool = None
