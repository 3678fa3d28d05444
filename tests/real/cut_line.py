"""A TCP line to a server that is cut after a number of bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Literal, Self

from tests.real.server import HOST

Direction = Literal["up", "down"]
_PIECE: Final = 65_536


class CutLine:
    """Forwards connections to a port, and cuts the first one after some bytes in one direction.

    ``passed``: bytes of the first connection by direction.
    """

    def __init__(self, port: int, direction: Direction = "up", after: int | None = None) -> None:
        self._target = port
        self._direction = direction
        self._after = after
        self.passed = {"up": 0, "down": 0}
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        first = self.connections == 1
        far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        streams = (writer, far_writer)
        try:
            await asyncio.gather(
                self._copy(reader, far_writer, "up" if first else None, streams),
                self._copy(far_reader, writer, "down" if first else None, streams),
            )
        finally:
            for stream in streams:
                stream.transport.abort()

    async def _copy(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        direction: Direction | None,
        streams: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                left = self._left(direction)
                target.write(data if left is None else data[:left])
                await target.drain()
                if direction is not None:
                    self.passed[direction] += len(data)
                if left is not None and left <= len(data):
                    for stream in streams:
                        stream.transport.abort()
                    return
            target.transport.close()

    def _left(self, direction: Direction | None) -> int | None:
        if direction is None or direction != self._direction or self._after is None:
            return None
        return self._after - self.passed[direction]
