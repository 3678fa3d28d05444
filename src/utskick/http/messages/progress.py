"""Endpoint of the live progress of a batch, as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
import structlog
from fastapi import Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

from utskick.engine.batch_progress import BatchWatcher, ProgressSnapshot
from utskick.http.context import ApiContext
from utskick.http.wire.params import Parameters, flag

log = structlog.get_logger(__name__)

_OPERATION: Final = "getBatchEvents"


@dataclass(frozen=True, slots=True)
class Manner:
    """Times of a stream in seconds.

    Between keep-alive comments, until a client that does not read is disconnected, of the whole
    stream, and until the client reconnects.
    """

    ping: float = 15.0
    unread: float = 30.0
    life: float = 3600.0
    again: float = 1.0


class ProgressStream:
    """Endpoint for both forms of the path."""

    def __init__(self, service: ApiContext, manner: Manner = Manner()) -> None:
        self._service = service
        self._manner = manner

    async def events(self, request: Request) -> Response:
        parameters = Parameters(_OPERATION, self._service.municipalities)
        municipality_id = parameters.municipality(
            request.path_params.get("municipalityId", self._service.default_municipality)
        )
        batch_id = parameters.uuid("batchId", request.path_params["batchId"])
        parameters.done()
        follow = flag(request, "follow")
        watch = await self._service.progress.join(municipality_id, batch_id)
        changes = _changes(watch, batch_id, follow=follow, manner=self._manner)
        return Stream(changes, lambda: self._service.progress.leave(watch), self._manner)


class Stream(EventSourceResponse):
    """Response with server-sent events.

    A client that does not read is disconnected; the place is released however the stream ends.
    """

    def __init__(
        self, events: AsyncIterator[ServerSentEvent], leave: Callable[[], None], manner: Manner
    ) -> None:
        super().__init__(
            events, ping=manner.ping, send_timeout=manner.unread, ping_message_factory=_sign
        )
        self._unread = manner.unread
        del self.headers["cache-control"]  # RequestMiddleware sets it
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def in_time(message: Message) -> None:
            """Send with a timeout on the last message, which ``send_timeout`` does not cover."""
            async with asyncio.timeout(None if message.get("more_body", True) else self._unread):
                await send(message)

        try:
            await super().__call__(scope, receive, in_time)
        except TimeoutError:
            log.info("stream-cut-off")
        finally:
            self._leave()


async def _changes(
    watch: BatchWatcher, batch_id: UUID, *, follow: bool, manner: Manner
) -> AsyncIterator[ServerSentEvent]:
    """Yield the changes since the last event.

    A slow reader misses intermediate states and delays nobody.
    """
    clock = asyncio.get_running_loop().time
    end, number = clock() + manner.life, 0
    last: ProgressSnapshot | None = None
    while True:
        seen = watch.seen
        if last is None or seen.counts != last.counts:
            number += 1
            yield _event(
                "counts", number, seen, batch_id, retry=manner.again if last is None else None
            )
        if seen.settled == seen.total and (last is None or last.settled < last.total):
            number += 1
            yield _event("settled", number, seen, batch_id)
            if not follow:
                return
        if seen.away and (last is None or not last.away):
            yield ServerSentEvent(comment="the database does not answer; it is asked again")
        last = seen
        if seen.over or not await watch.changed(seen, end - clock()):
            return


def _event(
    kind: str, number: int, seen: ProgressSnapshot, batch_id: UUID, *, retry: float | None = None
) -> ServerSentEvent:
    counts = {status.value: n for status, n in seen.counts.items()}
    data = orjson.dumps(
        {"batchId": str(batch_id), "counts": counts, "total": seen.total, "settled": seen.settled}
    )
    return ServerSentEvent(
        data.decode(),
        event=kind,
        id=str(number),
        retry=None if retry is None else int(retry * 1000),
    )


def _sign() -> ServerSentEvent:
    return ServerSentEvent(comment="still here")
