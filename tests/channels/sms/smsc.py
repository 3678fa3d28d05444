"""Message centres of the tests: one whose every octet is ours to choose, for what no decent one
does; and the one that smpp34 brings."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import smpp34

from tests.channels.sms.stage import channel, draft
from tests.contracts.provider import CONNECTING, SECRET, SILENT
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.outcome import Outcome

SUBMIT, DELIVER, UNBIND, BIND, ENQUIRE, ANSWER = 4, 5, 6, 9, 0x15, 0x8000_0000
#: In place of a status: say nothing, close, or say what is no PDU.
SILENCE, CLOSE, GARBAGE, OVERSIZED = "silence", "close", "garbage", "oversized"


def pdu(command: int, status: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack("!IIII", 16 + len(body), command, status, number) + body


def receipt_text(message_id: str, stat: str = "DELIVRD", err: str = "000") -> bytes:
    """As appendix B prints it."""
    return (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201"
        f" stat:{stat} err:{err} text:Din bok"
    ).encode()


class ScriptedCentre:
    """``answers``: what it says to a submit_sm, one by one, the last for ever: a status, or one of
    the words above."""

    def __init__(self) -> None:
        self.answers: list[int | str] = [0]
        self.bind_status: int | str = 0
        self.requests: list[tuple[int, int, bytes]] = []
        self.binds = 0
        self.number = 0
        self.alive = True
        self.lines: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        for line in self.lines:
            line.transport.abort()

    @property
    def submits(self) -> list[smpp34.SubmitSm]:
        found = [
            smpp34.decode(pdu(SUBMIT, 0, number, body))
            for command, number, body in self.requests
            if command == SUBMIT
        ]
        return [each for each in found if isinstance(each, smpp34.SubmitSm)]

    def answered(self, command: int) -> list[tuple[int, int, bytes]]:
        return [request for request in self.requests if request[0] == command | ANSWER]

    def deliver(self, text: bytes, number: int = 1, **members: Any) -> None:
        sender = members.pop("source_addr", "46701740605")
        recipient = members.pop("destination_addr", "Utskick")
        message = smpp34.DeliverSm(
            sender, recipient, text, sequence_number=number, **{"esm_class": 4, **members}
        )
        self.say(message.encode())

    def say(self, data: bytes) -> None:
        self.lines[-1].write(data)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(writer)
        try:
            while True:
                length, command, status, number = struct.unpack(
                    "!IIII", await reader.readexactly(16)
                )
                body = await reader.readexactly(length - 16)
                self.requests.append((command, status if command & ANSWER else number, body))
                self._answer(writer, command, number)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, command: int, number: int) -> None:
        if command == BIND:
            self.binds += 1
            self._speak(writer, self.bind_status, BIND, number, b"SMSC\0")
        elif command == SUBMIT:
            self.number += 1
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self._speak(writer, answer, SUBMIT, number, f"id-{self.number}\0".encode())
        elif command in (ENQUIRE, UNBIND) and self.alive:
            writer.write(pdu(command | ANSWER, 0, number))

    def _speak(
        self,
        writer: asyncio.StreamWriter,
        answer: int | str,
        command: int,
        number: int,
        body: bytes,
    ) -> None:
        if answer == CLOSE:
            writer.transport.abort()
        elif answer == GARBAGE:
            writer.write(b"<html>It works!</html>\r\n\r\n")
        elif answer == OVERSIZED:
            writer.write(
                struct.pack("!IIII", 0x7FFF_0000, command | ANSWER, 0, number) + b"x" * 100_000
            )
        elif isinstance(answer, int):
            writer.write(pdu(command | ANSWER, answer, number, b"" if answer else body))


def settings(port: int, **more: Any) -> dict[str, Any]:
    return {
        "provider": "smpp",
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "system_id": "municipality",
        "password": SECRET,
        "connect_timeout": CONNECTING,
        "response_timeout": SILENT,
        "part_patience": 0.6,
        **more,
    }


def channel_to(port: int, **more: Any) -> SmsChannel:
    return channel(smpp=settings(port, **more))


async def send(
    channel: SmsChannel, key: Any, text: str = "Din bok finns att hämta.", **content: Any
) -> Outcome:
    outcome = await channel.send(draft(message=text, **content), key, "smpp")
    assert "46701740605" not in repr(outcome)
    assert SECRET not in repr(outcome)
    return outcome


class Desk:
    """Keeps receipts, or says that it cannot."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any]] = []
        self.closed = False
        self.open = asyncio.Event()
        self.open.set()

    async def keep(self, account: str, receipts: Any) -> None:
        await self.open.wait()
        if self.closed:
            raise ConnectionError("the database is away")
        self.kept += [(account, receipt) for receipt in receipts]


async def until(holds: Callable[[], Any] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the other side does, at most two seconds."""
    async with asyncio.timeout(2):
        while not holds():
            await asyncio.sleep(0.005)
