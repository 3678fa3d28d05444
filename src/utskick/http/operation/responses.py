"""Answers: what a success carries, and a problem for every fault that can come."""

from __future__ import annotations

from typing import Any, Final

from utskick.http.docs.schemas import ref

_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_MEANT: Final = {
    400: "The request cannot be read, or breaks one or more rules: all of them are told. Nothing was stored",
    401: "The secret is missing or wrong",
    403: "The token does not allow this call",
    404: "There is no such thing in this municipality",
    409: "It cannot be done in the state that it is in, or the first request with this Idempotency-Key has not been answered yet",
    408: "The body did not come in time",
    410: "What was said in that month has been erased: the key of the month was destroyed",
    412: "It is not as `If-Match` says: somebody has changed it since it was read. Nothing was changed",
    413: "The body is over the limit of this call",
    415: "Only `application/json` is taken",
    422: "This Idempotency-Key was used with another request",
    429: "More calls a second than one client may make",
    500: "A fault of ours; the log has it under the answer's `x-request-id`",
    501: "No provider account is configured for this channel",
    502: "The one delivery of a synchronous call failed; its ids are members of the problem",
    503: "The database is away. Nothing was accepted: try again, with the same Idempotency-Key",
}
_RETRY: Final = {
    "Retry-After": {
        "description": "Seconds after which to try again",
        "schema": {"type": "integer"},
    }
}
_LOCATION: Final = {
    "description": "Where its status is, as a path without host",
    "schema": {"type": "string"},
}
_VERSION: Final = {
    "description": "The version that is told, for `If-Match`",
    "schema": {"type": "string"},
}
_REPLAYED: Final = {
    "description": "`true`: the first answer to this Idempotency-Key again",
    "schema": {"type": "string", "enum": ["true"]},
}
#: Of every answer, whatever it says.
REQUEST_ID: Final = {
    "description": "The request's id, as it was sent or as it was made",
    "schema": {"type": "string"},
}


def problems_of(*statuses: int, **meant: str) -> dict[str, Any]:
    """``meant``: what a status says of this call, as ``_404="…"``."""
    shape = ref("Problem")
    both = {"oneOf": [shape, ref("ConstraintViolationProblem")]}
    return {
        str(status): {
            "description": f"{_TITLES[status]}: {meant.get(f'_{status}', _MEANT[status])}",
            **({"headers": _RETRY} if status in (409, 503) else {}),
            "content": {"application/problem+json": {"schema": both if status == 400 else shape}},
        }
        for status in sorted(statuses)
    }


def success(
    schema: dict[str, Any] | None = None,
    *,
    text: str = "Successful Operation",
    made: bool = False,
    versioned: bool = False,
) -> dict[str, Any]:
    """``made``: it says where the new thing is. ``versioned``: it says which version is told."""
    found: dict[str, Any] = {"description": text}
    headers = {
        **({"Location": _LOCATION} if made else {}),
        **({"ETag": _VERSION} if versioned else {}),
    }
    if headers:
        found["headers"] = headers
    if schema is not None:
        found["content"] = {"application/json": {"schema": schema}}
    return found


def accepted(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a call that sends."""
    found = success(schema, made=True)
    found["headers"] = {**found["headers"], "Idempotency-Replayed": _REPLAYED}
    return found
