"""Servers that compress although they are asked not to: what they say is read, within the limit."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from ipaddress import ip_network

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.auth.issuers import EC, public
from utskick.auth.discovery import RemoteKeys
from utskick.auth.settings import IssuerSection
from utskick.domain.ids import new_id
from utskick.domain.outcome import Uncertain
from utskick.outgoing.address_guard import AddressPolicy
from utskick.outgoing.content_coding import Oversized, decoded
from utskick.outgoing.http_client import (
    ANSWER_LIMIT,
    HttpClient,
    HttpRequest,
    HttpResponse,
    Timeouts,
)
from utskick.outgoing.token import Token, TokenSource
from utskick.outgoing.webhooks import WebhookCall, WebhookClient

SAID = b'{"sent": "\xc3\xa5\xc3\xa4\xc3\xb6"}'


def bare(data: bytes) -> bytes:
    """Without the zlib format's header and check sum, as some servers understand deflate."""
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


class Proxy:
    """A server that compresses every answer with gzip, or says ``raw`` with ``headers``."""

    def __init__(self) -> None:
        self.url = ""
        self.raw: bytes | None = None
        self.headers: list[tuple[str, str]] = [("Content-Encoding", "gzip")]
        self.seen: list[list[str]] = []

    def says(self, coding: str | list[str], raw: bytes) -> None:
        codings = [coding] if isinstance(coding, str) else coding
        self.raw, self.headers = raw, [("Content-Encoding", name) for name in codings]

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.getall("Accept-Encoding", []))
        bodies: dict[str, object] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": [public(EC, "ec")]},
            "/token": {"access_token": "t-1", "expires_in": 300},
        }
        raw = self.raw
        if raw is None:
            raw = gzip.compress(orjson.dumps(bodies.get(request.path, {})))
        response = web.Response(body=raw)
        for name, value in self.headers:
            response.headers.add(name, value)
        return response


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made, app = Proxy(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    made.url = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()


@pytest.fixture
async def wire() -> AsyncIterator[HttpClient]:
    client = HttpClient(concurrency=1, timeouts=Timeouts(5, 5))
    yield client
    await client.close()


async def body(wire: HttpClient, proxy: Proxy) -> bytes:
    answer = await wire.call(HttpRequest("POST", proxy.url + "/sms", b"{}"))
    assert isinstance(answer, HttpResponse), answer
    return answer.body


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("gzip", gzip.compress(SAID, mtime=0)),
        ("GZIP", gzip.compress(SAID, mtime=0)),
        ("x-gzip", gzip.compress(SAID, mtime=0)),
        ("gzip", gzip.compress(SAID[:5], mtime=0) + gzip.compress(SAID[5:], mtime=0)),
        ("deflate", zlib.compress(SAID)),
        ("deflate", bare(SAID)),
        ("identity", SAID),
        ("", SAID),
        ("deflate, gzip", gzip.compress(zlib.compress(SAID), mtime=0)),
        (["deflate", "identity, gzip"], gzip.compress(zlib.compress(SAID), mtime=0)),
        ("gzip", SAID),
    ],
)
async def test_a_compressed_answer_is_read(
    wire: HttpClient, proxy: Proxy, coding: str | list[str], raw: bytes
) -> None:
    proxy.says(coding, raw)
    assert await body(wire, proxy) == SAID


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("br", b"\x8b\x03\x80{}\x03"),
        ("gzip, br", gzip.compress(SAID, mtime=0)),
        ("gzip", gzip.compress(SAID, mtime=0)[:-3]),
        ("gzip", gzip.compress(SAID, mtime=0) + b"more"),
        ("gzip", gzip.compress(b"") * 1000),
        ("deflate", zlib.compress(SAID)[:-5]),
        (",".join(["gzip"] * 5), SAID),
        ("gzip", b""),
    ],
)
async def test_what_cannot_be_decoded_is_left_as_it_came(
    wire: HttpClient, proxy: Proxy, coding: str, raw: bytes
) -> None:
    proxy.says(coding, raw)
    assert await body(wire, proxy) == raw


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bare])
async def test_an_answer_that_is_too_long_once_decoded_is_an_oversized_one(
    wire: HttpClient, proxy: Proxy, compress: Callable[[bytes], bytes]
) -> None:
    coding = "gzip" if compress is gzip.compress else "deflate"
    proxy.says(coding, compress(b" " * ANSWER_LIMIT))
    assert await body(wire, proxy) == b" " * ANSWER_LIMIT
    proxy.says(coding, compress(b" " * (ANSWER_LIMIT + 1)))
    outcome = await wire.call(HttpRequest("POST", proxy.url, b"{}"))
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "oversized-answer"
    proxy.says("gzip", gzip.compress(SAID, mtime=0))
    assert await body(wire, proxy) == SAID


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(200_000_000))),
        ("gzip", gzip.compress(bytes(600_000)) * 40),
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(200_000_000)))),
    ],
)
def test_a_bomb_is_not_decoded_beyond_the_limit(coding: str, bomb: bytes) -> None:
    with pytest.raises(Oversized):
        decoded(bomb, coding, ANSWER_LIMIT)


async def test_every_user_asks_for_no_compression_and_reads_it_all_the_same(
    wire: HttpClient, proxy: Proxy
) -> None:
    token = Token(TokenSource(f"{proxy.url}/token", "id", "secret"), wire)
    assert await token.get() == "t-1"
    keys = RemoteKeys(IssuerSection(url=proxy.url, label="kommun"))
    receivers = WebhookClient(AddressPolicy([ip_network("127.0.0.0/8")]))
    try:
        assert set((await keys.read()).named) == {"ec"}
        call = WebhookCall(str(new_id()), b"{}", ["whsec_" + "A" * 32])
        told = await receivers.call(f"{proxy.url}/hook", call, datetime.now(UTC))
    finally:
        await keys.close()
        await receivers.close()
    assert told.status == 200
    assert proxy.seen == [["identity"]] * 4
