"""One bound session (SMPP 3.4 section 2.2): requests in a window, answers by their number, a
question now and then whether it lives."""

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
    COME_AGAIN,
    NOT_TAKEN,
    OK,
    UNKNOWN_COMMAND,
    of_bind,
    of_message,
)
from utskick.channels.sms.smpp.pdu import Command, Frame, InvalidPdu, bind_body, read_frame
from utskick.channels.sms.smpp.submit_sm import Part
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Uncertain

#: What the owner does with a deliver_sm: the status to answer with, once it has been kept.
Hear = Callable[[DeliverSm], Awaitable[int]]

#: How many messages of the centre's may be being kept at a time; more are asked to come again.
_KEEPING: Final = 64
#: Seconds for a polite end.
_FAREWELL: Final = 1.0
_LAST_NUMBER: Final = 0x7FFF_FFFF

_LOST: Final = Uncertain(
    Reason("connection-lost", "the request left, and the connection was lost before the answer")
)
_NO_ANSWER: Final = Uncertain(Reason("no-answer", "the request left, and no answer came in time"))
_GARBAGE: Final = Uncertain(
    Reason("garbage", "the provider's answer to the message cannot be understood")
)
_ENDED: Final = Deferred(
    Reason("unreachable", "the session with the provider had ended before the request left")
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took a part. ``message_id`` None: it did not say what it calls it."""

    message_id: str | None


class Session:
    """Open one with ``bind``; it serves until ``ended``."""

    def __init__(
        self,
        account: SmppAccount,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        hear: Hear,
    ) -> None:
        self._account = account
        self._reader, self._writer = streams
        self._hear = hear
        self._window = asyncio.Semaphore(account.window)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._number = 0
        self._keeping: set[asyncio.Task[None]] = set()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.ended = asyncio.Event()
        self._leaving = False

    @property
    def usable(self) -> bool:
        return not self.ended.is_set() and not self._leaving

    async def bind(self) -> Outcome | None:
        """None: bound, and served from now on."""
        self._tasks = (asyncio.create_task(self._read()),)
        account = self._account
        body = bind_body(
            account.system_id, account.password.get_secret_value(), account.system_type
        )
        answer = await self._ask(Command.BIND_TRANSCEIVER, body)
        if answer is None:
            self.drop()
            return Deferred(
                Reason(
                    "unreachable", "the provider took our connection and did not answer our login"
                )
            )
        if answer.status != OK or not answer.answers(Command.BIND_TRANSCEIVER):
            self.drop()
            return of_bind(answer.status)
        self._tasks += (asyncio.create_task(self._look_alive()),)
        return None

    async def submit(self, part: Part) -> Accepted | Outcome:
        """One submit_sm and its answer."""
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
        return Accepted(answer.message_id) if answer.answers(Command.SUBMIT_SM) else _GARBAGE

    async def leave(self) -> None:
        """Unbind and close (section 4.2); what is being kept is answered first."""
        self._leaving = True
        if not self.ended.is_set():
            if self._keeping:
                await asyncio.wait(self._keeping, timeout=_FAREWELL)
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._ask(Command.UNBIND)
        self.drop()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._keeping, return_exceptions=True)

    def drop(self) -> None:
        """Close at once; whoever waits for an answer learns that there will be none."""
        self.ended.set()
        self._writer.transport.abort()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.cancel()

    async def _ask(self, command: Command, body: bytes = b"") -> Frame | None:
        """None: no answer, or the connection is lost."""
        number = self._next()
        try:
            return await self._exchange(Frame(command, 0, number, body).encode(), number)
        except TimeoutError:
            return None

    async def _exchange(self, data: bytes, number: int) -> Frame | None:
        """None: the connection was lost. Raises ``TimeoutError``."""
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._account.response_timeout):
                self._writer.write(data)
                with suppress(OSError):  # the reader notices it too
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
                    self._sort(await read_frame(self._reader))
        finally:
            self.drop()

    def _sort(self, frame: Frame) -> None:
        if frame.is_answer:
            waiting = self._waiting.get(frame.sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
        elif frame.command == Command.DELIVER_SM:
            self._take(frame)
        elif frame.command == Command.ENQUIRE_LINK:
            self._answer(frame.answer())
        elif frame.command == Command.UNBIND:
            self._answer(frame.answer())
            self._leaving = True
            asyncio.get_running_loop().call_later(_FAREWELL, self.drop)
        else:
            self._answer(Frame(Command.GENERIC_NACK, UNKNOWN_COMMAND, frame.sequence))

    def _take(self, frame: Frame) -> None:
        """Answered only when it has been kept; the reading goes on meanwhile."""
        message = frame.message()
        if message is None:
            self._answer(frame.answer(NOT_TAKEN))
        elif len(self._keeping) >= _KEEPING:
            self._answer(frame.answer(COME_AGAIN))
        else:
            task = asyncio.create_task(self._keep(frame, message))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _keep(self, frame: Frame, message: DeliverSm) -> None:
        self._answer(frame.answer(await self._hear(message)))

    def _answer(self, frame: Frame) -> None:
        if not self.ended.is_set():
            self._writer.write(frame.encode())

    async def _look_alive(self) -> None:
        """Section 4.11: a session that does not answer is none."""
        while True:
            await asyncio.sleep(self._account.enquire_link)
            if await self._ask(Command.ENQUIRE_LINK) is None:
                self.drop()
                return


async def open_session(account: SmppAccount, hear: Hear) -> Session | Outcome:
    """Connected, secured and bound; or why not."""
    try:
        tls = await asyncio.to_thread(account.tls)
    except OSError as fault:
        return Misconfigured(
            Reason(
                "tls",
                f"the account's certificate authorities cannot be read: {type(fault).__name__}",
            )
        )
    try:
        async with asyncio.timeout(account.connect_timeout):
            streams = await asyncio.open_connection(
                account.host, account.port, ssl=tls, server_hostname=account.host if tls else None
            )
    except ssl.SSLError as fault:
        return Misconfigured(
            Reason("tls", f"no secure connection to the provider: {type(fault).__name__}")
        )
    except ValueError as fault:
        return Misconfigured(
            Reason("address", f"the provider's address cannot be used: {type(fault).__name__}")
        )
    except (OSError, TimeoutError) as fault:
        return Deferred(
            Reason("unreachable", f"the provider could not be reached ({type(fault).__name__})")
        )
    session = Session(account, streams, hear)
    try:
        refusal = await session.bind()
    except BaseException:
        session.drop()
        raise
    return session if refusal is None else refusal
