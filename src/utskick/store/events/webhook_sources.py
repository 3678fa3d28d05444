"""What webhooks are told of: a feed for each kind, all with positions of the same form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from utskick.domain.feed import Position
from utskick.domain.webhook import WebhookKind
from utskick.store.database import Database
from utskick.store.events.feed import Feed, FeedQuery
from utskick.store.messages.inbound_feed import InboundFeed


@dataclass(frozen=True, slots=True)
class WebhookPage:
    """What one call tells.

    ``next``: the position to go on from. ``more``: there is something behind it already, also where
    the page is empty.
    """

    told: Sequence[Mapping[str, Any]]
    next: Position
    more: bool


class WebhookSource(Protocol):
    """Reader of what webhooks of one kind are told of. Nothing that it returns is personal.

    ``call_type``: ``type`` of their calls. ``member``: of the call's ``data``, that lists it.
    """

    call_type: str
    member: str

    async def page(self, query: FeedQuery, limit: int) -> WebhookPage:
        """Return up to ``limit`` items, in the order of their commits."""

    async def waiting(self, query: FeedQuery) -> tuple[int, bool]:
        """Return how many items there are, and whether there are more than were counted."""


class DeliverySource:
    """Status changes of the deliveries of one calling system."""

    call_type = "delivery.events"
    member = "events"

    def __init__(self, database: Database) -> None:
        self._feed = Feed(database)

    async def page(self, query: FeedQuery, limit: int) -> WebhookPage:
        page = await self._feed.page(query, limit)
        return WebhookPage([event.told() for event in page.events], page.next, page.more)

    async def waiting(self, query: FeedQuery) -> tuple[int, bool]:
        return await self._feed.waiting(query)


class InboundSource:
    """Inbound messages of a municipality, whichever the calling system: a reply names none.

    ``label``: an account's stored name → the readable one.
    """

    call_type = "inbound.messages"
    member = "messages"

    def __init__(self, database: Database, label: Callable[[str], str]) -> None:
        self._feed = InboundFeed(database)
        self._label = label

    async def page(self, query: FeedQuery, limit: int) -> WebhookPage:
        page = await self._feed.notices(query.municipality_id, query.after, limit)
        told = [notice.told(self._label(notice.account)) for notice in page.messages]
        return WebhookPage(told, page.next, page.more)

    async def waiting(self, query: FeedQuery) -> tuple[int, bool]:
        return await self._feed.waiting(query.municipality_id, query.after)


def sources(
    database: Database, label: Callable[[str], str] = str
) -> Mapping[WebhookKind, WebhookSource]:
    """Return the source of each kind. ``label``: as of ``InboundSource``."""
    return {
        WebhookKind.DELIVERIES: DeliverySource(database),
        WebhookKind.INBOUND: InboundSource(database, label),
    }
