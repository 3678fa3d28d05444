"""The client for asyncio: the same methods, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from utskick_client.calls import Call, Flow
from utskick_client.methods import AsynchronousClient, Methods
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


class AsyncUtskickClient(Methods, AsynchronousClient):
    """``async with AsyncUtskickClient(url, municipality) as utskick``. Calls raise ``Refused`` or
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
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._session = Session.of(
            url, municipality, who=who(origin, sent_by), token=token, patience=patience
        )
        self._tries = Tries(patience)
        self._http = http or httpx2.AsyncClient()
        self._owned = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._owned:
            await self._http.aclose()

    async def do(self, call: Call[T]) -> T:
        """Carry out a call."""
        async with _Line(self._http, self._session) as line:
            plan = self._tries.of(call.request)
            came: Any = None
            while True:
                try:
                    step = plan.send(came)
                except StopIteration as done:
                    return call.read(done.value)
                came = await line.carry_out(step)

    async def iterate(self, flow: Flow[T]) -> AsyncGenerator[T, None]:
        """Carry out what is iterated over."""
        async with _Line(self._http, self._session) as line:
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
                    came = await line.carry_out(step)


class _Line:
    """Carries out steps; holds the one stream that is open."""

    def __init__(self, http: httpx2.AsyncClient, session: Session) -> None:
        self._http = http
        self._session = session
        self._stack = AsyncExitStack()
        self._pieces: AsyncIterator[Any] = _nothing()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def carry_out(self, step: Step) -> Any:
        match step:
            case Send(request, streamed):
                return await self._send(request, streamed=streamed)
            case Next():
                return await self._next()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Item():
                raise TypeError("a call that is not iterated over has no items")
        return None

    async def _send(self, request: Request, *, streamed: bool) -> Reply | Fault:
        await self._stack.aclose()
        try:
            built = self._http.build_request(**self._session.asked(request))
            response = await self._http.send(built, auth=self._session.auth, stream=True)
            self._stack.push_async_callback(response.aclose)
            if streamed and response.status_code < 300:
                pieces: Any = aiter(
                    httpx2.EventSource(response)
                    if is_event_stream(response)
                    else response.aiter_bytes()
                )
                self._pieces = await self._stack.enter_async_context(aclosing(pieces))
                return Reply(response.status_code, response.headers, b"")
            return Reply(response.status_code, response.headers, await response.aread())
        except httpx2.HTTPError as fault:
            return fault_of(fault)

    async def _next(self) -> Any:
        try:
            return await anext(self._pieces, None)
        except httpx2.HTTPError as fault:
            return fault_of(fault)


async def _nothing() -> AsyncIterator[Any]:
    return
    yield
