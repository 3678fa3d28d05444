"""FCM HTTP v1: the provider contract, the message for each platform, the table of errors, the token
and its key."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from tests.channels.push.stage import Make, ServerStage, channel, draft
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.push.payload import Notification
from utskick.channels.push.service_account import SCOPE, ServiceAccount
from utskick.channels.push.settings import PushSettings
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain

KEY = rsa.generate_private_key(65537, 2048)
NAME = "projects/sundsvall-app/messages/0:1500415314455276%31bd1c9631bd1c96"


def fault(status: int, word: str | None, code: str | None = None, **headers: str) -> Make:
    """google.rpc.Status as FCM answers with it."""
    details = (
        [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
        if code
        else []
    )
    said = {"error": {"code": status, "message": "no", "status": word, "details": details}}
    return lambda: web.json_response(
        said,
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


ANSWERS = {
    "well": lambda: web.json_response({"name": NAME}),
    "temporary": fault(503, "UNAVAILABLE", "UNAVAILABLE"),
    "login": fault(401, "UNAUTHENTICATED"),
    "refuse": fault(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
}


def key_file(folder: Path, **changes: Any) -> Path:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = folder / "service-account.json"
    file.write_bytes(
        orjson.dumps(
            {
                "client_email": f"{SECRET}@example",
                "private_key": pem,
                "private_key_id": "k1",
                **changes,
            }
        )
    )
    return file


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ServerStage]:
    file = key_file(tmp_path)

    def account(base: str) -> dict[str, Any]:
        return {
            "url": base,
            "project": "sundsvall-app",
            "service_account_file": file,
            "token_url": f"{base}/token",
        }

    stage = ServerStage(ANSWERS, lambda body: orjson.loads(body)["message"]["data"]["deliveryId"])
    yield await stage.open("fcm", lambda _: {"token": SECRET}, account)
    await stage.close()


class TestFcm(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: ServerStage) -> ServerStage:
        return stage


def message(stage: ServerStage, number: int = -1) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(stage.bodies[number])["message"]
    return found


async def test_the_message_says_the_same_wish_to_every_platform(stage: ServerStage) -> None:
    key, before = new_id(), int(time.time())
    assert await stage.send(
        key, topic="bok-17", ttl=60, urgency="high", url="https://sundsvall.se/bok"
    ) == Sent(NAME)
    call = stage.calls[0]
    assert (call.method, call.path) == ("POST", "/v1/projects/sundsvall-app/messages:send")
    assert call.headers["Authorization"] == f"Bearer {SECRET}-1"
    said = message(stage)
    assert before + 60 <= int(said["apns"]["headers"].pop("apns-expiration")) <= time.time() + 60
    assert said == {
        "token": SECRET,
        "notification": {"title": "Biblioteket", "body": "Din bok finns att hämta."},
        "data": {"deliveryId": str(key), "tag": "bok-17", "url": "https://sundsvall.se/bok"},
        "android": {
            "ttl": "60s",
            "priority": "HIGH",
            "collapse_key": "bok-17",
            "notification": {"tag": "bok-17"},
        },
        "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": "bok-17"}},
        "webpush": {"headers": {"TTL": "60", "Urgency": "high", "Topic": "bok-17"}},
    }


async def test_without_a_topic_a_second_copy_is_known_by_the_delivery(stage: ServerStage) -> None:
    key = new_id()
    await stage.send(key)
    said = message(stage)
    assert (
        said["android"]["notification"]["tag"]
        == said["apns"]["headers"]["apns-collapse-id"]
        == str(key)
    )
    assert "collapse_key" not in said["android"]


@pytest.mark.parametrize(
    ("urgency", "android", "apns"),
    [
        ("very-low", "NORMAL", "5"),
        ("low", "NORMAL", "5"),
        ("normal", "NORMAL", "10"),
        ("high", "HIGH", "10"),
    ],
)
async def test_urgency_in_the_words_of_each_platform(
    stage: ServerStage, urgency: str, android: str, apns: str
) -> None:
    await stage.send(new_id(), urgency=urgency)
    said = message(stage)
    assert (said["android"]["priority"], said["apns"]["headers"]["apns-priority"]) == (
        android,
        apns,
    )


async def test_now_or_never_is_said_to_apple_as_zero(stage: ServerStage) -> None:
    await stage.send(new_id(), ttl=0)
    assert message(stage)["apns"]["headers"]["apns-expiration"] == "0"
    assert message(stage)["android"]["ttl"] == "0s"


NONSENSE = {"error": {"status": 7, "details": [None, {}, {"errorCode": 3}]}}
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "kind", "code", "after"),
    [
        (fault(404, "NOT_FOUND", "UNREGISTERED"), Rejected, "gone", None),
        (fault(404, "NOT_FOUND"), Misconfigured, "wrong-address", None),
        (fault(400, "INVALID_ARGUMENT"), Rejected, "refused", None),
        (fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Deferred, "throttled", MINUTE),
        (
            fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="7"),
            Deferred,
            "throttled",
            timedelta(seconds=7),
        ),
        (
            fault(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="9"),
            Deferred,
            "provider-fault",
            timedelta(seconds=9),
        ),
        (fault(500, "INTERNAL", "INTERNAL"), Deferred, "provider-fault", None),
        (
            fault(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
            Misconfigured,
            "foreign-sender",
            None,
        ),
        (
            fault(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Misconfigured,
            "third-party-login",
            None,
        ),
        (fault(403, "PERMISSION_DENIED"), Misconfigured, "refused-login", None),
        (fault(502, None), Uncertain, "gateway-lost-answer", None),
        (lambda: web.Response(status=404), Misconfigured, "wrong-address", None),
        (lambda: web.json_response({"error": "no"}, status=500), Deferred, "provider-fault", None),
        (
            lambda: web.json_response(
                {"error": {"status": 7, "details": [None, {}, {"errorCode": 3}]}}, status=500
            ),
            Deferred,
            "provider-fault",
            None,
        ),
        (lambda: web.json_response({"name": ""}), Uncertain, "garbage", None),
        (lambda: web.json_response([]), Uncertain, "garbage", None),
    ],
)
async def test_every_error_has_its_meaning(
    stage: ServerStage, answer: Make, kind: type, code: str, after: timedelta | None
) -> None:
    stage.answers = {"well": answer}
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code  # type: ignore[attr-defined]
    assert getattr(outcome, "retry_after", None) == after
    assert (len(stage.devices.removed) == 1) is (code == "gone")
    assert (len(stage.calls), stage.tokens_given) == (1, 1)


async def test_a_token_is_fetched_once_for_many(stage: ServerStage) -> None:
    for _ in range(3):
        await stage.send(new_id())
    assert stage.tokens_given == 1


async def test_a_token_that_is_not_taken_is_renewed_once(stage: ServerStage) -> None:
    answers = [ANSWERS["login"], ANSWERS["well"]]
    stage.answers = {"well": lambda: answers.pop(0)()}
    assert await stage.send(new_id()) == Sent(NAME)
    assert [call.headers["Authorization"] for call in stage.calls] == [
        f"Bearer {SECRET}-1",
        f"Bearer {SECRET}-2",
    ]


async def test_a_second_refusal_is_our_mistake(stage: ServerStage) -> None:
    await stage.misbehave("login")
    assert isinstance(await stage.send(new_id()), Misconfigured)
    assert (len(stage.calls), stage.tokens_given) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: web.json_response({"error": "invalid_grant"}, status=400), Misconfigured),
        (lambda: web.Response(status=401), Misconfigured),
        (lambda: web.Response(status=503), Deferred),
        (lambda: web.Response(text="<html>"), Deferred),
    ],
)
async def test_without_a_token_nothing_is_sent(
    stage: ServerStage, answer: Make, kind: type
) -> None:
    stage.token_answers = [answer]
    assert isinstance(await stage.send(new_id()), kind)
    assert stage.calls == []


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": "none"},
        {"private_key": None},
        {"client_email": 7},
        {"private_key": "-----BEGIN PRIVATE KEY-----"},
    ],
)
async def test_a_file_without_a_key_is_our_mistake(
    stage: ServerStage, tmp_path: Path, changes: dict[str, Any]
) -> None:
    key_file(tmp_path, **changes)
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "service-account"
    assert stage.tokens_given == 0


async def test_a_file_that_is_not_there_yet_is_found_when_it_is(
    stage: ServerStage, tmp_path: Path
) -> None:
    (tmp_path / "service-account.json").unlink()
    assert isinstance(await stage.send(new_id()), Misconfigured)
    key_file(tmp_path)
    assert isinstance(await stage.send(new_id()), Sent)


async def test_the_assertion_is_the_one_that_google_documents(tmp_path: Path) -> None:
    """RFC 7523 section 3; developers.google.com/identity/protocols/oauth2/service-account.
    ``token_uri`` of the file is where it goes."""
    seen: list[bytes] = []

    async def give(request: web.Request) -> web.Response:
        seen.append(await request.read())
        return web.json_response({"access_token": "a", "expires_in": 3599})

    app = web.Application()
    app.router.add_post("/oauth", give)
    google = TestServer(app, host="127.0.0.1")
    await google.start_server()
    uri = str(google.make_url("/oauth"))
    file = key_file(tmp_path, token_uri=uri)
    stage = ServerStage(ANSWERS, lambda body: "")
    await stage.open(
        "fcm",
        lambda _: {"token": "a"},
        lambda base: {"url": base, "project": "p", "service_account_file": file},
    )
    assert isinstance(await stage.send(new_id()), Sent)
    await stage.close()
    await google.close()
    form = parse_qs(seen[0].decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    [assertion] = form["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = jwt.decode(
        assertion, KEY.public_key(), ["RS256"], audience=uri, issuer=f"{SECRET}@example"
    )
    assert claims["scope"] == SCOPE
    assert claims["exp"] - claims["iat"] == 3600


def test_a_service_account_does_not_tell_its_key() -> None:
    assert "secret" not in repr(ServiceAccount("a", "secret", None, "https://a"))


def test_a_notification_knows_itself_by_its_topic() -> None:
    key = new_id()
    assert Notification("a", "b", None, "t", "normal", 0, key).tag == "t"
    assert Notification("a", "b", None, None, "normal", 0, key).tag == str(key)


async def test_a_service_account_needs_no_file(stage: ServerStage, tmp_path: Path) -> None:
    text = key_file(tmp_path).read_text()
    (tmp_path / "service-account.json").unlink()
    members = {
        "provider": "fcm",
        "url": stage.base,
        "project": "sundsvall-app",
        "token_url": f"{stage.base}/token",
    }
    made = channel(stage.devices, apps={**members, "service_account": text})
    assert isinstance(await made.send(draft(stage.destination), new_id(), "apps"), Sent)
    await made.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": "none"},
        {"private_key": None},
        {"client_email": 7},
        {"private_key": f"-----BEGIN RSA KEY{SECRET}"},
    ],
)
def test_a_service_account_without_a_key_is_told_when_the_settings_are_read(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    account = {
        "provider": "fcm",
        "project": "p",
        "service_account": key_file(tmp_path, **changes).read_text(),
    }
    with pytest.raises(ValidationError) as fault:
        PushSettings.model_validate({"accounts": {"apps": account}})
    (told,) = fault.value.errors()
    assert (told["loc"][-1], told["input"]) == ("service_account", None)
    assert SECRET not in str(fault.value)


@pytest.mark.parametrize("sources", [(), ("service_account", "service_account_file")])
def test_a_service_account_is_given_in_one_way(tmp_path: Path, sources: tuple[str, ...]) -> None:
    file = key_file(tmp_path)
    given = {"service_account": file.read_text(), "service_account_file": file}
    account = {"provider": "fcm", "project": "p", **{name: given[name] for name in sources}}
    with pytest.raises(
        ValidationError, match="they are alternatives" if sources else "must be set: "
    ):
        PushSettings.model_validate({"accounts": {"apps": account}})
