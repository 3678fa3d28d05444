"""Pool of worker processes that check PDFs (``worker.py``)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson

#: Maximum number of workers in a process, whatever the number of channel instances.
WORKERS: Final = 2
#: Seconds of wall-clock time for a worker to start.
_START: Final = 20.0
#: Run isolated (-I) with the parent's path, so that the environment has no influence.
_BOOT: Final = (
    "import sys, runpy; sys.path[:] = sys.argv[1:];"
    " runpy.run_module('utskick.pdf.worker', run_name='__main__')"
)


class PreflightWorker:
    """One worker process; unusable once a PDF has terminated it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> PreflightWorker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _BOOT,
            *sys.path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        worker = cls(process)
        if await worker._line(_START) is None:
            raise OSError("the process that checks PDFs does not start")
        return worker

    async def run(
        self, request: dict[str, Any], data: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytes] | None:
        """Send one request. Return the response, and the bytes that follow it.

        None if the process ended, or was ended for exceeding the time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(request) + b"\n")
            self._process.stdin.write(data)
            answer = await self._answer(seconds)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            answer = None
        except BaseException:
            await self.end()
            raise
        if answer is None:
            await self.end()
        return answer

    async def _answer(self, seconds: float) -> tuple[dict[str, Any], bytes] | None:
        line = await self._line(seconds)
        if line is None:
            return None
        assert self._process.stdout is not None
        response: dict[str, Any] = orjson.loads(line)
        async with asyncio.timeout(seconds):
            return response, await self._process.stdout.readexactly(response.get("size") or 0)

    async def _line(self, seconds: float) -> bytes | None:
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        except (TimeoutError, ValueError):
            return None
        return line or None

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class WorkerPool:
    """Workers of one event loop, each checking one PDF at a time; they end with the last user."""

    def __init__(self) -> None:
        self.idle: list[PreflightWorker] = []
        self._slots = asyncio.Semaphore(WORKERS)
        self._users: set[object] = set()
        self._warming: asyncio.Task[None] | None = None

    @classmethod
    def join(cls, user: object) -> WorkerPool:
        """Return the running loop's pool; ``user`` must call ``leave``."""
        pool = _OF_LOOP.setdefault(asyncio.get_running_loop(), cls())
        pool._users.add(user)
        return pool

    async def leave(self, user: object) -> None:
        """Remove the user; the last one ends the workers."""
        self._users.discard(user)
        if self._users:
            return
        if self._warming is not None:
            self._warming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._warming
        while self.idle:
            await self.idle.pop().end()

    def warm(self) -> None:
        """Start a worker in the background if none is idle."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        async with self._slots:
            if not self.idle:
                with contextlib.suppress(OSError):
                    self.idle.append(await PreflightWorker.start())

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[PreflightWorker]:
        """Provide a worker for one request. Raises ``OSError`` if none can be started."""
        async with self._slots:
            worker = await self._worker()
            yield worker
            if worker.is_alive:
                self.idle.append(worker)

    async def _worker(self) -> PreflightWorker:
        while self.idle:
            worker = self.idle.pop()
            if worker.is_alive:
                return worker
        return await PreflightWorker.start()


_OF_LOOP: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, WorkerPool]] = WeakKeyDictionary()
