"""What adapters read and write in the same way: HTTP Basic, JSON members, moments, whether an
answer is a yes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from utskick.outgoing.http_client import Answer


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def members(body: bytes) -> Mapping[str, Any]:
    """The members of a JSON object; none where the body is anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def taken(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def moment(text: object) -> datetime | None:
    """An ISO 8601 time, with or without its zone; None for everything else."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def credentials(authorization: str) -> tuple[str, str] | None:
    """User and password of an Authorization header of HTTP Basic (RFC 7617); None where it is
    none."""
    scheme, _, text = authorization.partition(" ")
    try:
        user, colon, password = b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if scheme.lower() == "basic" and colon else None
