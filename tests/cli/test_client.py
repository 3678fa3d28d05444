"""The command line as a client: who it says that it is, and sentences that say what is wrong."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.client.conftest import Wire, hanging_up, saying
from utskick.cli.client import NoAnswer, RequestRefused, ServiceTarget, reaching
from utskick.domain.errors import SettingsFault, Unreadable
from utskick_client import Manner, Patience, Sms

SWIFT = Patience(tries=3, pause=0.01, longest=0.01)


async def post(url: str, *, token: str | None = None, key: str = "key-1", text: str = "Hej") -> str:
    async with reaching(ServiceTarget(url, token=token), SWIFT) as client:
        return (await client.send_sms(Sms("+46701740605", text), Manner(key))).message_id


async def test_every_violation_is_listed(wire: Wire) -> None:
    violations = [
        {"field": "message", "message": "must not be blank"},
        {"field": "mobileNumber", "message": "must be a number"},
    ]
    wire.answers = [saying(400, {"title": "Constraint Violation", "violations": violations})]
    with pytest.raises(RequestRefused) as refused:
        await post(wire.url)
    assert refused.value.detail.splitlines() == [
        "the service refused it (400 Constraint Violation):",
        "  message must not be blank",
        "  mobileNumber must be a number",
    ]


async def test_what_may_pass_is_tried_again_and_in_the_end_told(wire: Wire) -> None:
    wire.answers = [saying(503, {"title": "Service Unavailable", "detail": "the database is away"})]
    with pytest.raises(
        RequestRefused,
        match=r"^the service refused it \(503 Service Unavailable\): the database is away$",
    ):
        await post(wire.url)
    assert len(wire.asked) == SWIFT.tries
    wire.answers = [saying(504, "<html>"), saying(201, {"messageId": "m"})]
    assert await post(wire.url) == "m"


async def test_a_lost_answer_is_told_with_the_key_that_finds_out(wire: Wire) -> None:
    wire.answers = [hanging_up]
    with pytest.raises(NoAnswer, match=r"may have been accepted or not.*--key key-1"):
        await post(wire.url)


async def test_where_nothing_listens_the_sentence_says_what_to_do(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(NoAnswer, match=f"nothing answers at {url}.*utskick serve.*UTSKICK_URL"):
        await post(url)
    wire.answers = [hanging_up]
    with pytest.raises(NoAnswer, match="nothing answers"):
        async with reaching(ServiceTarget(wire.url), SWIFT) as client:
            await client.message_status("m")


async def test_an_answer_that_is_no_json_is_not_ours(wire: Wire) -> None:
    wire.answers = [saying(200, "<html>It works!</html>")]
    with pytest.raises(NoAnswer, match="not Utskick's API"):
        await post(wire.url)


async def test_caller_municipality_and_token_are_told_and_a_proxy_is_not_asked(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    wire.answers = [saying(201, {"messageId": "m"})]
    await post(wire.url, token="t0ken")
    path, headers, _ = wire.asked[0]
    assert path == "/2281/sms"
    assert headers["x-origin"] == "utskick-cli"
    assert headers["X-Sent-By"].endswith("; type=adAccount")
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == "key-1"


@pytest.mark.parametrize(("key", "text"), [("a\nb", "Hej"), ("k", "\udcff")])
async def test_what_cannot_be_sent_is_told_before_anything_is(
    wire: Wire, key: str, text: str
) -> None:
    with pytest.raises(Unreadable, match=r"key|UTF-8"):
        await post(wire.url, key=key, text=text)
    assert wire.asked == []


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://here", "http://", ""])
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(SettingsFault, match="no address of a service"):
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
    ]  # the demo's calls to the sandbox, which is another service
