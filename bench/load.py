"""Load generator: POST requests over a fixed number of persistent connections, by raw sockets."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """Connection that sends the next request after each complete response."""

    def __init__(self, request: bytes, summary: dict[str, float]) -> None:
        self._request, self._summary, self._buffer = request, summary, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        if not head.startswith(b"HTTP/1.1 201"):
            self._summary["bad"] += 1
        self._summary["done"] += 1
        self._buffer = b""
        if time.perf_counter() < self._summary["until"]:
            self._transport.write(self._request)  # type: ignore[attr-defined]
        else:
            self._transport.close()


async def main(url: str, connections: int, seconds: float, body: str, token: str = "") -> None:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    login = f"Authorization: Bearer {token}\r\n" if token else ""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n{login}"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()
    started = time.perf_counter()
    summary = {"done": 0.0, "bad": 0.0, "until": started + seconds}
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(
            lambda: Connection(request, summary), str(parts.hostname), int(parts.port or 80)
        )
    await asyncio.sleep(seconds)
    print(
        json.dumps(
            {"rate": summary["done"] / (time.perf_counter() - started), "bad": summary["bad"]}
        ),
        flush=True,
    )


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
