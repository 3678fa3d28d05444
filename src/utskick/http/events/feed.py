"""Endpoint of /events: status changes of deliveries in a stable order, for systems that poll."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from utskick.domain.feed import OLDEST, Position, read_position
from utskick.http.context import ApiContext
from utskick.http.wire.params import Parameters, count
from utskick.http.wire.responses import json_response
from utskick.store.database import answering
from utskick.store.events.feed import Feed, FeedQuery

_USUAL, _MOST = 100, 1000
_LATEST: Final = "latest"


class FeedCalls:
    """Endpoint for both forms of the path."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._feed = Feed(service.database)

    async def events(self, request: Request) -> Response:
        """Return a page of the feed.

        A client that continues from ``next`` receives every event exactly once.
        """
        parameters = Parameters("getEvents", self._service.municipalities)
        municipality_id = parameters.municipality(
            request.path_params.get("municipalityId", self._service.default_municipality)
        )
        after, limit = page_after(request, parameters), page_limit(request, parameters)
        origin = parameters.text("origin", request.query_params.get("origin"))
        parameters.done()
        async with answering():
            window = FeedQuery(
                municipality_id, after if after is not None else await self._feed.now(), origin
            )
            page = await self._feed.page(window, limit)
        body = {
            "events": [event.told() for event in page.events],
            "next": str(page.next),
            "more": page.more,
        }
        return json_response(body)


def page_after(request: Request, parameters: Parameters) -> Position | None:
    """Return the position to continue from; None for now."""
    given = request.query_params.get("after")
    if given is None:
        return OLDEST
    if given == _LATEST:
        return None
    found = read_position(given)
    if found is None:
        parameters.fault("after", "not a valid position")
    return found


def page_limit(request: Request, parameters: Parameters) -> int:
    limit = count(request, "limit", _USUAL)
    if not 1 <= limit <= _MOST:
        parameters.fault(
            "limit", f"must be greater than or equal to 1 and less than or equal to {_MOST}"
        )
    return limit
