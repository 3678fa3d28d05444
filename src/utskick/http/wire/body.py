"""Request bodies: read up to a limit and a deadline, parsed into their model."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from utskick.domain.errors import TooLarge, TooSlow, Unreadable, WrongMediaType
from utskick.domain.validators import refusal

M = TypeVar("M", bound=BaseModel)

#: Longest pause within a request body (s).
_PAUSE = 20.0


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Reading stops at the limit: what is over it is refused, not buffered."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise WrongMediaType(f"Content-Type '{media}' is not supported; send application/json")
    too_large = TooLarge(
        f"the body is over {limit} bytes, the limit of this call", headers={"Connection": "close"}
    )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    chunks, size = [], 0
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(_PAUSE) as patience:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
                patience.reschedule(clock() + _PAUSE)
    except TimeoutError:
        raise TooSlow(
            f"nothing of the body came for {_PAUSE:.0f} s", headers={"Connection": "close"}
        ) from None
    return b"".join(chunks)


def parse(model: type[M], body: bytes) -> M:
    """Raises ``Unreadable`` or ``Invalid`` with everything that is wrong."""
    try:
        if (
            b"NaN" in body or b"Infinity" in body
        ):  # RFC 8259 section 6 has no such numbers; as text they may stand in a message
            from_json(body, allow_inf_nan=False)
        return model.model_validate_json(body)
    except ValidationError as fault:
        raise refusal(fault, model) from None
    except ValueError as fault:
        raise Unreadable(
            "Failed to read request", reasons=[{"message": f"not JSON: {fault}"}]
        ) from None
