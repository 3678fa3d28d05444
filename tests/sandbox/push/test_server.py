"""Tests of the push simulators, called by the push channel and by strangers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.channels.push.stage import SandboxStage
from utskick.channels.push.vapid import Vapid, from_base64url
from utskick.channels.push.webpush import encrypt
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.sandbox.faults import FaultRule, ProviderFault
from utskick.sandbox.push.device import decrypt


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[SandboxStage]:
    stage = await SandboxStage(tmp_path).open()
    yield stage
    await stage.close()


async def test_a_browser_reads_what_was_encrypted_for_it(stage: SandboxStage) -> None:
    key = new_id()
    assert isinstance(
        await stage.send(await stage.browser("annas-dator"), key, url="https://sundsvall.se"), Sent
    )
    [received] = stage.received("annas-dator")
    assert (received.channel, received.provider, received.sender) == (
        "push",
        "webpush",
        "mailto:push@utskick.example",
    )
    assert (received.subject, received.text, received.key) == (
        "Biblioteket",
        "Din bok finns att hämta.",
        str(key),
    )
    assert orjson.loads(received.raw)["url"] == "https://sundsvall.se"


async def test_an_app_receives_title_and_text(stage: SandboxStage) -> None:
    key = new_id()
    outcome = await stage.send(stage.app("annas-telefon"), key)
    [received] = stage.received("annas-telefon")
    assert outcome == Sent(received.reference)
    assert (received.provider, received.sender, received.key) == ("fcm", "sandbox", str(key))
    assert (received.subject, received.text) == ("Biblioteket", "Din bok finns att hämta.")


def test_the_example_of_rfc_8291_is_read() -> None:
    """Decrypt the example of RFC 8291 section 5 and appendix A, made by another implementation."""
    number = int.from_bytes(from_base64url("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
    body = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4M"
        "qgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    key = ec.derive_private_key(number, ec.SECP256R1())
    assert (
        decrypt(from_base64url(body), key, from_base64url("BTBZMqHH6r4Tts7J_aSIgg"))
        == b"When I grow up, I want to be a watermelon"
    )
    assert decrypt(from_base64url(body)[:-1], key, from_base64url("BTBZMqHH6r4Tts7J_aSIgg")) is None


# -- faults ----------------------------------------

TAKEN = [("timeout", Uncertain), ("drop", Uncertain), ("garbage", Uncertain)]
NOT_TAKEN = [
    ("gone", Rejected),
    ("throttled", Deferred),
    ("down", Deferred),
    ("temporary", Deferred),
]


@pytest.mark.parametrize(("name", "kind"), TAKEN)
@pytest.mark.parametrize("of", ["webpush", "fcm"])
async def test_a_message_with_a_lost_response_is_accepted_and_a_second_copy_is_identical(
    stage: SandboxStage, name: str, kind: type, of: str
) -> None:
    destination, key = await stage.browser(name) if of == "webpush" else stage.app(name), new_id()
    assert isinstance(await stage.send(destination, key), kind)
    assert isinstance(await stage.send(destination, key), Sent)
    first, second = stage.received(name)
    assert (
        (first.key, first.subject, first.text)
        == (second.key, second.subject, second.text)
        == (str(key), first.subject, first.text)
    )


@pytest.mark.parametrize(("name", "kind"), NOT_TAKEN)
@pytest.mark.parametrize("of", ["webpush", "fcm"])
async def test_a_rejected_message_reaches_nobody(
    stage: SandboxStage, name: str, kind: type, of: str
) -> None:
    destination = await stage.browser(f"{name}-2") if of == "webpush" else stage.app(f"{name}-2")
    assert isinstance(await stage.send(destination), kind)
    assert len(stage.ledger) == 0
    assert bool(stage.devices.removed) is (name == "gone")


async def test_an_app_of_another_project_is_our_mistake(stage: SandboxStage) -> None:
    assert isinstance(await stage.send(stage.app("stranger")), Misconfigured)


async def test_the_script_strikes_before_the_name(stage: SandboxStage) -> None:
    stage.faults.add(FaultRule(ProviderFault.LOGIN, "webpush", "annas"))
    destination = await stage.browser("annas-dator")
    assert isinstance(await stage.send(destination), Misconfigured)
    assert isinstance(await stage.send(destination), Sent)


# -- offline devices ----------------------------------------


async def wake(stage: SandboxStage, name: str) -> int:
    async with stage.session.post(f"{stage.base}/push/devices/{name}/wake") as answer:
        received: int = (await answer.json())["received"]
        return received


async def test_a_newer_message_replaces_an_older_one_of_its_topic(
    stage: SandboxStage,
) -> None:
    destination = await stage.browser("offline-dator")
    for text, topic in (("Ett.", "bok"), ("Annat.", None), ("Två.", "bok"), ("Tre.", "bok")):
        assert isinstance(
            await stage.send(destination, message=text, **({"topic": topic} if topic else {})), Sent
        )
    assert stage.received("offline-dator") == []
    assert await wake(stage, "offline-dator") == 2
    assert [r.text for r in stage.received("offline-dator")] == ["Annat.", "Tre."]
    assert await wake(stage, "offline-dator") == 0


async def test_what_was_now_or_never_is_not_kept(stage: SandboxStage) -> None:
    await stage.send(await stage.browser("offline"), ttl=0)
    assert await wake(stage, "offline") == 0


async def test_an_unknown_device_cannot_wake(stage: SandboxStage) -> None:
    async with stage.session.post(f"{stage.base}/push/devices/nobody/wake") as answer:
        assert answer.status == 404


# -- strangers ----------------------------------------


async def made(stage: SandboxStage, name: str = "dator") -> dict[str, Any]:
    async with stage.session.post(f"{stage.base}/push/devices", json={"name": name}) as answer:
        found: dict[str, Any] = await answer.json()
        return found


def ours(stage: SandboxStage, **claims: Any) -> str:
    """Return the Authorization of the sandbox's application server with other claims."""
    key = load_pem_private_key((stage.place.folder / "push" / "vapid.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    header = Vapid(key, "mailto:a@b.se").authorization(stage.base)
    token = jwt.encode(
        {"aud": stage.base, "exp": int(time.time()) + 60, "sub": "mailto:a@b.se", **claims},
        key,
        algorithm="ES256",
    )
    return f"vapid t={token}, k={header.partition('k=')[2]}"


GOOD = {"TTL": "60", "Content-Encoding": "aes128gcm"}


async def push(
    stage: SandboxStage, device: dict[str, Any], headers: dict[str, str], body: bytes | None = None
) -> int:
    data = (
        encrypt(b'{"title": "a", "message": "b"}', device["p256dh"], device["auth"])
        if body is None
        else body
    )
    async with stage.session.post(device["endpoint"], data=data, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Urgency": "high", "Topic": "bok"}, 201),
        ({"TTL": ""}, 400),
        ({"TTL": "-1"}, 400),
        ({"TTL": "soon"}, 400),
        ({"Urgency": "now"}, 400),
        ({"Topic": "a" * 33}, 400),
        ({"Topic": "a b"}, 400),
        ({"Content-Encoding": "aesgcm"}, 415),
        ({"Authorization": ""}, 401),
        ({"Authorization": "vapid t=a.b.c"}, 401),
        ({"Authorization": "Bearer abc"}, 401),
    ],
)
async def test_a_push_service_is_strict_about_headers(
    stage: SandboxStage, headers: dict[str, str], status: int
) -> None:
    device = await made(stage)
    assert await push(stage, device, {**GOOD, "Authorization": ours(stage), **headers}) == status
    assert len(stage.ledger) == (1 if status == 201 else 0)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://push.example.net"},
        {"exp": int(time.time()) - 60},
        {"exp": int(time.time()) + 25 * 3600},
        {"exp": None},
        {"sub": "anna"},
    ],
)
async def test_a_push_service_is_strict_about_who_sends(
    stage: SandboxStage, claims: dict[str, Any]
) -> None:
    device = await made(stage)
    assert await push(stage, device, {**GOOD, "Authorization": ours(stage, **claims)}) == 403


async def test_another_application_server_may_not_use_the_subscription(stage: SandboxStage) -> None:
    """Reject another application server (RFC 8292 section 4)."""
    device = await made(stage)
    stranger = Vapid(ec.generate_private_key(ec.SECP256R1()), "mailto:a@b.se").authorization(
        stage.base
    )
    assert await push(stage, device, {**GOOD, "Authorization": stranger}) == 403
    forged = f"{stranger.partition(' k=')[0]} k={ours(stage).partition('k=')[2]}"
    assert await push(stage, device, {**GOOD, "Authorization": forged}) == 403


async def test_a_payload_that_cannot_be_decrypted_is_rejected(stage: SandboxStage) -> None:
    device, other = await made(stage), await made(stage, "annan")
    headers = {**GOOD, "Authorization": ours(stage)}
    assert await push(stage, device, headers, encrypt(b"{}", other["p256dh"], other["auth"])) == 400
    assert (
        await push(stage, device, headers, encrypt(b"no JSON", device["p256dh"], device["auth"]))
        == 400
    )
    assert await push(stage, device, headers, b"") == 400
    assert await push(stage, device, headers, b"a" * 4097) == 413
    assert len(stage.ledger) == 0


async def test_an_unknown_device_is_gone(stage: SandboxStage) -> None:
    device = await made(stage)
    assert (
        await push(
            stage,
            {**device, "endpoint": device["endpoint"] + "x"},
            {**GOOD, "Authorization": ours(stage)},
        )
        == 404
    )


@pytest.mark.parametrize("body", [b"", b"[]", b'{"name": 7}', b'{"name": "a b"}', b'{"name": ""}'])
async def test_a_device_needs_a_name(stage: SandboxStage, body: bytes) -> None:
    async with stage.session.post(f"{stage.base}/push/devices", data=body) as answer:
        assert answer.status == 400


async def test_a_device_keeps_its_keys_and_is_reached_by_the_number(stage: SandboxStage) -> None:
    first = await made(stage)
    async with stage.session.post(
        f"http://localhost:{urlsplit(stage.base).port}/push/devices", json={"name": "dator"}
    ) as answer:
        assert await answer.json() == first
    assert first["keys"] == {"p256dh": first["p256dh"], "auth": first["auth"]}


# -- the Firebase project ----------------------------------------


async def ask(
    session: aiohttp.ClientSession, url: str, token: str, message: Any
) -> tuple[int, str]:
    async with session.post(
        url, json=message, headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        return answer.status, (await answer.json())["error"][
            "status"
        ] if answer.status != 200 else ""


async def token_of(stage: SandboxStage, **changes: Any) -> tuple[int, str]:
    account = orjson.loads((stage.place.folder / "push" / "service-account.json").read_bytes())
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "aud": f"{stage.base}/push/fcm/token",
        "iat": now,
        "exp": now + 3600,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        **changes,
    }
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, account["private_key"], "RS256"),
    }
    async with stage.session.post(f"{stage.base}/push/fcm/token", data=form) as answer:
        members = await answer.json()
        return answer.status, members.get("access_token") or members["error"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant"),
        ({"iss": "somebody@example"}, "invalid_grant"),
        ({"iat": 1, "exp": 3601}, "invalid_grant"),
        ({"exp": int(time.time()) + 7200}, "invalid_scope"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
    ],
)
async def test_the_login_service_is_strict_about_assertions(
    stage: SandboxStage, changes: dict[str, Any], error: str
) -> None:
    assert await token_of(stage, **changes) == (400, error)


async def test_the_login_service_knows_one_grant(stage: SandboxStage) -> None:
    async with stage.session.post(
        f"{stage.base}/push/fcm/token", data={"grant_type": "client_credentials"}
    ) as answer:
        assert (await answer.json())["error"] == "unsupported_grant_type"


GOOD_MESSAGE: dict[str, Any] = {
    "token": "annas-telefon",
    "notification": {"title": "a", "body": "b"},
}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (GOOD_MESSAGE, 200),
        ({**GOOD_MESSAGE, "token": "a b"}, 400),
        ({**GOOD_MESSAGE, "token": None}, 400),
        ({**GOOD_MESSAGE, "colour": "red"}, 400),
        ({**GOOD_MESSAGE, "data": {"number": 7}}, 400),
        ({**GOOD_MESSAGE, "android": {"ttl": "60"}}, 400),
        ({**GOOD_MESSAGE, "android": {"priority": "high!"}}, 400),
        ({**GOOD_MESSAGE, "data": {"a": "b" * 4096}}, 400),
        (None, 400),
    ],
)
async def test_the_project_is_strict_about_messages(
    stage: SandboxStage, message: Any, status: int
) -> None:
    _, token = await token_of(stage)
    url = f"{stage.base}/push/fcm/v1/projects/sandbox/messages:send"
    assert await ask(stage.session, url, token, {"message": message}) == (
        status,
        "" if status == 200 else "INVALID_ARGUMENT",
    )
    assert len(stage.ledger) == (1 if status == 200 else 0)


async def test_the_project_is_strict_about_who_sends(stage: SandboxStage) -> None:
    _, token = await token_of(stage)
    url = stage.base + "/push/fcm/v1/projects/{}/messages:send"
    assert await ask(stage.session, url.format("sandbox"), "abc", {"message": GOOD_MESSAGE}) == (
        401,
        "UNAUTHENTICATED",
    )
    assert await ask(stage.session, url.format("other"), token, {"message": GOOD_MESSAGE}) == (
        403,
        "PERMISSION_DENIED",
    )


async def test_a_key_that_was_exchanged_is_accepted_up_without_a_restart(
    stage: SandboxStage,
) -> None:
    destination = stage.app("annas-telefon")
    assert isinstance(await stage.send(destination), Sent)
    stage.push.rotate_account_key()
    assert isinstance(await stage.send(destination), Sent)
    assert len(stage.received("annas-telefon")) == 2


async def test_a_withdrawn_key_is_misconfigured_until_the_new_one_exists(
    stage: SandboxStage,
) -> None:
    destination, file = (
        stage.app("annas-telefon"),
        stage.place.folder / "push" / "service-account.json",
    )
    assert isinstance(await stage.send(destination), Sent)
    old = file.read_bytes()
    stage.push.rotate_account_key()
    new = file.read_bytes()
    file.write_bytes(old)
    assert isinstance(await stage.send(destination), Misconfigured)
    file.write_bytes(new)
    assert isinstance(await stage.send(destination), Sent)


async def test_the_keys_outlive_the_sandbox(stage: SandboxStage, tmp_path: Path) -> None:
    files = [tmp_path / "push" / name for name in ("vapid.pem", "service-account.json")]
    before = [file.read_bytes() for file in files]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    await stage.push.start()
    assert [file.read_bytes() for file in files] == before
    assert isinstance(await stage.send(stage.app("annas-telefon")), Sent)
