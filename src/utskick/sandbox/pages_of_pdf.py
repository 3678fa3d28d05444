"""The first page of a PDF as a picture, for the viewer of the sandbox."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Final

import pypdfium2

#: Points of the picture's longer side, and bytes of a PDF that is opened at all.
LONGEST: Final = 1200
LARGEST: Final = 64 * 1_048_576
#: PDFium works for one thread at a time.
_ONE_AT_A_TIME: Final = threading.Lock()


async def first_page(data: bytes) -> bytes | None:
    """PNG; None where the PDF cannot be shown. In a thread. Only for PDFs that have passed the pre-flight."""
    if len(data) > LARGEST:
        return None
    return await asyncio.to_thread(_drawn, data)


def _drawn(data: bytes) -> bytes | None:
    with _ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(data)
            try:
                page = document[0]
                image = page.render(scale=min(LONGEST / max(*page.get_size(), 1), 2)).to_pil()
            finally:
                document.close()
        except (pypdfium2.PdfiumError, IndexError, ValueError, MemoryError):
            return None
    written = io.BytesIO()
    image.save(written, "PNG", optimize=False)
    return written.getvalue()
