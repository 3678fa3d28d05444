"""What a client may keep waiting, and what every answer says to a browser."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

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


async def status_line(reader: asyncio.StreamReader) -> bytes:
    """Read by itself: a connection that is closed while its client still writes may be reset."""
    return await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a fraction of a second."""
    monkeypatch.setattr(HttpConnection, "patience", 0.3)
    monkeypatch.setattr(body, "DEADLINE", body.BodyDeadline(pause=0.3, rate=1000))
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


#: Every way to a body: JSON with a token, a form and a report without one.
READERS = [
    ("/2281/sms", "application/json"),
    ("/2281/2120002411/mailboxes", "application/json"),
    ("/oauth2/token", "application/x-www-form-urlencoded"),
    ("/receipts/sms/link/secret", "application/json"),
]


def opening(client: Client, path: str, media: str, length: int = 1000) -> bytes:
    """The head of a request whose body is still to come."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        f"Content-Type: {media}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in client.bearer.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(("path", "media"), READERS)
async def test_a_body_that_stops_coming_is_a_408(
    hasty: None, client: Client, path: str, media: str
) -> None:
    reader, writer = await raw(client)
    writer.write(opening(client, path, media) + b'{"mobileNumber"')
    said = await ended(reader)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"request-timeout" in said
    writer.close()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Bytes that never pause as long as the deadline, and never average its rate."""
    for _ in range(500):
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("path", "media"), READERS)
async def test_a_body_that_trickles_is_a_408_at_the_same_deadline(
    hasty: None, client: Client, path: str, media: str
) -> None:
    reader, writer = await raw(client)
    writer.write(opening(client, path, media))
    dripping = asyncio.create_task(drip(writer))
    assert (await status_line(reader)).startswith(b"HTTP/1.1 408")
    await ended(reader)
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize("path", ["/nowhere", "/health/live", "/2281/sms"])
async def test_a_body_that_nobody_reads_ends_with_its_connection(
    hasty: None, client: Client, path: str
) -> None:
    """Answered before its body has come: unknown address, wrong method, no token."""
    reader, writer = await raw(client)
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode())
    dripping = asyncio.create_task(drip(writer))
    assert (await status_line(reader)).startswith(b"HTTP/1.1 4")
    await ended(reader)
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize(("path", "media"), READERS)
async def test_a_client_that_hangs_up_is_no_error(
    client: Client, caplog: pytest.LogCaptureFixture, path: str, media: str
) -> None:
    with capture_logs() as events:
        _, writer = await raw(client)
        writer.write(opening(client, path, media) + b"{")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not [e for e in events if e["event"] == "client-disconnected"]:
                await asyncio.sleep(0.02)
    assert [e for e in events if e["log_level"] in ("error", "critical", "warning")] == []
    assert [r for r in caplog.records if r.exc_info or r.levelname == "ERROR"] == []


def test_a_fast_body_may_be_long_and_a_slow_one_may_not() -> None:
    deadline = body.BodyDeadline(pause=20, rate=1000)
    assert deadline.at(100, 100, 0) == 120
    assert deadline.at(100, 110, 5000) == 125, "five seconds' worth: slower than it came"
    assert deadline.at(100, 110, 50_000) == 130, "never more than the pause from now"


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
