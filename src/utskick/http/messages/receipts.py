"""Endpoint of POST /receipts/….

Delivery reports of providers, verified by the channel and stored by the engine.
"""

from __future__ import annotations

from fastapi import Request, Response

from utskick.domain.channel import ProviderCallback
from utskick.http.context import ApiContext
from utskick.http.wire.body import read_body
from utskick.store.database import answering

_LIMIT = 256 * 1024


class ReceiptOperations:
    """One endpoint for all channels; the secret is in the path or in the Authorization header."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service

    async def take(self, request: Request) -> Response:
        body = await read_body(request, _LIMIT)
        callback = ProviderCallback(
            account=request.path_params["provider"],
            secret=request.path_params.get("secret"),
            headers=dict(request.headers),
            query=dict(request.query_params),
            body=body,
        )
        async with answering():
            await self._service.receipts.take(request.path_params["channel"], callback)
        return Response(status_code=200)
