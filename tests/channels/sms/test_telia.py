"""Telia: the provider contract, the token, and the request word for word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.channels.sms.stage import ServerStage, json, text
from tests.contracts.provider import SECRET, ProviderContract
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent
from utskick.outgoing.http_client import HttpClient, Timeouts
from utskick.outgoing.token import Token, TokenSource

ANSWERS = {
    "well": lambda: web.Response(status=204),
    "temporary": json(500, {"httpCode": 500, "message": "Internal server error"}),
    "login": text(401, "no"),
    "refuse": json(
        400,
        {
            "httpCode": 400,
            "message": "Bad Request",
            "technicalDetails": {"rootCode": 4711, "rootCause": "x"},
        },
    ),
    "bare-refusal": text(400, "<html>"),
}


class TeliaStage(ServerStage):
    """Telia's good answer is empty: only what is no HTTP at all cannot be read."""

    async def misbehave(self, how: str) -> None:
        await super().misbehave("no-http" if how == "garbage" else how)


@pytest.fixture
async def stage() -> AsyncIterator[ServerStage]:
    stage = await TeliaStage("telia", ANSWERS, carries_key=False, receipt_secret=SECRET).open()
    yield stage
    await stage.close()


class TestTelia(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: ServerStage) -> ServerStage:
        return stage


async def test_the_request_is_the_one_of_telias_schema(stage: ServerStage) -> None:
    assert await stage.send(new_id(), priority="HIGH", sender="Sundsvall") == Sent(None)
    assert (stage.calls[0].method, stage.calls[0].path) == ("POST", "/sendSms")
    assert stage.calls[0].headers["Authorization"] == "Bearer token-1"
    assert stage.asked() == {
        "originator": "Sundsvall",
        "destinationNumber": "+46701740605",
        "message": "Din bok finns att hämta.",
        "deliveryPriority": "high",
    }


async def test_the_priority_is_normal_when_nobody_said_high(stage: ServerStage) -> None:
    await stage.send(new_id())
    assert stage.asked()["deliveryPriority"] == "normal"


async def test_one_token_serves_many_calls_at_once(stage: ServerStage) -> None:
    await asyncio.gather(*(stage.send(new_id()) for _ in range(10)))
    await stage.send(new_id())
    assert stage.tokens_given == 1


async def test_a_refused_token_is_renewed_once_and_the_call_repeated_once(
    stage: ServerStage,
) -> None:
    await stage.send(new_id())
    await stage.misbehave("login")
    assert isinstance(await stage.send(new_id()), Misconfigured)
    assert stage.tokens_given == 2
    assert [call.headers["Authorization"] for call in stage.calls] == [
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
    ]


async def test_many_refusals_of_one_token_renew_it_once(stage: ServerStage) -> None:
    await stage.send(new_id())
    first = [lambda: web.Response(status=401)] * 5
    stage.answers = {"well": lambda: first.pop()() if first else web.Response(status=204)}
    outcomes = await asyncio.gather(*(stage.send(new_id()) for _ in range(5)))
    assert outcomes == [Sent()] * 5
    assert stage.tokens_given == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (text(503, "closed"), Deferred),
        (text(504, "lost"), Deferred),
        (text(200, "<html>"), Deferred),
        (json(200, {"access_token": ""}), Deferred),
        (json(401, {"error": "invalid_client"}), Misconfigured),
        (json(400, {"error": "unauthorized_client"}), Misconfigured),
    ],
)
async def test_without_a_token_nothing_was_sent(
    stage: ServerStage, answer: object, kind: type
) -> None:
    stage.token_answers = [answer]  # type: ignore[list-item]
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert stage.calls == []
    assert SECRET not in repr(outcome)


async def test_after_a_failed_login_the_next_call_tries_anew(stage: ServerStage) -> None:
    stage.token_answers = [text(503, "closed")]
    await stage.send(new_id())
    assert await stage.send(new_id()) == Sent()


async def test_the_root_code_is_kept(stage: ServerStage) -> None:
    await stage.misbehave("refuse")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.provider_code == "4711"
    assert not outcome.polite


async def test_a_refusal_without_words_is_still_one(stage: ServerStage) -> None:
    await stage.misbehave("bare-refusal")
    assert isinstance(await stage.send(new_id()), Rejected)


@pytest.mark.parametrize(
    ("life", "passed", "tokens"),
    [(3600, 3569, 1), (3600, 3571, 2), (60, 53, 1), (60, 55, 2), (None, 269, 1), (None, 271, 2)],
)
async def test_a_token_is_renewed_before_its_end(
    stage: ServerStage, life: int | None, passed: float, tokens: int
) -> None:
    stage.token_answers = [
        json(200, {"access_token": "first", **({"expires_in": life} if life else {})})
    ]
    wire, now = HttpClient(concurrency=1, timeouts=Timeouts(0.3, 0.3)), [1000.0]
    token = Token(
        TokenSource(str(stage.server.make_url("/token")), "me", "s:e/c"), wire, lambda: now[0]
    )
    assert await token.get() == "first"
    now[0] += passed
    await token.get()
    assert stage.tokens_given == tokens
    await wire.close()


async def test_a_late_refusal_of_an_old_token_leaves_the_new_one_alone(stage: ServerStage) -> None:
    wire = HttpClient(concurrency=1, timeouts=Timeouts(0.3, 0.3))
    token = Token(TokenSource(str(stage.server.make_url("/token")), "me", SECRET), wire)
    assert await token.get() == "token-1"
    for _ in range(2):
        token.refuse("token-1")
        assert await token.get() == "token-2"
    await wire.close()


async def test_there_are_no_reports_to_read(stage: ServerStage) -> None:
    with pytest.raises(Unreadable):
        stage.channel.read_receipt(ProviderCallback("telia", SECRET, {}, {}, b"{}"))
