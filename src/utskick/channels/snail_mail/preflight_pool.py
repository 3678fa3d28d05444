"""The children of this process that open PDFs (``preflight.py``): how many there are, and whose
turn it is."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson

#: At a time, however many channels of letters there are.
CHILDREN: Final = 2
#: Seconds of the wall: a child that starts.
_START: Final = 20.0
#: Isolated (-I), so that nothing of the environment is run; the path is the parent's. Run as a
#: file, it imports nothing else of ours.
_PREFLIGHT: Final = str(Path(__file__).with_name("preflight.py"))
_BOOT: Final = "import sys, runpy; sys.path[:] = sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"


class Child:
    """One process; broken for ever once a PDF has ended it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _BOOT,
            _PREFLIGHT,
            *sys.path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        child = cls(process)
        if await child._line(_START) is None:
            raise OSError("the process that opens PDFs does not start")
        return child

    async def ask(
        self, request: dict[str, Any], data: bytes, seconds: float
    ) -> dict[str, Any] | None:
        """None: it ended, or was ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(request) + b"\n")
            self._process.stdin.write(data)
            line = await self._line(seconds)
        except OSError:
            line = None
        except BaseException:
            await self.end()
            raise
        if line is None:
            await self.end()
            return None
        said: dict[str, Any] = orjson.loads(line)
        return said

    async def _line(self, seconds: float) -> bytes | None:
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        except (TimeoutError, ValueError):
            return None
        return line or None

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Children:
    """One PDF at a time for each; the others wait. They live for as long as somebody uses them."""

    def __init__(self) -> None:
        self.idle: list[Child] = []
        self._turns = asyncio.Semaphore(CHILDREN)
        self._users: set[object] = set()
        self._warming: asyncio.Task[None] | None = None

    @classmethod
    def joined(cls, user: object) -> Children:
        """Those of the running loop, which ``user`` has to leave."""
        children = _OF_LOOP.setdefault(asyncio.get_running_loop(), cls())
        children._users.add(user)
        return children

    async def leave(self, user: object) -> None:
        """The last one ends them."""
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
        """Starts one where there is none, so that the first PDF does not wait for it."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        async with self._turns:
            if not self.idle:
                with contextlib.suppress(OSError):
                    self.idle.append(await Child.start())

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Child]:
        """A child for one question. Raises ``OSError`` where none can be started."""
        async with self._turns:
            child = await self._child()
            yield child
            if child.lives:
                self.idle.append(child)

    async def _child(self) -> Child:
        while self.idle:
            child = self.idle.pop()
            if child.lives:
                return child
        return await Child.start()


_OF_LOOP: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Children]] = WeakKeyDictionary()
