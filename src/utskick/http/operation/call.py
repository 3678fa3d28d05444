"""A call of the API: its path, its endpoint, and how it is described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Response

from utskick.http.operation import Operation


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of them. ``path`` is without the municipality; ``served`` is the path as it is routed,
    where that differs (``{name:path}``)."""

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Response]]
    described: Operation
    served: str | None = None
