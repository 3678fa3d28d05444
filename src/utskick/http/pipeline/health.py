"""Health: does the process answer, and can it do its work."""

from __future__ import annotations

import orjson
from fastapi import Request, Response

from utskick.http.context import ApiContext


class HealthOperations:
    """``ready`` is 503 while the database is away; an ill provider is told, and does not take the
    service out of rotation."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service

    async def live(self, _request: Request) -> Response:
        return Response(b'{"status":"UP"}', media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        found = await self._service.ready()
        return Response(
            orjson.dumps(found),
            200 if found["status"] == "UP" else 503,
            media_type="application/json",
        )
