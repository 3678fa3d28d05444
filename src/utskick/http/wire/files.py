"""Response with a file: name, media type and content."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import puremagic
from starlette.responses import StreamingResponse

from utskick.store.history.conversations import StoredFile

_MEDIA_TYPE: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:;[ -~]{0,200})?\Z"
)
_UNKNOWN: Final = "application/octet-stream"
_PLAIN: Final = re.compile(r"[ -~]+\Z")


def disposition(name: str) -> str:
    """Return ``Content-Disposition`` (RFC 6266 section 4).

    Plain names as the contract writes them, others with ``filename*`` (RFC 8187) beside.

    No name leads into another folder or breaks out of the header.
    """
    safe = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name)
    if _PLAIN.match(safe) and '"' not in safe:
        return f'attachment; filename="{safe}"'
    fallback = re.sub(r'[^ -~]|"', "_", safe)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(safe, safe='')}"


def type_of(content_type: str | None, beginning: bytes) -> str:
    """Return the media type that was stored with the file.

    Detected from its first bytes where there is none, or where it is not valid in a header.
    """
    if content_type and _MEDIA_TYPE.match(content_type):
        return content_type
    try:
        return puremagic.from_string(beginning, mime=True) or _UNKNOWN
    except (puremagic.PureError, ValueError):
        return _UNKNOWN


async def sent(file: StoredFile, slices: AsyncIterator[bytes]) -> StreamingResponse:
    """Stream a file.

    The first piece is read before the status is sent, so that an unavailable database is a 503.
    """
    first = await anext(slices, b"")

    async def pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in slices:
            yield piece

    headers = {"Content-Disposition": disposition(file.name), "Content-Length": str(file.size)}
    answer = StreamingResponse(pieces(), headers=headers)
    answer.headers["Content-Type"] = type_of(file.content_type, first)
    return answer
