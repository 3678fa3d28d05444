"""Endpoints of /inbound-messages: what people write to numbers of ours."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from utskick.domain.account_label import label_of
from utskick.domain.errors import NotFound
from utskick.domain.inbound import InboundMessage
from utskick.http.context import ApiContext
from utskick.http.events.feed import page_after, page_limit
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.database import answering
from utskick.store.messages.inbound_feed import InboundFeed


class InboundCalls:
    """Endpoints of inbound messages."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._feed = InboundFeed(service.database)

    async def messages(self, request: Request) -> Response:
        """Return a page. A client that continues from ``next`` gets every message once."""
        parameters = Parameters("getInboundMessages", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        after, limit = page_after(request, parameters), page_limit(request, parameters)
        parameters.done()
        async with answering():
            start = after if after is not None else await self._feed.now()
            page = await self._feed.page(municipality_id, start, limit)
        return json_response(
            {
                "messages": [self._told(message) for message in page.messages],
                "next": str(page.next),
                "more": page.more,
            }
        )

    async def message(self, request: Request) -> Response:
        """Return one message, such as one that a webhook was told of."""
        parameters = Parameters("getInboundMessage", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        message_id = parameters.uuid("id", request.path_params["id"])
        parameters.done()
        async with answering():
            message = await self._feed.get(municipality_id, message_id)
        if message is None:
            raise NotFound(f"No inbound message found for id {message_id}")
        return json_response(self._told(message))

    def _told(self, message: InboundMessage) -> dict[str, Any]:
        notice = message.told(label_of(self._service.channels, message.account))
        return without_nulls({**notice, "sender": message.sender, "text": message.text})
