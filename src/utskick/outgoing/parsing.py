"""Parsing shared by providers: HTTP Basic, JSON objects, times and success status."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from utskick.outgoing.http_client import HttpResponse


def basic(username: str, password: str) -> str:
    """Format the value of an Authorization header of HTTP Basic (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def members(body: bytes) -> Mapping[str, Any]:
    """Parse a JSON object; return an empty mapping for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def is_success(answer: HttpResponse) -> bool:
    """Return whether the status is 2xx."""
    return 200 <= answer.status < 300


def moment(text: object) -> datetime | None:
    """Parse an ISO 8601 time, with or without an offset; None for anything else."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def credentials(authorization: str) -> tuple[str, str] | None:
    """Parse an Authorization header of HTTP Basic (RFC 7617) into user and password, or None."""
    scheme, _, text = authorization.partition(" ")
    try:
        user, colon, password = b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if scheme.lower() == "basic" and colon else None
