"""Iterations over several responses: pages, event feed, live progress and file chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

from utskick_client import reading
from utskick_client.calls import Call, Flow, path_of
from utskick_client.errors import NoAnswer, Refused
from utskick_client.reports import EventPage, UserBatch, UserBatches, UserMessage, UserMessages
from utskick_client.results import BatchProgress
from utskick_client.steps import (
    Fault,
    Item,
    Next,
    Pause,
    Reply,
    Request,
    Retrier,
    Send,
    Step,
    no_answer,
    refused_of,
)
from utskick_client.wire import parse_json, read

Steps = Generator[Step, Any, None]
P = TypeVar("P", UserBatches, UserMessages)

#: Seconds before reconnecting to a stream, unless the service specifies them.
_RECONNECT_DELAY: Final = 1.0
#: Seconds without data after which a stream is dead; the service sends data every 15.
_READ_TIMEOUT: Final = 45.0
#: Temporary statuses while watching.
_TEMPORARY: Final = frozenset({502, 503, 504})


# -- pages ----------------------------------------


def all_user_batches(user_id: str, *, limit: int = 100) -> Flow[UserBatch]:
    """Iterate over a user's batches of the last 30 days, newest first, ``limit`` per request."""
    return Flow(
        lambda retrier: _pages(
            retrier,
            lambda n: reading.user_batches(user_id, page=n, limit=limit),
            lambda page: page.batches,
        )
    )


def all_user_messages(
    user_id: str, *, batch_id: str | None = None, limit: int = 100
) -> Flow[UserMessage]:
    """Iterate over a user's messages of the last 30 days."""
    return Flow(
        lambda retrier: _pages(
            retrier,
            lambda n: reading.user_messages(user_id, batch_id=batch_id, page=n, limit=limit),
            lambda page: page.messages,
        )
    )


def _pages(
    retrier: Retrier, get_page: Callable[[int], Call[P]], items: Callable[[P], tuple[Any, ...]]
) -> Steps:
    number = 1
    while True:
        call = get_page(number)
        page = call.read((yield from retrier.of(call.request)))
        for item in items(page):
            yield Item(item)
        if number >= page.paging.total_pages:
            return
        number += 1


def follow_events(
    after: str | None = None, *, origin: str | None = None, every: float | None = None
) -> Flow[EventPage]:
    """Iterate over the pages of the event feed that have events, beginning after ``after``.

    Store ``page.next`` after processing a page, to resume there. ``every``: seconds between
    requests when there is nothing new; None ends the iteration then.
    """
    return Flow(lambda retrier: _feed(retrier, after, origin, every))


def _feed(retrier: Retrier, after: str | None, origin: str | None, every: float | None) -> Steps:
    while True:
        call = reading.events(after, origin=origin)
        page = call.read((yield from retrier.of(call.request)))
        after = page.next
        if page.events:
            yield Item(page)
        if not page.more:
            if every is None:
                return
            yield Pause(every)


# -- files ----------------------------------------


def attachment_chunks(message_id: str, file_name: str) -> Flow[bytes]:
    """Iterate over the chunks of a file; raise ``NoAnswer`` if the connection is lost."""
    return Flow(lambda retrier: _chunks(retrier, reading.attachment_request(message_id, file_name)))


def _chunks(retrier: Retrier, request: Request) -> Steps:
    yield from retrier.of(request, streamed=True)
    while True:
        chunk = yield Next()
        if chunk is None:
            return
        if isinstance(chunk, Fault):
            raise no_answer(request, sent=True)
        yield Item(chunk)


# -- live progress ----------------------------------------


def watch_batch(batch_id: str, *, follow: bool = False) -> Flow[BatchProgress]:
    """Iterate over the counts of a batch: now, and after each change until it has settled.

    ``follow``: continue afterwards, since receipts may still arrive. A broken stream is
    reconnected; an unavailable service is awaited for ``RetryPolicy.max_outage``.
    """
    return Flow(lambda retrier: _BatchWatcher(retrier, batch_id, follow=follow).steps())


class _BatchWatcher:
    """State of a watched batch, across reconnections."""

    def __init__(self, retrier: Retrier, batch_id: str, *, follow: bool) -> None:
        self._absence = retrier.retry_policy.max_outage
        self._follow = follow
        query = {"follow": "true"} if follow else {}
        self._request = Request(
            "GET",
            path_of("status", "batch", batch_id, "events"),
            query,
            accept="text/event-stream",
            read_timeout=_READ_TIMEOUT,
        )
        self._last_progress: BatchProgress | None = None
        self._pause_seconds = _RECONNECT_DELAY
        self._last_data_at = time.monotonic()

    def steps(self) -> Steps:
        while True:
            outcome = yield Send(self._request, streamed=True)
            if isinstance(outcome, Reply) and outcome.status < 300:
                self._last_data_at = time.monotonic()
                if (yield from self._listen()):
                    return
            elif (fault := self._fault(outcome)) is not None:
                raise fault
            yield Pause(self._pause_seconds)

    def _listen(self) -> Generator[Step, Any, bool]:
        """Follow the stream until it ends; return whether the batch has settled."""
        while True:
            event = yield Next()
            if event is None or isinstance(event, Fault):
                return False
            self._last_data_at = time.monotonic()
            if event.retry is not None:
                self._pause_seconds = event.retry / 1000
            if event.event == "settled" and not self._follow:
                return True
            if event.event in ("counts", "settled"):
                progress = read(BatchProgress, parse_json(event.data.encode()))
                if progress != self._last_progress:
                    self._last_progress = progress
                    yield Item(progress)

    def _fault(self, outcome: Reply | Fault) -> Refused | NoAnswer | None:
        """Return the exception if waiting is useless or has lasted too long, or None."""
        if isinstance(outcome, Reply):
            refused = refused_of(outcome)
            return (
                refused if refused.status not in _TEMPORARY or self._has_waited_too_long() else None
            )
        return no_answer(self._request, sent=outcome.sent) if self._has_waited_too_long() else None

    def _has_waited_too_long(self) -> bool:
        return time.monotonic() - self._last_data_at > self._absence
