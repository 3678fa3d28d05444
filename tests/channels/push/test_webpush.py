"""Web Push: the provider contract, the headers, the encryption, who sends, and what answers
mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import jwt
import orjson
import pytest
from aiohttp import web

from tests.channels.push.stage import BROWSER, PARTY, ServerStage, draft, vapid_pem
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.push.vapid import from_base64url, read_key
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.sandbox.push.device import decrypt, point_of

KEY = vapid_pem()
ANSWERS = {
    "well": lambda: web.Response(
        status=201,
        headers={"Location": "https://push.example.net/message/qDIYHNcfAIPP_5ITvURr-d6BGt"},
    ),
    "temporary": lambda: web.Response(status=503),
    "login": lambda: web.Response(status=403),
    "refuse": lambda: web.Response(status=400),
}


def address(base: str) -> dict[str, str]:
    made = BROWSER.subscription(base)
    return {"endpoint": f"{base}/wp/{SECRET}", "p256dh": made["p256dh"], "auth": made["auth"]}


def account(base: str, **more: Any) -> dict[str, Any]:
    return {
        "vapid_private_key": KEY,
        "subject": f"mailto:{SECRET}@example.se",
        "origins": [base],
        **more,
    }


def opened(body: bytes) -> dict[str, Any]:
    plaintext = decrypt(body, BROWSER.key, BROWSER.auth)
    assert plaintext is not None
    found: dict[str, Any] = orjson.loads(plaintext)
    return found


@pytest.fixture
async def stage() -> AsyncIterator[ServerStage]:
    stage = await ServerStage(ANSWERS, lambda body: opened(body)["deliveryId"]).open(
        "webpush", address, account
    )
    yield stage
    await stage.close()


class TestWebPush(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: ServerStage) -> ServerStage:
        return stage


async def test_only_the_device_can_read_what_is_sent(stage: ServerStage) -> None:
    key = new_id()
    await stage.send(key, url="https://sundsvall.se/bok")
    assert opened(stage.bodies[0]) == {
        "title": "Biblioteket",
        "message": "Din bok finns att hämta.",
        "url": "https://sundsvall.se/bok",
        "tag": str(key),
        "deliveryId": str(key),
    }
    assert b"Biblioteket" not in stage.bodies[0]


async def test_no_two_messages_are_encrypted_alike(stage: ServerStage) -> None:
    """RFC 8291 section 3.1: a fresh key for every message, so also another salt."""
    key = new_id()
    await stage.send(key)
    await stage.send(key)
    first, second = stage.bodies
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


async def test_the_headers_say_how_long_and_how_urgently(stage: ServerStage) -> None:
    await stage.send(new_id(), ttl=60, urgency="low", topic="bok-17")
    headers = stage.calls[0].headers
    assert {name: headers[name] for name in ("TTL", "Urgency", "Topic", "Content-Encoding")} == {
        "TTL": "60",
        "Urgency": "low",
        "Topic": "bok-17",
        "Content-Encoding": "aes128gcm",
    }


async def test_without_wishes_a_day_and_normal_urgency_and_no_topic(stage: ServerStage) -> None:
    await stage.send(new_id())
    headers = stage.calls[0].headers
    assert (headers["TTL"], headers["Urgency"], "Topic" in headers) == ("86400", "normal", False)


async def test_a_message_of_a_topic_is_shown_under_it(stage: ServerStage) -> None:
    await stage.send(new_id(), topic="bok-17")
    assert opened(stage.bodies[0])["tag"] == "bok-17"


async def test_the_push_service_can_tell_who_sends(stage: ServerStage) -> None:
    """RFC 8292 sections 2 and 3."""
    await stage.send(new_id())
    scheme, _, rest = stage.calls[0].headers["Authorization"].partition(" ")
    shown = dict(part.split("=", 1) for part in rest.split(", "))
    assert scheme == "vapid"
    public = read_key(KEY).public_key()
    assert from_base64url(shown["k"]) == point_of(public)
    claims = jwt.decode(shown["t"], public, ["ES256"], audience=stage.base)
    assert claims["sub"] == f"mailto:{SECRET}@example.se"


async def test_the_token_is_the_same_until_it_is_refused(stage: ServerStage) -> None:
    await stage.send(new_id())
    await stage.send(new_id())
    await stage.misbehave("login")
    await stage.send(new_id())
    await stage.misbehave("well")
    await stage.send(new_id())
    shown = [call.headers["Authorization"] for call in stage.calls]
    assert shown[0] == shown[1] == shown[2]
    assert shown[3] != shown[2]  # ECDSA signs the same claims differently each time


async def test_the_path_of_the_message_is_the_reference(stage: ServerStage) -> None:
    assert await stage.send(new_id()) == Sent("/message/qDIYHNcfAIPP_5ITvURr-d6BGt")


@pytest.mark.parametrize("location", [None, "", "http://[", "/" + "x" * 600])
async def test_a_strange_reference_is_none(stage: ServerStage, location: str | None) -> None:
    stage.replies = {
        "well": lambda: web.Response(
            status=201, headers={"Location": location} if location is not None else {}
        )
    }
    assert await stage.send(new_id()) == Sent(None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Sent) for status in (200, 201, 202)),
        *((status, Rejected) for status in (301, 307, 400, 404, 405, 410, 413, 415, 422)),
        *((status, Misconfigured) for status in (401, 403)),
        *((status, Deferred) for status in (429, 500, 503)),
        *((status, Uncertain) for status in (204, 502, 504)),
    ],
)
async def test_every_status_has_its_meaning(stage: ServerStage, status: int, kind: type) -> None:
    stage.replies = {
        "well": lambda: web.Response(status=status, headers={"Location": "/elsewhere"})
    }
    assert isinstance(await stage.send(new_id()), kind)
    assert len(stage.calls) == 1  # a redirection is followed nowhere


@pytest.mark.parametrize(
    ("status", "removed"), [(404, True), (410, True), (400, False), (403, False), (500, False)]
)
async def test_a_subscription_is_removed_when_the_service_says_that_it_is_gone(
    stage: ServerStage, status: int, removed: bool
) -> None:
    stage.replies = {"well": lambda: web.Response(status=status)}
    await stage.send(new_id())
    assert bool(stage.devices.removed) is removed


@pytest.mark.parametrize(
    "wrong",
    [
        {"p256dh": "BAAA"},
        {"p256dh": "B" + "A" * 86},
        {"auth": "!"},
        {"auth": ""},
        {"p256dh": "åäö"},
        {"p256dh": ""},
    ],
)
async def test_keys_that_are_no_keys_are_rejected_before_anything_is_sent(
    stage: ServerStage, wrong: dict[str, str]
) -> None:
    destination = stage.devices.add("webpush", {**address(stage.base), **wrong})
    outcome = await stage.channel.send(draft(destination), uuid4(), "webpush")
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "broken-subscription"
    assert stage.calls == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:1/wp/a",
        "https://127.0.0.1/wp/a",
        "https://push.example.com/a",
        "file:///etc",
        "",
        "//",
    ],
)
async def test_an_endpoint_that_is_not_allowed_is_never_called(
    stage: ServerStage, endpoint: str
) -> None:
    destination = stage.devices.add("webpush", {**address(stage.base), "endpoint": endpoint})
    outcome = await stage.channel.send(draft(destination), uuid4(), "webpush")
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "forbidden-address"
    assert stage.devices.removed == []


async def test_no_outcome_tells_the_endpoint_or_the_person(stage: ServerStage) -> None:
    """The endpoint is a secret: whoever knows it can send to the device."""
    for how in ("well", "temporary", "login", "refuse", "throttle", "drop", "garbage", "gone"):
        await stage.misbehave(how)
        told = repr(await stage.send(new_id()))
        assert SECRET not in told
        assert PARTY not in told
        assert "Biblioteket" not in told
