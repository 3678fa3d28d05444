"""A process of the service as an operating system sees it: started, watched, stopped, paused and killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

#: ``python`` + these: the two processes of the service, and the API without a worker.
SERVE, WORKER, DOOR = ("-m", "utskick", "serve"), ("-m", "utskick", "worker"), (str(Path(__file__).with_name("door.py")),)


class Process:
    """``log``: where its standard error goes."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    async def start(cls, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> Process:
        number = len(list(folder.glob("*.log")))
        log = folder / f"{number:02d}-{Path(arguments[-1]).stem}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, env=dict(environment), cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def _tell(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def pause(self) -> None:
        self._tell(signal.SIGSTOP)

    def resume(self) -> None:
        self._tell(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._tell(signal.SIGTERM)

    async def ended(self, timeout: float = 15.0) -> int:
        """Its exit status; negative: the number of the signal that ended it."""
        try:
            return await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            raise AssertionError(f"the process had not ended after {timeout} s; it said:\n{self.said[-2000:]}") from None

    async def kill(self) -> None:
        """kill -9."""
        self._tell(signal.SIGKILL)
        await self.ended()
