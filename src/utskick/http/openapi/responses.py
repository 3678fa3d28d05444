"""Answers to faults."""

from __future__ import annotations

from typing import Any


def problems_of(*statuses: int) -> dict[str, Any]:
    titles = {
        400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
        422: "Unprocessable Content", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    }  # fmt: skip
    shape: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
    both = {"oneOf": [shape, {"$ref": "#/components/schemas/ConstraintViolationProblem"}]}
    return {
        str(status): {"description": titles[status], "content": {"application/problem+json": {"schema": both if status == 400 else shape}}}
        for status in statuses
    }
