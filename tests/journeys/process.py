"""Process of the service: start, pause, stop and kill."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.journeys.spawner import Spawner

#: Arguments of ``python`` for both processes of the service, and for the API without a worker.
SERVE, WORKER, API = (
    ("-m", "utskick", "serve"),
    ("-m", "utskick", "worker"),
    (str(Path(__file__).with_name("api_process.py")),),
)


class Process:
    """Running process; ``log`` receives its standard error."""

    def __init__(self, pid: int, end: asyncio.Future[int], log: Path) -> None:
        self.pid = pid
        self._end = end
        self.log = log

    @classmethod
    async def start(
        cls,
        spawner: Spawner,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Process:
        number = len(list(folder.glob("*.log")))
        log = folder / f"{number:02d}-{Path(arguments[-1]).stem}.log"
        log.touch()
        return cls(*await spawner.spawn(arguments, environment, log), log)

    @property
    def alive(self) -> bool:
        return not self._end.done()

    @property
    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    async def exit_status(self, timeout: float = 15.0) -> int:
        """Wait for the exit status; a negative one is the signal that ended the process."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._end), timeout)
        except TimeoutError:
            raise AssertionError(
                f"the process had not ended after {timeout} s; its log:\n{self.log_text[-2000:]}"
            ) from None

    async def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self._signal(signal.SIGKILL)
        await self.exit_status()
