"""The client for ordinary code: each call returns when it is done."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from utskick_client.calls import Call, Flow
from utskick_client.methods import Methods, SynchronousClient
from utskick_client.session import Session, Token, fault_of, is_event_stream, who
from utskick_client.steps import (
    Fault,
    Item,
    Next,
    Patience,
    Pause,
    Reply,
    Request,
    Send,
    Step,
    Tries,
)

T = TypeVar("T")


class UtskickClient(Methods, SynchronousClient):
    """``with UtskickClient(url, municipality) as utskick``. Calls raise ``Refused`` or
    ``NoAnswer``.

    ``token``: see ``Token``. ``origin``: the calling system; ``sent_by``: the person, a login name.
    ``http``: a client of your own, for proxies, certificates, and limits; it is not closed here.
    """

    def __init__(  # noqa: PLR0913 - what a user of the package sees: names say more than an object of settings
        self,
        url: str,
        municipality: str = "2281",
        *,
        token: Token | None = None,
        origin: str | None = None,
        sent_by: str | None = None,
        patience: Patience = Patience(),
        http: httpx2.Client | None = None,
    ) -> None:
        self._session = Session.of(
            url, municipality, who=who(origin, sent_by), token=token, patience=patience
        )
        self._tries = Tries(patience)
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
        """Carry out a call."""
        with _Line(self._http, self._session) as line:
            plan = self._tries.of(call.request)
            came: Any = None
            while True:
                try:
                    step = plan.send(came)
                except StopIteration as done:
                    return call.read(done.value)
                came = line.carry_out(step)

    def iterate(self, flow: Flow[T]) -> Generator[T, None, None]:
        """Carry out what is iterated over."""
        with _Line(self._http, self._session) as line:
            steps = flow.steps(self._tries)
            came: Any = None
            while True:
                try:
                    step = steps.send(came)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    came = None
                    yield step.value
                else:
                    came = line.carry_out(step)


class _Line:
    """Carries out steps; holds the one stream that is open."""

    def __init__(self, http: httpx2.Client, session: Session) -> None:
        self._http = http
        self._session = session
        self._stack = ExitStack()
        self._pieces: Iterator[Any] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def carry_out(self, step: Step) -> Any:
        match step:
            case Send(request, streamed):
                return self._send(request, streamed=streamed)
            case Next():
                return self._next()
            case Pause(seconds):
                time.sleep(seconds)
            case Item():
                raise TypeError("a call that is not iterated over has no items")
        return None

    def _send(self, request: Request, *, streamed: bool) -> Reply | Fault:
        self._stack.close()
        try:
            built = self._http.build_request(**self._session.asked(request))
            response = self._http.send(built, auth=self._session.auth, stream=True)
            self._stack.callback(response.close)
            if streamed and response.status_code < 300:
                self._pieces = iter(
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
            return next(self._pieces, None)
        except httpx2.HTTPError as fault:
            return fault_of(fault)
