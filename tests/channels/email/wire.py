"""A mail server of the tests, on 127.0.0.1, that says what it is told to say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from tests.contracts.provider import PATIENCE
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.settings import EmailSettings
from utskick.domain.channel import Draft
from utskick.domain.recipient import Recipient

SECRET = "correct-horse-battery"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

EXTENSIONS = ("SIZE 1000000", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN")
GOOD = {
    "EHLO": "",
    "AUTH": "235 2.7.0 in",
    "RSET": "250 2.0.0 reset",
    "NOOP": "250 2.0.0 here",
    "MAIL": "250 2.1.0 sender",
    "RCPT": "250 2.1.5 recipient",
    "DATA": "354 go on",
    ".": "250 2.0.0 Ok: queued as 4F1B2C",
    "QUIT": "221 2.0.0 bye",
}

#: In place of a reply: say nothing, or close.
SILENCE, CLOSE = "<silence>", "<close>"


class ScriptedServer:
    """``replies`` by verb; ``.`` is the reply to the content. A list is said one by one, its last
    for ever."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = dict(GOOD)
        self.extensions: tuple[str, ...] = EXTENSIONS
        self.greeting = "220 test ESMTP"
        self.greeting_delay = 0.0
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        for writer in tuple(self.open):
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            await asyncio.sleep(self.greeting_delay)
            await self._say(writer, self.greeting)
            while line := await reader.readline():
                await self._answer(line.decode("utf-8").rstrip("\r\n"), reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self.open.discard(writer)
            writer.close()

    async def _answer(
        self, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.commands.append(command)
        verb = command.split(" ")[0].upper()
        if verb == "EHLO":
            await self._say(
                writer,
                "\r\n".join((*(f"250-{line}" for line in ("test", *self.extensions)), "250 HELP")),
            )
            return
        reply = self._reply(verb)
        await self._say(writer, reply)
        if verb == "DATA" and reply.startswith("354"):
            content = await reader.readuntil(b"\r\n.\r\n")
            self.messages.append(content[:-3].replace(b"\r\n..", b"\r\n."))
            await self._say(writer, self._reply("."))

    def _reply(self, verb: str) -> str:
        reply = self.replies.get(verb, "500 5.5.1 unknown command")
        if isinstance(reply, list):
            return str(reply.pop(0) if len(reply) > 1 else reply[0])
        return str(reply)

    async def _say(self, writer: asyncio.StreamWriter, reply: str) -> None:
        if reply == SILENCE:
            return
        if reply == CLOSE:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()


def channel_to(port: int, *, section: dict[str, Any] | None = None, **account: Any) -> EmailChannel:
    """A channel whose one account, ``relay``, is the server at ``port``: in plain text and with
    short time-outs. ``section``: more of the settings section."""
    merged = {
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "username": "utskick",
        "password": SECRET,
        **PATIENCE,
        "helo": "utskick.test",
        **account,
    }
    if account.get("username", "") is None:
        merged.pop("password")
    settings = {"sender": SENDER, **(section or {}), "accounts": {"relay": merged}}
    return build(EmailSettings.model_validate(settings))


SENDER = {"name": "Sundsvalls kommun", "address": "noreply@sundsvall.se"}


def draft(to: str = "anna@example.com", **content: Any) -> Draft:
    members = {"subject": "Hej", "message": "Hej du", "_sender": SENDER, **content}
    return Draft("2281", members, Recipient(to), created_at=NOON)


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the other side does, at most two seconds."""
    async with asyncio.timeout(2):
        while not holds():
            await asyncio.sleep(0.005)
