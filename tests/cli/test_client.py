"""The client against a server of the test: retries with the same key, and sentences that say what is wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from utskick.cli.client import Client, NoAnswer, Patience, Posting, Refused, Target
from utskick.domain.errors import SettingsFault

POSTING = Posting("sms", b'{"message":"Hej"}', "key-1")
SWIFT = Patience(tries=3, pause=0.01, longest=0.01)


class Wire:
    """Answers from a list, one for each call, the last for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[Callable[[web.Request], web.Response]] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, dict(request.headers), await request.read()))
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for _, headers, _ in self.asked]


def saying(status: int, body: object, **headers: str) -> Callable[[web.Request], web.Response]:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda _: web.Response(status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})


def hanging_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def post(wire: Wire, *, token: str | None = None) -> object:
    async with Client(Target(wire.url, token=token), SWIFT) as client:
        return (await client.post(POSTING)).members


@pytest.mark.parametrize(
    "first",
    [
        saying(503, {"title": "Service Unavailable", "status": 503, "code": "unavailable"}, Retry_After="5"),
        saying(409, {"title": "Conflict", "status": 409, "code": "idempotency-running"}),
        saying(502, {"title": "Bad Gateway", "status": 502}),
        hanging_up,
    ],
    ids=["unavailable", "still running", "a proxy's 502", "connection lost"],
)
async def test_what_may_pass_is_tried_again_with_the_same_key_and_body(wire: Wire, first: Callable[[web.Request], web.Response]) -> None:
    wire.answers = [first, saying(201, {"messageId": "m"})]
    assert await post(wire) == {"messageId": "m"}
    assert wire.keys == ["key-1", "key-1"]
    assert {body for _, _, body in wire.asked} == {POSTING.body}


async def test_trying_again_has_an_end(wire: Wire) -> None:
    wire.answers = [saying(503, {"title": "Service Unavailable", "detail": "the database is away"})]
    with pytest.raises(Refused, match="the database is away"):
        await post(wire)
    assert len(wire.asked) == SWIFT.tries


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "unreadable"), (409, "conflict"), (422, "idempotency-key-reused"), (502, "delivery-failed"), (501, "not-built")],
)
async def test_a_clear_no_is_not_tried_again(wire: Wire, status: int, code: str) -> None:
    wire.answers = [saying(status, {"title": "No", "code": code, "detail": "because"})]
    with pytest.raises(Refused, match="because"):
        await post(wire)
    assert len(wire.asked) == 1


async def test_every_violation_is_listed(wire: Wire) -> None:
    violations = [{"field": "message", "message": "must not be blank"}, {"field": "mobileNumber", "message": "must be a number"}]
    wire.answers = [saying(400, {"title": "Constraint Violation", "violations": violations})]
    with pytest.raises(Refused) as refused:
        await post(wire)
    assert refused.value.detail.splitlines() == [
        "the service refused it (400 Constraint Violation):",
        "  message must not be blank",
        "  mobileNumber must be a number",
    ]


async def test_a_lost_answer_is_told_with_the_key_that_finds_out(wire: Wire) -> None:
    wire.answers = [hanging_up]
    with pytest.raises(NoAnswer, match=r"may have been accepted or not.*--key key-1"):
        await post(wire)


async def test_where_nothing_listens_the_sentence_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NoAnswer, match=f"nothing answers at http://127.0.0.1:{port}.*utskick serve.*UTSKICK_URL"):
        async with Client(Target(f"http://127.0.0.1:{port}"), SWIFT) as client:
            await client.post(POSTING)


async def test_an_answer_that_is_no_json_is_not_ours(wire: Wire) -> None:
    wire.answers = [saying(200, "<html>It works!</html>")]
    with pytest.raises(NoAnswer, match="not Utskick's API"):
        await post(wire)


async def test_caller_municipality_and_token_are_told(wire: Wire) -> None:
    wire.answers = [saying(201, {})]
    await post(wire, token="t0ken")
    path, headers, _ = wire.asked[0]
    assert path == "/2281/sms"
    assert headers["x-origin"] == "utskick-cli"
    assert headers["X-Sent-By"].endswith("; type=adAccount")
    assert headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://here", "http://", ""])
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(SettingsFault, match="no address of a service"):
        Target(url)
