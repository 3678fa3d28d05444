"""Tests of the CLI as an HTTP client: identity and error messages."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.client.conftest import ScriptedServer, drop_connection, respond
from utskick.cli.client import NoAnswer, RequestRefused, ServiceTarget, open_client
from utskick.domain.errors import SettingsFault, Unreadable
from utskick_client import RetryPolicy, SendOptions, Sms

SWIFT = RetryPolicy(attempts=3, first_pause=0.01, max_retry_after=0.01)


async def post(url: str, *, token: str | None = None, key: str = "key-1", text: str = "Hej") -> str:
    async with open_client(ServiceTarget(url, token=token), SWIFT) as client:
        return (await client.send_sms(Sms("+46701740605", text), SendOptions(key))).message_id


async def test_every_violation_is_listed(wire: ScriptedServer) -> None:
    violations = [
        {"field": "message", "message": "must not be blank"},
        {"field": "mobileNumber", "message": "must be a number"},
    ]
    wire.answers = [respond(400, {"title": "Constraint Violation", "violations": violations})]
    with pytest.raises(RequestRefused) as refused:
        await post(wire.url)
    assert refused.value.detail.splitlines() == [
        "the service refused the request (400 Constraint Violation):",
        "  message must not be blank",
        "  mobileNumber must be a number",
    ]


async def test_a_temporary_error_is_retried_and_finally_reported(wire: ScriptedServer) -> None:
    wire.answers = [
        respond(503, {"title": "Service Unavailable", "detail": "the database is away"})
    ]
    with pytest.raises(
        RequestRefused,
        match=(
            r"^the service refused the request \(503 Service Unavailable\): the database is "
            r"away$"
        ),
    ):
        await post(wire.url)
    assert len(wire.calls) == SWIFT.attempts
    wire.answers = [respond(504, "<html>"), respond(201, {"messageId": "m"})]
    assert await post(wire.url) == "m"


async def test_a_lost_answer_is_reported_with_the_key_for_repeating(wire: ScriptedServer) -> None:
    wire.answers = [drop_connection]
    with pytest.raises(NoAnswer, match=r"may or may not have been accepted.*--key key-1"):
        await post(wire.url)


async def test_an_unreachable_service_is_reported_with_what_to_do(wire: ScriptedServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(NoAnswer, match=f"no service responds at {url}.*utskick serve.*UTSKICK_URL"):
        await post(url)
    wire.answers = [drop_connection]
    with pytest.raises(NoAnswer, match="no service responds"):
        async with open_client(ServiceTarget(wire.url), SWIFT) as client:
            await client.message_status("m")


async def test_an_answer_that_is_no_json_is_not_ours(wire: ScriptedServer) -> None:
    wire.answers = [respond(200, "<html>It works!</html>")]
    with pytest.raises(NoAnswer, match="not Utskick's API"):
        await post(wire.url)


async def test_caller_municipality_and_token_are_sent_without_a_proxy(
    wire: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    wire.answers = [respond(201, {"messageId": "m"})]
    await post(wire.url, token="t0ken")
    path, headers, _ = wire.calls[0]
    assert path == "/2281/sms"
    assert headers["x-origin"] == "utskick-cli"
    assert headers["X-Sent-By"].endswith("; type=adAccount")
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == "key-1"


@pytest.mark.parametrize(("key", "text"), [("a\nb", "Hej"), ("k", "\udcff")])
async def test_invalid_input_is_reported_before_anything_is_sent(
    wire: ScriptedServer, key: str, text: str
) -> None:
    with pytest.raises(Unreadable, match=r"key|UTF-8"):
        await post(wire.url, key=key, text=text)
    assert wire.calls == []


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://here", "http://", ""])
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(SettingsFault, match="not the address of a service"):
        ServiceTarget(url)


def test_the_command_line_speaks_http_through_the_package_alone() -> None:
    folder = Path(__file__).parents[2] / "src" / "utskick" / "cli"
    own = [
        path.name
        for path in folder.rglob("*.py")
        if "import aiohttp" in path.read_text() or "urllib.request" in path.read_text()
    ]
    assert sorted(own) == [
        "ledger_readers.py",
        "people.py",
    ]  # the demo calls the sandbox, which is another service
