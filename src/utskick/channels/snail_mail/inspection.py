"""The pre-flight of PDFs: children that open them (``preflight.py``), how many, for how long, and what they found lately."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from utskick.channels.snail_mail.settings import Limits, Profile
from utskick.domain.attachment import Attachment

CHILDREN: Final = 2
#: PDFs whose findings are remembered.
REMEMBERED: Final = 4096
#: Seconds of the wall: a child that starts, and how much longer than its processor time an answer may take on a busy machine.
_START, _BUSY = 20.0, 10.0
#: Processor seconds for each MiB: a long scan may take its time, a small file that needs much is no letter.
_BY_SIZE: Final = 0.1
#: Isolated (-I), so that nothing of the environment is run; the path is the parent's. Run as a file, it imports nothing else of ours.
_PREFLIGHT: Final = str(Path(__file__).with_name("preflight.py"))
_BOOT: Final = "import sys, runpy; sys.path[:] = sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"
_TOO_COMPLEX: Final = "is too complex to be checked: it needs more time or memory than a letter of its size should"


_Zones = tuple[tuple[str, str, str, float, float, bool], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """``findings``: sentences that follow on the name of the field; ``pages``: None where the PDF cannot be read."""

    findings: tuple[str, ...]
    pages: int | None


class _Child:
    """One process; broken for ever once a PDF has ended it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> _Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _BOOT, _PREFLIGHT, *sys.path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env={}, start_new_session=True,
        )  # fmt: skip
        child = cls(process)
        if await child._line(_START) is None:
            raise OSError("the process that opens PDFs does not start")
        return child

    async def ask(self, request: dict[str, Any], data: bytes, seconds: float) -> dict[str, Any] | None:
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


class Inspection:
    """Opens PDFs elsewhere. One at a time for each child; the others wait."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: list[_Child] = []
        self._turns = asyncio.Semaphore(CHILDREN)
        self._known: OrderedDict[tuple[bytes, _Zones], Found] = OrderedDict()
        self._warming: asyncio.Task[None] | None = None

    def warm(self) -> None:
        """Starts a child, so that the first PDF does not wait for it."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        async with self._turns:
            if not self._idle:
                with contextlib.suppress(OSError):
                    self._idle.append(await _Child.start())

    async def look(self, attachment: Attachment, profile: Profile) -> Found:
        """Never raises for what a PDF is. ``OSError`` when no child can be started."""
        if len(attachment.data) > self._limits.size_limit:
            return Found((f"is {len(attachment.data)} bytes, and the limit is {self._limits.size_limit}",), None)
        zones = tuple((z.name, z.x, z.y, z.width, z.height, profile.zone_pages == "all") for z in profile.zones)
        known = self._known.get((attachment.digest, zones))
        if known is not None:
            self._known.move_to_end((attachment.digest, zones))
            return known
        found = await self._ask(attachment.data, zones)
        self._known[attachment.digest, zones] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, data: bytes, zones: _Zones) -> Found:
        seconds = self._limits.check_seconds + _BY_SIZE * len(data) / 1_048_576
        request = {"size": len(data), "seconds": seconds, "pages": self._limits.page_limit, "zones": zones}
        async with self._turns:
            child = await self._child()
            said = await child.ask(request, data, seconds + _BUSY)
            if child.lives and said is not None:
                self._idle.append(child)
        if said is None:
            self.warm()
            return Found((_TOO_COMPLEX,), None)
        return Found(tuple(said["findings"]), said["pages"])

    async def _child(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.lives:
                return child
        return await _Child.start()

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._warming
        while self._idle:
            await self._idle.pop().end()
