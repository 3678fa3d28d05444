"""A process of the service as an operating system sees it: started, watched, stopped, paused and
killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.journeys.spawner import Nursery

#: ``python`` + these: the two processes of the service, and the API without a worker.
SERVE, WORKER, DOOR = (
    ("-m", "utskick", "serve"),
    ("-m", "utskick", "worker"),
    (str(Path(__file__).with_name("api_process.py")),),
)


class Process:
    """``log``: where its standard error goes."""

    def __init__(self, pid: int, end: asyncio.Future[int], log: Path) -> None:
        self.pid = pid
        self._end = end
        self.log = log

    @classmethod
    async def start(
        cls,
        nursery: Nursery,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Process:
        number = len(list(folder.glob("*.log")))
        log = folder / f"{number:02d}-{Path(arguments[-1]).stem}.log"
        log.touch()
        return cls(*await nursery.bear(arguments, environment, log), log)

    @property
    def alive(self) -> bool:
        return not self._end.done()

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def _tell(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def pause(self) -> None:
        self._tell(signal.SIGSTOP)

    def resume(self) -> None:
        self._tell(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._tell(signal.SIGTERM)

    async def ended(self, timeout: float = 15.0) -> int:
        """Its exit status; negative: the number of the signal that ended it."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._end), timeout)
        except TimeoutError:
            raise AssertionError(
                f"the process had not ended after {timeout} s; it said:\n{self.said[-2000:]}"
            ) from None

    async def kill(self) -> None:
        """kill -9."""
        self._tell(signal.SIGKILL)
        await self.ended()
