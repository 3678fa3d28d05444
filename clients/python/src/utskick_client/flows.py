"""What takes more than one answer: pages, the feed, live progress, and files in pieces."""

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
    Send,
    Step,
    Tries,
    lost,
    refusal,
)
from utskick_client.wire import decoded, read

Steps = Generator[Step, Any, None]
P = TypeVar("P", UserBatches, UserMessages)

#: Seconds until a broken stream is asked for again, where the service has not said otherwise.
_AGAIN: Final = 1.0
#: Seconds without a sign of life after which a stream is dead: the service gives one every 15.
_QUIET: Final = 45.0
#: What may be gone in a moment, of those who watch.
_AWAY: Final = frozenset({502, 503, 504})


# -- pages ----------------------------------------


def all_user_batches(user_id: str, *, limit: int = 100) -> Flow[UserBatch]:
    """All batches that somebody sent in the last 30 days, newest first; ``limit``: how many are
    asked for at a time."""
    return Flow(
        lambda tries: _pages(
            tries,
            lambda n: reading.user_batches(user_id, page=n, limit=limit),
            lambda page: page.batches,
        )
    )


def all_user_messages(
    user_id: str, *, batch_id: str | None = None, limit: int = 100
) -> Flow[UserMessage]:
    """All messages that somebody sent in the last 30 days."""
    return Flow(
        lambda tries: _pages(
            tries,
            lambda n: reading.user_messages(user_id, batch_id=batch_id, page=n, limit=limit),
            lambda page: page.messages,
        )
    )


def _pages(
    tries: Tries, ask: Callable[[int], Call[P]], items: Callable[[P], tuple[Any, ...]]
) -> Steps:
    number = 1
    while True:
        call = ask(number)
        page = call.read((yield from tries.of(call.request)))
        for item in items(page):
            yield Item(item)
        if number >= page.paging.total_pages:
            return
        number += 1


def follow_events(
    after: str | None = None, *, origin: str | None = None, every: float | None = None
) -> Flow[EventPage]:
    """Pages of the feed that have events, from ``after`` on. Keep ``page.next`` when a page has
    been dealt with: from there it goes on.

    ``every``: seconds between two looks when there is nothing new; None: end there.
    """
    return Flow(lambda tries: _feed(tries, after, origin, every))


def _feed(tries: Tries, after: str | None, origin: str | None, every: float | None) -> Steps:
    while True:
        call = reading.events(after, origin=origin)
        page = call.read((yield from tries.of(call.request)))
        after = page.next
        if page.events:
            yield Item(page)
        if not page.more:
            if every is None:
                return
            yield Pause(every)


# -- files ----------------------------------------


def attachment_chunks(message_id: str, file_name: str) -> Flow[bytes]:
    """A file of a message, piece by piece. Raises ``NoAnswer`` where the connection is lost before
    its end."""
    return Flow(lambda tries: _chunks(tries, reading.attachment_request(message_id, file_name)))


def _chunks(tries: Tries, request: Request) -> Steps:
    yield from tries.of(request, streamed=True)
    while True:
        piece = yield Next()
        if piece is None:
            return
        if isinstance(piece, Fault):
            raise lost(request, left=True)
        yield Item(piece)


# -- live progress ----------------------------------------


def watch_batch(batch_id: str, *, follow: bool = False) -> Flow[BatchProgress]:
    """The counts of a batch, at once and whenever they have changed, until nothing moves of itself
    any more.

    ``follow``: go on after that, for receipts that may still come, until you leave. A stream that
    breaks off is asked for again; a service that is away is waited for, as long as
    ``Patience.absence`` says.
    """
    return Flow(lambda tries: _Watching(tries, batch_id, follow=follow).steps())


class _Watching:
    """``pause``: until it is asked again."""

    def __init__(self, tries: Tries, batch_id: str, *, follow: bool) -> None:
        self._absence = tries.patience.absence
        self._follow = follow
        query = {"follow": "true"} if follow else {}
        self._request = Request(
            "GET",
            path_of("status", "batch", batch_id, "events"),
            query,
            accept="text/event-stream",
            quiet=_QUIET,
        )
        self._seen: BatchProgress | None = None
        self._pause = _AGAIN
        self._heard = time.monotonic()

    def steps(self) -> Steps:
        while True:
            outcome = yield Send(self._request, streamed=True)
            if isinstance(outcome, Reply) and outcome.status < 300:
                self._heard = time.monotonic()
                if (yield from self._listen()):
                    return
            elif (fault := self._fault(outcome)) is not None:
                raise fault
            yield Pause(self._pause)

    def _listen(self) -> Generator[Step, Any, bool]:
        """Until the stream ends. Whether it is over for good."""
        while True:
            event = yield Next()
            if event is None or isinstance(event, Fault):
                return False
            self._heard = time.monotonic()
            if event.retry is not None:
                self._pause = event.retry / 1000
            if event.event == "settled" and not self._follow:
                return True
            if event.event in ("counts", "settled"):
                seen = read(BatchProgress, decoded(event.data.encode()))
                if seen != self._seen:
                    self._seen = seen
                    yield Item(seen)

    def _fault(self, outcome: Reply | Fault) -> Refused | NoAnswer | None:
        """What is raised where waiting is no use, or no longer."""
        if isinstance(outcome, Reply):
            refused = refusal(outcome)
            return refused if refused.status not in _AWAY or self._waited() else None
        return lost(self._request, left=outcome.left) if self._waited() else None

    def _waited(self) -> bool:
        return time.monotonic() - self._heard > self._absence
