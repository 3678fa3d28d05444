"""Client for asyncio, with the same methods as the synchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from utskick_client.calls import Call, Flow
from utskick_client.methods import AsynchronousClient, Methods
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


class AsyncUtskickClient(Methods, AsynchronousClient):
    """Asynchronous client: ``async with AsyncUtskickClient(url, municipality) as utskick``.

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
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._session = Session.of(
            url,
            municipality,
            caller_headers=caller_headers(origin, sent_by),
            token=token,
            retry_policy=retry_policy,
        )
        self._retrier = Retrier(retry_policy)
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
        """Make a call and return its result."""
        async with _Executor(self._http, self._session) as executor:
            plan = self._retrier.of(call.request)
            outcome: Any = None
            while True:
                try:
                    step = plan.send(outcome)
                except StopIteration as done:
                    return call.read(done.value)
                outcome = await executor.execute(step)

    async def iterate(self, flow: Flow[T]) -> AsyncGenerator[T, None]:
        """Iterate over the items of a flow."""
        async with _Executor(self._http, self._session) as executor:
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
                    outcome = await executor.execute(step)


class _Executor:
    """Executor of the steps of a call; holds at most one open stream."""

    def __init__(self, http: httpx2.AsyncClient, session: Session) -> None:
        self._http = http
        self._session = session
        self._stack = AsyncExitStack()
        self._stream: AsyncIterator[Any] = _empty_stream()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def execute(self, step: Step) -> Any:
        match step:
            case Send(request, streamed):
                return await self._send(request, streamed=streamed)
            case Next():
                return await self._next()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Item():
                raise TypeError("only an iteration has items")
        return None

    async def _send(self, request: Request, *, streamed: bool) -> Reply | Fault:
        await self._stack.aclose()
        try:
            built = self._http.build_request(**self._session.arguments(request))
            response = await self._http.send(built, auth=self._session.auth, stream=True)
            self._stack.push_async_callback(response.aclose)
            if streamed and response.status_code < 300:
                pieces: Any = aiter(
                    httpx2.EventSource(response)
                    if is_event_stream(response)
                    else response.aiter_bytes()
                )
                self._stream = await self._stack.enter_async_context(aclosing(pieces))
                return Reply(response.status_code, response.headers, b"")
            return Reply(response.status_code, response.headers, await response.aread())
        except httpx2.HTTPError as fault:
            return fault_of(fault)

    async def _next(self) -> Any:
        try:
            return await anext(self._stream, None)
        except httpx2.HTTPError as fault:
            return fault_of(fault)


async def _empty_stream() -> AsyncIterator[Any]:
    return
    yield
