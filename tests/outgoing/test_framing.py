"""Forms of an HTTP response (RFC 9112) that servers and gateways answer in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from utskick.domain.outcome import Outcome
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts

BODY = b'{"id": 1}'
FORMS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n"
    + BODY[:4]
    + b"\r\n5;x=y\r\n"
    + BODY[4:]
    + b"\r\n0\r\nTrailer: x\r\n\r\n",
    "http-1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "http-1.0-with-length": b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "until-close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY,
    "continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "no-reason-phrase": b"HTTP/1.1 200\r\nContent-Length: 9\r\n\r\n" + BODY,
}


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[str]:
    """A server that answers each request with these bytes, and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if b"content-length" in line)
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def call(data: bytes) -> HttpResponse | Outcome:
    client = HttpClient(concurrency=1, timeouts=Timeouts())
    try:
        async with answering(data) as url:
            return await client.call(HttpRequest("POST", url, b"hello"))
    finally:
        await client.close()


@pytest.mark.parametrize("form", FORMS)
async def test_a_response_is_read_whole_in_every_form(form: str) -> None:
    answer = await call(FORMS[form])
    assert isinstance(answer, HttpResponse), answer
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + BODY + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 2",
    ],
)
async def test_a_response_that_is_cut_is_a_doubt(cut: bytes) -> None:
    answer = await call(cut)
    assert type(answer).__name__ == "Uncertain"
