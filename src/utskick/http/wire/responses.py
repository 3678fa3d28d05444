"""JSON responses, as a whole or streamed, and parts that many of them share."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from fastapi import Response
from starlette.responses import StreamingResponse

from utskick.domain.clock import SWEDEN
from utskick.store.database import answering


def json_response(
    members: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(members), status, headers, "application/json")


def with_line_end(answer: Response) -> Response:
    """Return a JSON answer that ends with a line feed, for those who read it in a terminal.

    White space after the value is part of JSON (RFC 8259 section 2).
    """
    if not (answer.media_type or answer.headers.get("content-type", "")).endswith("json"):
        return answer
    if isinstance(answer, StreamingResponse):
        answer.body_iterator = _line_ended(answer.body_iterator)
    elif not (body := bytes(answer.body)).endswith(b"\n"):
        answer.body = body + b"\n"
        answer.headers["content-length"] = str(len(answer.body))
    return answer


async def _line_ended(pieces: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for piece in pieces:
        yield piece
    yield b"\n"


async def streamed(
    elements: AsyncIterator[dict[str, Any]], opening: bytes = b"[", closing: bytes = b"]"
) -> Response:
    """Stream a JSON array, which may be long and hold many files.

    The first element is read before the status is sent, so that an unavailable database is a 503.
    """
    async with answering():
        first = await anext(elements, None)

    async def written() -> AsyncIterator[bytes]:
        yield opening
        if first is not None:
            yield orjson.dumps(first)
        async for element in elements:
            yield b"," + orjson.dumps(element)
        yield closing

    return StreamingResponse(written(), media_type="application/json")


def time_of(moment: datetime | None) -> str | None:
    """Return Swedish time with its offset, as in operations of Utskick.

    Those of the contract have none (``clock.swedish``).
    """
    return moment.astimezone(SWEDEN).isoformat() if moment else None


def paging_of(page: int, limit: int, total: int, number: int) -> dict[str, int]:
    """Build PagingMetaData (contract section 9). ``number``: elements on this page."""
    return {
        "page": page,
        "limit": limit,
        "count": number,
        "totalRecords": total,
        "totalPages": math.ceil(total / limit),
    }


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
