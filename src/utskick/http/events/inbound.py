"""Endpoint of /inbound-messages: what people write to numbers of ours, for systems that poll."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from utskick.domain.account_label import label_of
from utskick.domain.clock import swedish
from utskick.domain.inbound import InboundMessage
from utskick.http.context import ApiContext
from utskick.http.events.feed import page_after, page_limit
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.database import answering
from utskick.store.messages.inbound import InboundFeed


class InboundCalls:
    """Endpoint of inbound messages."""

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

    def _told(self, message: InboundMessage) -> dict[str, Any]:
        return without_nulls(
            {
                "id": str(message.id),
                "receivedAt": swedish(message.received_at),
                "sender": message.sender,
                "recipient": message.recipient,
                "text": message.text,
                "stop": message.stop,
                "missingParts": message.missing,
                "account": label_of(self._service.channels, message.account),
            }
        )
