"""Microsoft Graph: the provider contract, the request word for word, the table of its codes, and
mail too large for it."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from tests.channels.email.test_dkim import key_file  # noqa: F401 - a fixture
from tests.channels.email.test_requests import GOOD
from tests.channels.email.wire import SENDER, draft
from tests.contracts.provider import PATIENCE, SECRET, ProviderContract
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.graph import DEFERRED, MISCONFIGURED, REJECTED
from utskick.channels.email.mime import AttachmentCache, compose
from utskick.channels.email.requests import EmailRequest
from utskick.channels.email.settings import EmailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import RequestContext
from utskick.domain.errors import Invalid
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.outgoing.http_client import ANSWER_LIMIT

TENANT = "00000000-aaaa-bbbb-cccc-000000000000"
NO_ANSWER = {
    "throttle": (429, {"error": {"code": "ApplicationThrottled"}}, {"Retry-After": "30"}),
    "busy": (503, {"error": {"code": "serviceNotAvailable"}}, {"Retry-After": "7"}),
    "temporary": (500, {"error": {"code": "UnknownError"}}, {}),
    "login": (
        401,
        {"error": {"code": "InvalidAuthenticationToken", "message": f"not {SECRET}"}},
        {},
    ),
    "refuse": (
        400,
        {"error": {"code": "ErrorInvalidRecipients", "message": "anna@example.com is not valid"}},
        {},
    ),
    "forbidden": (403, {"error": {"code": "somethingNew"}}, {}),
    "too-large": (413, {}, {}),
    "bad": (
        400,
        {"error": {"code": "BadRequest", "innerError": {"code": "ErrorSendAsDenied"}}},
        {},
    ),
    "garbage": (200, {"error": {"code": "ErrorInvalidRecipients"}}, {}),
    "well": (202, None, {"request-id": "7e6b0c2d"}),
}


class GraphStage:
    carries_key = True
    names_retry_time = True

    def __init__(self, **account: Any) -> None:
        self.how = "well"
        self.calls: list[tuple[web.BaseRequest, bytes]] = []
        self.tokens: list[tuple[web.BaseRequest, str]] = []
        self._over = asyncio.Event()
        self._more = account

    async def start(self) -> GraphStage:
        app = web.Application()
        app.router.add_post(f"/login/{TENANT}/oauth2/v2.0/token", self._give_token)
        app.router.add_post("/v1.0/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.channel = channel_to(graph=account(str(self.server.make_url("/")), **self._more))
        return self

    async def close(self) -> None:
        self._over.set()
        await self.channel.close()
        await self.server.close()

    @property
    def keys(self) -> list[str]:
        return [str(message_from_bytes(b64decode(body))["Message-ID"]) for _, body in self.calls]

    async def misbehave(self, how: str) -> None:
        self.how = how
        if how == "gone":
            await self.server.close()

    async def send(self, key: Any, **content: Any) -> Outcome:
        outcome = await self.channel.send(draft(**content), key, "graph")
        assert "anna" not in repr(outcome)
        return outcome

    async def _give_token(self, request: web.Request) -> web.Response:
        self.tokens.append((request, await request.text()))
        return web.json_response(
            {
                "access_token": f"token-{len(self.tokens)}",
                "expires_in": 3599,
                "token_type": "Bearer",
            }
        )

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls.append((request, await request.read()))
        if self.how == "timeout":
            await asyncio.wait_for(self._over.wait(), 30)
        elif self.how == "drop":
            assert request.transport is not None
            request.transport.close()
        elif self.how == "oversized":
            return web.Response(status=202, body=b"x" * (ANSWER_LIMIT + 1))
        elif self.how == "stale" and request.headers["Authorization"] == "Bearer token-1":
            return web.Response(status=401)
        status, body, headers = NO_ANSWER.get(self.how, NO_ANSWER["well"])
        return web.Response(
            status=status, body=None if body is None else orjson.dumps(body), headers=headers
        )


def account(base: str, **more: Any) -> dict[str, Any]:
    return {
        "provider": "graph",
        "url": base.rstrip("/") + "/v1.0",
        "login_url": base.rstrip("/") + "/login",
        "tenant_id": TENANT,
        "client_id": "utskick",
        "client_secret": SECRET,
        **PATIENCE,
        **more,
    }


def channel_to(**accounts: dict[str, Any]) -> EmailChannel:
    return build(EmailSettings.model_validate({"sender": SENDER, "accounts": accounts}))


@pytest.fixture
async def stage() -> AsyncIterator[GraphStage]:
    stage = await GraphStage().start()
    yield stage
    await stage.close()


class TestGraph(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: GraphStage) -> GraphStage:
        return stage


async def test_microsofts_words_and_request_id_are_in_the_reason(stage: GraphStage) -> None:
    await stage.misbehave("refuse")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.sentence.endswith(": … is not valid")


async def test_the_request_is_the_one_that_microsoft_documents(stage: GraphStage) -> None:
    key = new_id()
    assert await stage.send(key, headers={"References": ["<a@b.se>"]}) == Sent("7e6b0c2d")
    [(request, body)] = stage.calls
    assert (request.method, request.path) == ("POST", "/v1.0/users/noreply@sundsvall.se/sendMail")
    assert request.headers["Content-Type"] == "text/plain"
    assert request.headers["Authorization"] == "Bearer token-1"
    message = b64decode(body, validate=True)
    assert (
        message == compose(draft(headers={"References": ["<a@b.se>"]}), key, AttachmentCache()).data
    )
    assert b"References: <a@b.se>\r\n" in message


async def test_the_token_is_asked_for_as_entra_documents(stage: GraphStage) -> None:
    await stage.send(new_id())
    await stage.send(new_id())
    [(request, form)] = stage.tokens
    assert request.headers["Authorization"].startswith("Basic ")
    assert (
        form == "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    )


async def test_another_mailbox_sends_where_the_settings_name_one() -> None:
    stage = await GraphStage(mailbox="utskick@sundsvall.se").start()
    await stage.send(new_id())
    assert stage.calls[0][0].path == "/v1.0/users/utskick@sundsvall.se/sendMail"
    await stage.close()


@pytest.mark.parametrize("address", ["a/b@sundsvall.se", "a?b#c@sundsvall.se", "åsa@räksmörgås.se"])
async def test_a_senders_address_is_one_segment_of_the_path(
    stage: GraphStage, address: str
) -> None:
    assert isinstance(await stage.send(new_id(), _sender={"name": "K", "address": address}), Sent)
    [(request, _)] = stage.calls
    assert request.raw_path.count("/") == 4
    assert not request.query_string


async def test_a_token_that_ended_early_is_renewed_once(stage: GraphStage) -> None:
    await stage.misbehave("stale")
    assert isinstance(await stage.send(new_id()), Sent)
    assert len(stage.tokens) == 2
    await stage.misbehave("login")
    assert isinstance(await stage.send(new_id()), Misconfigured)
    assert len(stage.calls) == 4


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ("busy", Deferred, "provider-fault"),
        ("forbidden", Misconfigured, "refused-login"),
        ("too-large", Rejected, "too-large"),
        ("bad", Misconfigured, "refused-sender"),
        ("garbage", Uncertain, "garbage"),
    ],
)
async def test_what_an_answer_comes_to(stage: GraphStage, how: str, kind: type, code: str) -> None:
    await stage.misbehave(how)
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.code == code


@pytest.mark.parametrize(
    ("table", "kind"), [(REJECTED, Rejected), (MISCONFIGURED, Misconfigured), (DEFERRED, Deferred)]
)
async def test_the_code_decides_whatever_the_status(
    stage: GraphStage, table: dict[str, Any], kind: type
) -> None:
    for word in table:
        NO_ANSWER["code"] = (400, {"error": {"code": word}}, {})
        await stage.misbehave("code")
        outcome = await stage.send(new_id())
        assert isinstance(outcome, kind), word
        assert not isinstance(outcome, Sent)
        assert outcome.reason.provider_code == word
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", outcome.reason.code)


def test_no_code_stands_in_two_tables() -> None:
    assert len({**REJECTED, **MISCONFIGURED, **DEFERRED}) == len(REJECTED) + len(
        MISCONFIGURED
    ) + len(DEFERRED)


async def test_mail_by_graph_carries_no_signature_of_ours(
    stage: GraphStage,
    key_file: Path,  # noqa: F811
) -> None:
    dkim = {"sundsvall.se": {"selector": "s", "key_file": str(key_file)}}
    base = str(stage.server.make_url("/"))
    channel = build(
        EmailSettings.model_validate(
            {"sender": SENDER, "accounts": {"graph": account(base)}, "dkim": dkim}
        )
    )
    assert isinstance(await channel.send(draft(), new_id(), "graph"), Sent)
    assert b64decode(stage.calls[0][1]).startswith(b"From: ")
    await channel.close()


def both(limit: int = 8192) -> EmailChannel:
    return channel_to(
        graph=account("http://127.0.0.1:9", request_limit=limit, priority=1),
        smtp={"host": "127.0.0.1", "priority": 2},
    )


def test_a_mail_that_graph_cannot_take_goes_another_way() -> None:
    channel, small = both(), draft()
    large = replace(small, attachments=(Attachment.of("a.pdf", None, b"%PDF-" + b"x" * 6000),))
    assert channel.able(small) == ("graph", "smtp")
    assert channel.able(large) == ("smtp",)


def test_a_page_that_grows_as_plain_text_is_measured_as_it_will_be() -> None:
    link = b"<div><a href='https://sundsvall.se/" + b"a" * 2000 + b"'>x</div>"
    page = b64encode(link + b"<div>x</div>" * 4000).decode()  # the link is never closed
    assert both(200_000).able(draft(message=None, htmlMessage=page)) == ("smtp",)
    assert both(200_000).able(draft(message="Hej", htmlMessage=page)) == ("graph", "smtp")


@pytest.mark.parametrize(
    ("text", "names"),
    [("å" * 1000, ("graph", "smtp")), ("å" * 30_000, ("graph", "smtp")), ("å" * 60_000, ("smtp",))],
)
def test_a_long_text_is_measured_where_it_could_be_too_long(
    text: str, names: tuple[str, ...]
) -> None:
    assert both(200_000).able(draft(message=text)) == names


@pytest.mark.parametrize("size", [0, 1, 2, 11, 12, 13, 56, 57, 58, 114, 5000])
def test_the_limit_is_exact(size: int) -> None:
    files = (
        Attachment.of("a.pdf", None, b"%PDF-\x00\x00"[:size] + b"x" * max(0, size - 7)),
        Attachment.of("ö", "text/plain", b"x" * size),
    )
    mail = replace(draft(message="å" * 100, htmlMessage="PHA+w6U="), attachments=files)
    octets = len(compose(mail, UUID(int=0), AttachmentCache()).data)
    fits = -(-octets // 3) * 4
    assert both(fits).able(mail)[0] == "graph"
    assert both(fits - 4).able(mail) == ("smtp",)


async def test_a_municipality_that_has_only_graph_is_told_at_the_door() -> None:
    channel = channel_to(graph=account("http://127.0.0.1:9", request_limit=8192))
    with pytest.raises(Invalid) as caught:
        channel.plan(
            EmailRequest.model_validate({**GOOD, "message": "x" * 7000}), RequestContext("2281")
        )
    assert "the limit is 6144" in caught.value.violations[0].message
    outcome = await channel.send(draft(message="x" * 7000), new_id(), "graph")
    assert isinstance(outcome, Rejected)
    assert channel.able(draft(message="x" * 7000)) == ("graph",)
    both().plan(
        EmailRequest.model_validate({**GOOD, "message": "x" * 7000}), RequestContext("2281")
    )


def test_an_account_without_provider_is_one_of_smtp() -> None:
    settings = EmailSettings.model_validate(
        {"sender": SENDER, "accounts": {"a": {"host": "x"}, "b": account("http://127.0.0.1:9")}}
    )
    assert [(a.name, a.provider) for a in build(settings).accounts] == [
        ("a", "smtp"),
        ("b", "graph"),
    ]
    graph = settings.accounts["b"]
    assert graph.provider == "graph"
    assert graph.token_url == f"http://127.0.0.1:9/login/{TENANT}/oauth2/v2.0/token"
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "a/b"},
        {"mailbox": "nobody"},
        {"host": "x"},
        {"request_limit": 10},
        {"client_secret": ""},
        {"url": f"https://u:{SECRET}@graph.microsoft.com"},
        {"provider": "sendgrid"},
    ],
)
def test_settings_that_cannot_work_are_refused_and_no_secret_is_told(
    change: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError) as fault:
        channel_to(graph=account("http://127.0.0.1:9", **change))
    assert SECRET not in str(fault.value)


async def test_a_look_asks_for_a_token(stage: GraphStage) -> None:
    [health] = await stage.channel.look()
    assert health.ok
    await stage.misbehave("gone")
    stage.channel = channel_to(graph=account("http://127.0.0.1:9"))
    [health] = await stage.channel.look()
    assert not health.ok
