"""Bound SMPP session (section 2.2): windowed requests, response matching and keep-alive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from smpp34 import DeliverSm

from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.command_status import (
    OK,
    TEMPORARY_ERROR,
    UNKNOWN_COMMAND,
    UNSUPPORTED,
    of_bind,
    of_message,
)
from utskick.channels.sms.smpp.pdu import Command, Frame, InvalidPdu, bind_body, read_frame
from utskick.channels.sms.smpp.submit_sm import Part
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Uncertain
from utskick.outgoing.address_guard import ForbiddenAddress
from utskick.outgoing.dialing import dial
from utskick.outgoing.http_client import FORBIDDEN

#: Handles a deliver_sm and returns the status to respond with, once it has been stored.
Receive = Callable[[DeliverSm], Awaitable[int]]

#: Maximum number of received messages being stored at a time; more get a temporary error.
_MOST_PENDING: Final = 64
#: Seconds allowed for a graceful close.
_FAREWELL: Final = 1.0
_LAST_NUMBER: Final = 0x7FFF_FFFF

_LOST: Final = Uncertain(
    Reason("connection-lost", "the connection was lost after the request was sent")
)
_NO_ANSWER: Final = Uncertain(
    Reason("no-answer", "the request was sent, but no response arrived in time")
)
_GARBAGE: Final = Uncertain(Reason("garbage", "the provider's response cannot be parsed"))
_ENDED: Final = Deferred(
    Reason("unreachable", "the session with the provider ended before the request was sent")
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider accepted a part. ``message_id`` is None if the response has none."""

    message_id: str | None


class Session:
    """Session over an open connection; usable after ``bind`` until ``ended`` is set."""

    def __init__(
        self,
        account: SmppAccount,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        receive: Receive,
    ) -> None:
        self._account = account
        self._reader, self._writer = streams
        self._receive = receive
        self._window = asyncio.Semaphore(account.window)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._number = 0
        self._pending: set[asyncio.Task[None]] = set()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.ended = asyncio.Event()
        self._leaving = False

    @property
    def usable(self) -> bool:
        return not self.ended.is_set() and not self._leaving

    @property
    def outstanding(self) -> int:
        return len(self._waiting)

    async def bind(self) -> Outcome | None:
        """Bind as transceiver. Return None on success, else the outcome of waiting messages."""
        self._tasks = (asyncio.create_task(self._read()),)
        account = self._account
        body = bind_body(
            account.system_id, account.password.get_secret_value(), account.system_type
        )
        answer = await self._request(Command.BIND_TRANSCEIVER, body)
        if answer is None:
            self.drop()
            return Deferred(
                Reason(
                    "unreachable", "the provider accepted the connection but not the bind in time"
                )
            )
        if answer.status != OK or not answer.responds_to(Command.BIND_TRANSCEIVER):
            self.drop()
            return of_bind(answer.status)
        self._tasks += (asyncio.create_task(self._keep_alive()),)
        return None

    async def submit(self, part: Part) -> Accepted | Outcome:
        """Send one submit_sm and await its response."""
        async with self._window:
            if not self.usable:
                return _ENDED
            number = self._next()
            try:
                answer = await self._exchange(part.encode(number), number)
            except TimeoutError:
                return _NO_ANSWER
        if answer is None:
            return _LOST
        if answer.status != OK:
            return of_message(answer.status)
        if not answer.responds_to(Command.SUBMIT_SM):
            return _GARBAGE
        return Accepted(answer.message_id)

    async def leave(self) -> None:
        """Respond to pending messages, unbind (section 4.2) and close."""
        self._leaving = True
        if not self.ended.is_set():
            if self._pending:
                await asyncio.wait(self._pending, timeout=_FAREWELL)
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._request(Command.UNBIND)
        self.drop()
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._pending, return_exceptions=True)

    def drop(self) -> None:
        """Close at once and cancel every request that awaits a response."""
        self.ended.set()
        self._writer.transport.abort()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.cancel()

    async def _request(self, command: Command, body: bytes = b"") -> Frame | None:
        """Return the response, or None if there is none or the connection is lost."""
        number = self._next()
        try:
            return await self._exchange(Frame(command, 0, number, body).encode(), number)
        except TimeoutError:
            return None

    async def _exchange(self, data: bytes, number: int) -> Frame | None:
        """Return the response, or None if the connection is lost. Raises ``TimeoutError``."""
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._account.response_timeout):
                self._writer.write(data)
                with suppress(OSError):  # the reader detects the lost connection as well
                    await self._writer.drain()
                await asyncio.wait((waiting,))
            return None if waiting.cancelled() else waiting.result()
        finally:
            del self._waiting[number]

    def _next(self) -> int:
        self._number = self._number % _LAST_NUMBER + 1
        return self._number

    async def _read(self) -> None:
        try:
            with suppress(InvalidPdu, OSError, asyncio.IncompleteReadError):
                while True:
                    self._dispatch(await read_frame(self._reader))
        finally:
            self.drop()

    def _dispatch(self, frame: Frame) -> None:
        if frame.is_response:
            waiting = self._waiting.get(frame.sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
        elif frame.command == Command.DELIVER_SM:
            self._accept(frame)
        elif frame.command == Command.ENQUIRE_LINK:
            self._respond(frame.response())
        elif frame.command == Command.UNBIND:
            self._respond(frame.response())
            self._leaving = True
            asyncio.get_running_loop().call_later(_FAREWELL, self.drop)
        else:
            self._respond(Frame(Command.GENERIC_NACK, UNKNOWN_COMMAND, frame.sequence))

    def _accept(self, frame: Frame) -> None:
        """Process a deliver_sm in the background; it is acknowledged only once it is stored."""
        message = frame.message()
        if message is None:
            self._respond(frame.response(UNSUPPORTED))
        elif len(self._pending) >= _MOST_PENDING:
            self._respond(frame.response(TEMPORARY_ERROR))
        else:
            task = asyncio.create_task(self._store(frame, message))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _store(self, frame: Frame, message: DeliverSm) -> None:
        self._respond(frame.response(await self._receive(message)))

    def _respond(self, frame: Frame) -> None:
        if not self.ended.is_set():
            self._writer.write(frame.encode())

    async def _keep_alive(self) -> None:
        """Send enquire_link at intervals (section 4.11) and drop an unresponsive session."""
        while True:
            await asyncio.sleep(self._account.enquire_link)
            if await self._request(Command.ENQUIRE_LINK) is None:
                self.drop()
                return


async def open_session(account: SmppAccount, receive: Receive) -> Session | Outcome:
    """Connect, secure and bind. Return the session, or the outcome of the waiting messages."""
    try:
        tls = await asyncio.to_thread(account.tls)
    except OSError as fault:
        return Misconfigured(
            Reason(
                "tls",
                f"the account's CA certificates cannot be loaded: {type(fault).__name__}",
            )
        )
    try:
        async with asyncio.timeout(account.connect_timeout):
            sock = await dial(account.host, account.port, account.reach)
            streams = await asyncio.open_connection(
                sock=sock, ssl=tls, server_hostname=account.host if tls else None
            )
    except ForbiddenAddress:
        return FORBIDDEN
    except ssl.SSLError as fault:
        return Misconfigured(
            Reason("tls", f"TLS connection to the provider failed: {type(fault).__name__}")
        )
    except ValueError as fault:
        return Misconfigured(
            Reason("address", f"the provider's address is not valid: {type(fault).__name__}")
        )
    except (OSError, TimeoutError) as fault:
        return Deferred(
            Reason("unreachable", f"the provider could not be reached ({type(fault).__name__})")
        )
    session = Session(account, streams, receive)
    try:
        refusal = await session.bind()
    except BaseException:
        session.drop()
        raise
    return session if refusal is None else refusal
