"""Connections and memory that one client takes: bounded, told, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from tests.http.conftest import Client, serving
from utskick.http.wire.protocol import HttpConnection
from utskick.store.database import Database

MIB = 1_048_576


@asynccontextmanager
async def connected(url: str, count: int, source: str) -> AsyncIterator[list[socket.socket]]:
    """So many connections that have sent one byte, from an address of this machine."""
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    opened = list[socket.socket]()
    try:
        for _ in range(count):
            opened.append(sock := socket.socket())
            sock.setblocking(False)
            sock.bind((source, 0))
            await loop.sock_connect(sock, (str(parts.hostname), parts.port))
            await loop.sock_sendall(sock, b"G")
        yield opened
    finally:
        for sock in opened:
            sock.close()


async def answered(sock: socket.socket) -> bytes:
    """What a connection is answered with until it ends."""
    loop, found = asyncio.get_running_loop(), b""
    try:
        while piece := await loop.sock_recv(sock, 4096):
            found += piece
    except ConnectionResetError:
        pass
    return found


async def status_from(client: Client, source: str, path: str = "/health/live") -> Any:
    connector = aiohttp.TCPConnector(local_addr=(source, 0), force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(client.running.api_url + path, headers=client.bearer) as answer,
    ):
        return answer.status, await answer.json()


async def test_connections_beyond_the_bound_of_an_address_are_refused_and_others_served(
    database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    http = {"port": 0, "connections": 100, "connections_per_address": 40}
    async with serving(database, tmp_path, work=False, http=http) as client:
        url = client.running.api_url
        async with connected(url, 60, "127.0.0.3") as opened:
            endings = await asyncio.wait_for(
                asyncio.gather(*(answered(sock) for sock in opened[40:])), 8
            )
            assert all(text in (b"", *endings[:1]) for text in endings)
            assert all(text == b"" or text.startswith(b"HTTP/1.1 503 ") for text in endings)
            status, health = await status_from(client, "127.0.0.2", "/health/ready")
            assert status == 200
            found = health["components"]["connections"]
            assert (found["status"], found["limit"], found["refused"]) == ("DEGRADED", 100, 20)
        assert "connections-refused" in capfd.readouterr().out
        for _ in range(200):  # the server notices that they are gone
            try:
                assert (await status_from(client, "127.0.0.3"))[0] == 200
                break
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.02)
        else:
            pytest.fail("the connections of the address are still counted")


async def test_connections_of_many_addresses_are_bounded_and_end_in_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was found: one byte each. They are cut off when their head does not come."""
    monkeypatch.setattr(HttpConnection, "patience", 1.0)
    http = {"port": 0, "connections": 60, "connections_per_address": 30}
    async with (
        serving(database, tmp_path, work=False, http=http) as client,
        connected(client.running.api_url, 30, "127.0.0.3") as one,
        connected(client.running.api_url, 30, "127.0.0.4") as other,
        connected(client.running.api_url, 10, "127.0.0.5") as more,
    ):
        everyone = [*one, *other, *more]
        await asyncio.wait_for(asyncio.gather(*map(answered, everyone)), 15)
        assert (await status_from(client, "127.0.0.2"))[0] == 200


async def test_eleven_hundred_connections_leave_the_service_on_the_air(
    database: Database, tmp_path: Path
) -> None:
    """With the settings as they are; the process itself raises its limit of open files."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8000:
        pytest.skip("this machine allows too few open files")
    async with (
        serving(database, tmp_path, work=False) as client,
        connected(client.running.api_url, 1100, "127.0.0.3"),
    ):
        assert (await status_from(client, "127.0.0.2"))[0] == 200


def web_message(octets: int) -> tuple[int, list[bytes]]:
    """The length of a web message with a file, and its pieces, which are the same MiB."""
    head = orjson.dumps(
        {
            "party": {"partyId": "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"},
            "message": "m",
            "attachments": [{"fileName": "a.bin", "base64Data": "@"}],
        }
    )
    start, end = head.split(b"@")
    pieces = [start, *[b"A" * MIB] * (octets // MIB), end]
    return sum(map(len, pieces)), pieces


async def sent(client: Client, session: aiohttp.ClientSession, octets: int) -> tuple[int, str]:
    length, pieces = web_message(octets)

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(0)

    headers = {
        **client.bearer,
        "Content-Type": "application/json",
        "Content-Length": str(length),
        "x-origin": "t",
    }
    url = f"{client.running.api_url}/2281/webmessage"
    try:
        async with session.post(url, data=body(), headers=headers) as answer:
            return answer.status, answer.headers.get("Retry-After", "")
    except aiohttp.ClientError:  # closed while the body was still on its way
        return 0, ""


async def test_large_messages_at_a_time_are_bounded_by_the_memory(
    database: Database, tmp_path: Path
) -> None:
    http = {"port": 0, "memory": 400 * MIB}
    async with (
        serving(database, tmp_path, work=False, http=http) as client,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = await asyncio.gather(*(sent(client, session, 40 * MIB) for _ in range(20)))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        health = (await client.get("/health/ready")).json["components"]["memory"]
        assert grown < 1000, f"{grown} MB"
        assert {status for status, _ in found} <= {0, 201, 400, 502, 503}
        assert any(status not in (0, 503) for status, _ in found), "those that there was room for"
        assert {retry for status, retry in found if status == 503} <= {"5"}
        assert health["refused"] >= 10
        assert health["used"] < MIB, "nothing is held when all are answered"
        assert (await sent(client, session, 40 * MIB))[0] not in (0, 503)


async def test_who_does_not_read_a_long_answer_holds_memory_for_a_time_only(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpConnection, "unread", 5.0)
    http = {"port": 0, "memory": 16 * MIB}
    async with serving(database, tmp_path, work=False, http=http) as client:
        parts, loop = urlsplit(client.running.api_url), asyncio.get_running_loop()
        length = len((await client.get("/openapi.json")).text)
        count = 16 * MIB // length + 5
        deaf = list[socket.socket]()
        # many on a connection, since the system's buffers hold several megabytes of answers
        request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
        try:
            for _ in range(count):
                deaf.append(sock := socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                sock.setblocking(False)
                await loop.sock_connect(sock, (str(parts.hostname), parts.port))
                await loop.sock_sendall(sock, request * 40)
            for _ in range(400):
                answer = await client.get("/openapi.json")
                if answer.status == 503:
                    break
                await asyncio.sleep(0.01)
            assert (answer.status, answer.json["code"]) == (503, "overloaded")
            assert answer.headers["Retry-After"] == "5"
            for _ in range(1000):
                answer = await client.get("/openapi.json")
                if answer.status == 200:
                    break
                await asyncio.sleep(0.02)
            assert answer.status == 200, "those who do not read are cut off"
        finally:
            for sock in deaf:
                sock.close()
