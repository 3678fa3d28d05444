"""Rendering of the first pages of a PDF, for the viewer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from utskick.cache import Cache

#: Maximum number of rendered pages, size of a PDF in bytes, and number of cached PDFs.
MAX_PAGES: Final = 5
MAX_PDF_SIZE: Final = 64 * 1_048_576
CACHE_SIZE: Final = 32
#: Seconds of elapsed time.
_TIMEOUT: Final = 20.0
#: Isolated mode (-I) ignores the environment; the module path is passed as arguments.
_SCRIPT: Final = str(Path(__file__).with_name("pdf_drawing.py"))
_LAUNCHER: Final = (
    "import sys, runpy; script = sys.argv[1]; sys.path[:] = sys.argv[3:]; sys.argv[1:] = "
    "sys.argv[2:3]; "
) + ("runpy.run_path(script, run_name='__main__')")


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """Rendered PDF: total number of pages, and the first ones as PNG; zero pages on failure."""

    total: int = 0
    pages: tuple[bytes, ...] = ()


class PdfRenderer:
    """Renderer in a child process, one PDF at a time, with a cache; never raises."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._cache: Cache[bytes, RenderedPdf] = Cache(CACHE_SIZE)

    async def of(self, data: bytes) -> RenderedPdf:
        if not is_pdf(data) or len(data) > MAX_PDF_SIZE:
            return RenderedPdf()
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
        async with self._lock:
            cached = self._cache.get(digest)
            if cached is not None:
                return cached
            rendered = await _render(data)
            self._cache.put(digest, rendered)
            return rendered


async def first_page(data: bytes) -> bytes | None:
    """Return the first page as PNG, or None if it cannot be rendered."""
    rendered = await PdfRenderer().of(data)
    return rendered.pages[0] if rendered.pages else None


def is_pdf(data: bytes) -> bool:
    """Whether the data begins like a PDF (ISO 32000-1 section 7.5.2)."""
    return data.startswith(b"%PDF-")


async def _render(data: bytes) -> RenderedPdf:
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _LAUNCHER,
            _SCRIPT,
            str(MAX_PAGES),
            *sys.path,
            stdin=pipe,
            stdout=pipe,
            stderr=null,
            env={},
            start_new_session=True,
        )
    except OSError:
        return RenderedPdf()
    try:
        output, _ = await asyncio.wait_for(child.communicate(data), _TIMEOUT)
    except (OSError, TimeoutError):
        return RenderedPdf()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return _parse_output(output)


def _parse_output(output: bytes) -> RenderedPdf:
    """Parse the script's output; a page that failed ends the list."""
    stream = io.BytesIO(output)
    total, pages = _number(stream.readline()), []
    while length := _number(stream.readline()):
        page = stream.read(length)
        if len(page) < length:
            break
        pages.append(page)
    return RenderedPdf(total, tuple(pages))


def _number(line: bytes) -> int:
    return int(line) if line.strip().isdigit() else 0
