"""What a client may keep waiting, and what every answer says to a browser."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.http.conftest import Client
from utskick.http.wire import body, middleware
from utskick.http.wire.protocol import HEAD, HttpConnection


async def raw(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(client.running.api_url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def ended(reader: asyncio.StreamReader, within: float = 5.0) -> bytes:
    """All that comes until the connection is closed."""
    try:
        return await asyncio.wait_for(reader.read(), within)
    except ConnectionError:
        return b""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a fraction of a second."""
    monkeypatch.setattr(HttpConnection, "patience", 0.3)
    monkeypatch.setattr(body, "_PAUSE", 0.3)
    monkeypatch.setattr(middleware, "_UNREAD", 0.5)


@pytest.mark.parametrize(
    "said", [b"", b"GET /health/live HTT", b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-A: 1"]
)
async def test_a_head_that_does_not_end_is_not_waited_for(
    hasty: None, client: Client, said: bytes
) -> None:
    reader, writer = await raw(client)
    writer.write(said)
    assert await ended(reader) == b""
    writer.close()


async def test_a_head_that_comes_in_drops_has_no_more_time_for_that(
    hasty: None, client: Client
) -> None:
    reader, writer = await raw(client)

    async def drip() -> None:
        for letter in b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 1000:
            writer.write(bytes([letter]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await ended(reader) == b""
    dripping.cancel()
    writer.close()


async def test_a_second_request_on_the_same_connection_has_the_same_patience(
    hasty: None, client: Client
) -> None:
    reader, writer = await raw(client)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /health/live HTTP")
    rest = await ended(reader)
    assert b"HTTP/1.1" not in rest
    writer.close()


async def test_a_head_of_any_length_is_refused_at_its_limit(client: Client) -> None:
    reader, writer = await raw(client)
    writer.write(
        b"GET /health/live HTTP/1.1\r\nHost: a\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(HEAD // 1000 + 2))
        + b"\r\n"
    )
    assert (await ended(reader)).startswith(b"HTTP/1.1 431")
    writer.close()


async def test_a_body_that_stops_coming_is_a_408(hasty: None, client: Client) -> None:
    reader, writer = await raw(client)
    login = "".join(f"{name}: {value}\r\n" for name, value in client.bearer.items())
    head = f"POST /2281/sms HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n{login}\r\n"
    writer.write(head.encode() + b'{"mobileNumber"')
    said = await ended(reader)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"request-timeout" in said
    writer.close()


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(
    "path",
    ["/health/live", "/2281/statistics", "/nowhere", "/2281/status/batch/x", "/openapi.json"],
)
async def test_every_answer_guards_itself(client: Client, path: str) -> None:
    answer = await client.get(
        path, Origin="https://elsewhere.example", Access_Control_Request_Method="GET"
    )
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert not [name for name in answer.headers if name.lower().startswith("access-control")], (
        "no other site may read it"
    )
    assert "server" not in {name.lower() for name in answer.headers}


async def test_the_page_of_the_api_allows_its_own_scripts_alone(client: Client) -> None:
    answer = await client.get("/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy.split("script-src")[1]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_preflight_is_not_answered(client: Client) -> None:
    answer = await client.call(
        "OPTIONS",
        "/2281/sms",
        None,
        Origin="https://elsewhere.example",
        Access_Control_Request_Method="POST",
    )
    assert answer.status == 405
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_who_does_not_take_the_answer_is_cut_off(hasty: None, client: Client) -> None:
    """A million bytes of description, on a connection that reads nothing: the answer ends, and
    nothing of it is kept."""
    parts = urlsplit(client.running.api_url)
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[Any] = loop.create_future()

    class Deaf(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.pause_reading()  # type: ignore[attr-defined]
            transport.write(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 200)  # type: ignore[attr-defined]
            loop.call_later(2.5, transport.resume_reading)  # type: ignore[attr-defined]

        def connection_lost(self, fault: Exception | None) -> None:
            if not gone.done():
                gone.set_result(fault)

    await loop.create_connection(Deaf, parts.hostname, parts.port)
    await asyncio.wait_for(gone, 8)
    assert (await client.get("/health/live")).status == 200
