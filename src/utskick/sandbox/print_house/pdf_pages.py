"""The first pages of a PDF as pictures, for the viewer of the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Pages that are drawn of one PDF, bytes of a PDF that is opened at all, and PDFs whose pictures
#: are remembered.
MOST_PAGES: Final = 5
LARGEST: Final = 64 * 1_048_576
REMEMBERED: Final = 32
#: Seconds of the wall.
_PATIENCE: Final = 20.0
#: Isolated (-I), so that nothing of the environment is run; the path is the parent's.
_DRAWING: Final = str(Path(__file__).with_name("pdf_drawing.py"))
_BOOT: Final = (
    "import sys, runpy; script = sys.argv[1]; sys.path[:] = sys.argv[3:]; sys.argv[1:] = sys.argv[2:3]; "
    + ("runpy.run_path(script, run_name='__main__')")
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """``total``: pages of the PDF, 0 where it cannot be shown; ``pages``: the first of them, as
    PNG."""

    total: int = 0
    pages: tuple[bytes, ...] = ()


class Pictures:
    """Draws in a child, one PDF at a time, and remembers the latest. Never fails: what cannot be
    drawn has no pages."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._known: OrderedDict[bytes, Drawn] = OrderedDict()

    async def of(self, data: bytes) -> Drawn:
        if not is_pdf(data) or len(data) > LARGEST:
            return Drawn()
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
        async with self._turn:
            known = self._known.pop(digest, None)
            drawn = self._known[digest] = known if known is not None else await _drawn(data)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return drawn


async def first_page(data: bytes) -> bytes | None:
    """PNG; None where the PDF cannot be shown."""
    drawn = await Pictures().of(data)
    return drawn.pages[0] if drawn.pages else None


def is_pdf(data: bytes) -> bool:
    """Whether it says so itself (ISO 32000-1 section 7.5.2)."""
    return data.startswith(b"%PDF-")


async def _drawn(data: bytes) -> Drawn:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _BOOT,
            _DRAWING,
            str(MOST_PAGES),
            *sys.path,
            stdin=pipe,
            stdout=pipe,
            stderr=nothing,
            env={},
            start_new_session=True,
        )
    except OSError:
        return Drawn()
    try:
        said, _ = await asyncio.wait_for(child.communicate(data), _PATIENCE)
    except (OSError, TimeoutError):
        return Drawn()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return _read(said)


def _read(said: bytes) -> Drawn:
    """As far as it came: a page that could not be drawn ends the list."""
    stream = io.BytesIO(said)
    total, pages = _number(stream.readline()), []
    while length := _number(stream.readline()):
        page = stream.read(length)
        if len(page) < length:
            break
        pages.append(page)
    return Drawn(total, tuple(pages))


def _number(line: bytes) -> int:
    return int(line) if line.strip().isdigit() else 0
