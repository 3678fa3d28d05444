"""Synchronous client; each call returns its result."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from utskick_client.calls import Call, Flow
from utskick_client.methods import Methods, SynchronousClient
from utskick_client.session import Session, Token, caller_headers, fault_of, is_event_stream
from utskick_client.steps import (
    Fault,
    Item,
    Next,
    Pause,
    Reply,
    Request,
    Retrier,
    RetryPolicy,
    Send,
    Step,
)

T = TypeVar("T")


class UtskickClient(Methods, SynchronousClient):
    """Synchronous client: ``with UtskickClient(url, municipality) as utskick``.

    ``token``: see ``Token``. ``origin``: name of the calling system. ``sent_by``: login name of the
    person. ``http``: your own HTTP client, for proxies, certificates and limits; it is not closed.

    Calls raise ``Refused`` or ``NoAnswer``.
    """

    def __init__(  # noqa: PLR0913 - the public interface: keyword arguments are easier to read
        self,
        url: str,
        municipality: str = "2281",
        *,
        token: Token | None = None,
        origin: str | None = None,
        sent_by: str | None = None,
        retry_policy: RetryPolicy = RetryPolicy(),
        http: httpx2.Client | None = None,
    ) -> None:
        self._session = Session.of(
            url,
            municipality,
            caller_headers=caller_headers(origin, sent_by),
            token=token,
            retry_policy=retry_policy,
        )
        self._retrier = Retrier(retry_policy)
        self._http = http or httpx2.Client()
        self._owned = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._owned:
            self._http.close()

    def do(self, call: Call[T]) -> T:
        """Make a call and return its result."""
        with _Executor(self._http, self._session) as executor:
            plan = self._retrier.of(call.request)
            outcome: Any = None
            while True:
                try:
                    step = plan.send(outcome)
                except StopIteration as done:
                    return call.read(done.value)
                outcome = executor.execute(step)

    def iterate(self, flow: Flow[T]) -> Generator[T, None, None]:
        """Iterate over the items of a flow."""
        with _Executor(self._http, self._session) as executor:
            steps = flow.steps(self._retrier)
            outcome: Any = None
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    outcome = None
                    yield step.value
                else:
                    outcome = executor.execute(step)


class _Executor:
    """Executor of the steps of a call; holds at most one open stream."""

    def __init__(self, http: httpx2.Client, session: Session) -> None:
        self._http = http
        self._session = session
        self._stack = ExitStack()
        self._stream: Iterator[Any] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def execute(self, step: Step) -> Any:
        match step:
            case Send(request, streamed):
                return self._send(request, streamed=streamed)
            case Next():
                return self._next()
            case Pause(seconds):
                time.sleep(seconds)
            case Item():
                raise TypeError("only an iteration has items")
        return None

    def _send(self, request: Request, *, streamed: bool) -> Reply | Fault:
        self._stack.close()
        try:
            built = self._http.build_request(**self._session.arguments(request))
            response = self._http.send(built, auth=self._session.auth, stream=True)
            self._stack.callback(response.close)
            if streamed and response.status_code < 300:
                self._stream = iter(
                    httpx2.EventSource(response)
                    if is_event_stream(response)
                    else response.iter_bytes()
                )
                return Reply(response.status_code, response.headers, b"")
            return Reply(response.status_code, response.headers, response.read())
        except httpx2.HTTPError as fault:
            return fault_of(fault)

    def _next(self) -> Any:
        try:
            return next(self._stream, None)
        except httpx2.HTTPError as fault:
            return fault_of(fault)
