"""Request bodies: one reader with a size limit and a deadline, and parsing into a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeVar

from fastapi import Request
from pydantic import BaseModel
from pydantic_core import from_json

from utskick.domain.errors import TooLarge, TooSlow, Unreadable, WrongMediaType
from utskick.http.wire.memory import MemoryShare
from utskick.http.wire.validation import validated

M = TypeVar("M", bound=BaseModel)

#: Closes the connection: the rest of the body is not read.
_CLOSE: Final = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class BodyDeadline:
    """Time that a client has to send a body.

    ``pause``: seconds until the next piece arrives; ``rate``: bytes per second that the whole body
    must average after the first ``pause`` seconds.
    """

    pause: float = 20.0
    rate: float = 16_384.0

    def at(self, start: float, now: float, received: int) -> float:
        """Return the time at which reading ends unless more arrives. Times in seconds."""
        return min(now, start + received / self.rate) + self.pause


#: The deadline of every endpoint that reads a body.
DEADLINE = BodyDeadline()


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body, at most ``limit`` bytes.

    Reading stops at the limit; nothing beyond it is buffered.

    Raises ``TooLarge``, ``Overloaded``, ``TooSlow`` when the body stops or trickles, and
    starlette's ``ClientDisconnect``.
    """
    too_large = TooLarge(f"the body exceeds {limit} bytes, the limit of this call", headers=_CLOSE)
    length, share = request.headers.get("content-length", ""), share_of(request)
    if length.isdigit():
        if int(length) > limit:
            raise too_large
        share.body(int(length))
    chunks, size = [], 0
    clock, deadline = asyncio.get_running_loop().time, DEADLINE
    start = clock()
    try:
        async with asyncio.timeout_at(deadline.at(start, start, 0)) as timeout:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                share.body(size)
                chunks.append(chunk)
                timeout.reschedule(deadline.at(start, clock(), size))
    except TimeoutError:
        raise TooSlow("the body did not arrive in time", headers=_CLOSE) from None
    return b"".join(chunks)


def share_of(request: Request) -> MemoryShare:
    """Return what the call holds of the memory, which the middleware gave it."""
    share: MemoryShare = request.scope["state"]["memory"]
    return share


async def read_json(request: Request, limit: int) -> bytes:
    """Return a body of the media type application/json.

    Raises as ``read_body``, and ``WrongMediaType`` for any other media type.
    """
    media = media_type_of(request)
    if media != "application/json":
        raise WrongMediaType(f"Content-Type '{media}' is not supported; send application/json")
    return await read_body(request, limit)


def media_type_of(request: Request) -> str:
    """Return the media type of Content-Type in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(model: type[M], body: bytes) -> M:
    """Parse a JSON body. Raises ``Unreadable``, or ``Invalid`` with its violations."""
    try:
        # RFC 8259 section 6 has no such numbers; inside strings the words are allowed
        if b"NaN" in body or b"Infinity" in body:
            from_json(body, allow_inf_nan=False)
        return validated(model, body)
    except ValueError as fault:
        raise Unreadable(
            "Failed to read request", reasons=[{"message": f"not JSON: {fault}"}]
        ) from None
