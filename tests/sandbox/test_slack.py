"""The sandbox's Slack, met by the Slack channel itself: each fault once, and what the ledger holds
after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tests.contracts.provider import PATIENCE
from utskick.channels.slack.channel import build
from utskick.channels.slack.settings import SlackSettings
from utskick.domain.channel import Draft
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.domain.recipient import Recipient
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.slack import Slack, section


class Town:
    """The simulator on a real port, and the channel that its own section makes."""

    def __init__(self, folder: Path, memory: float = 300.0) -> None:
        self.place = SandboxAddresses(unused_port(), 0, folder, "http://127.0.0.1:9")
        self.ledger, self.faults = Ledger(), Faults()
        self.slack = Slack(self.ledger, self.faults, self.place, memory=memory)

    async def open(self) -> Town:
        app = web.Application()
        app.add_routes(self.slack.routes())
        self.server = TestServer(app, host="127.0.0.1", port=self.place.http_port)
        await self.server.start_server()
        await self.slack.start()
        self.base = f"http://127.0.0.1:{self.place.http_port}/slack/api"
        settings = section(self.place)
        settings["accounts"]["slack"] |= PATIENCE
        self.channel = build(SlackSettings.model_validate(settings))
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.slack.close()
        await self.server.close()

    async def send(
        self, to: str = "#drift", text: str = "Hej", *, token: str | None = None, key: object = None
    ) -> Outcome:
        content = {"message": text, **({"_brought": True} if token else {})}
        draft = Draft("2281", content, Recipient(to), secret=token.encode() if token else None)
        return await self.channel.send(draft, key or new_id(), "slack")  # type: ignore[arg-type]

    async def post(self, data: Any, token: str | None = "xoxb-1", **headers: str) -> dict[str, Any]:
        headers = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.base}/chat.postMessage", data=data, headers=headers) as answer,
        ):
            return orjson.loads(await answer.read())


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = await Town(tmp_path).open()
    yield town
    await town.close()


async def test_what_was_posted_stands_in_the_ledger(town: Town) -> None:
    key = new_id()
    outcome = await town.send(text="Hej *alla* åäö", key=key)
    assert isinstance(outcome, Sent)
    (entry,) = town.ledger.of("slack", "#drift")
    assert (entry.provider, entry.text, entry.key, entry.reference) == (
        "slack",
        "Hej *alla* åäö",
        str(key),
        outcome.reference,
    )
    assert orjson.loads(entry.raw)["channel"] == "#drift"
    assert b"xoxb" not in entry.raw


async def test_a_long_message_comes_whole(town: Town) -> None:
    text = "\n".join(f"Rad {number}: " + "ord " * 40 for number in range(100))
    await town.send(text=text)
    (entry,) = town.ledger.of("slack", "#drift")
    assert entry.text == text
    assert len(orjson.loads(entry.raw)["blocks"]) > 5


async def test_a_known_message_is_answered_again_and_not_posted_again(town: Town) -> None:
    key = new_id()
    assert await town.send(key=key) == await town.send(key=key)
    assert len(town.ledger) == 1


async def test_a_message_is_known_only_for_a_while(tmp_path: Path) -> None:
    town = await Town(tmp_path, memory=0).open()
    key = new_id()
    assert await town.send(key=key) != await town.send(key=key)
    assert len(town.ledger) == 2
    await town.close()


@pytest.mark.parametrize(
    ("to", "kind", "code"),
    [
        ("#missing", Rejected, "channel_not_found"),
        ("#closed", Rejected, "not_in_channel"),
        ("#archived", Rejected, "is_archived"),
        ("#readonly", Rejected, "restricted_action_read_only_channel"),
        ("#revoked", Misconfigured, "token_revoked"),
        ("#down", Deferred, "service_unavailable"),
    ],
)
async def test_a_magic_channel_says_no(town: Town, to: str, kind: type, code: str) -> None:
    outcome = await town.send(to)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.provider_code == code
    assert len(town.ledger) == 0


@pytest.mark.parametrize("to", ["#timeout", "#drop", "#garbage"])
async def test_a_magic_channel_takes_the_message_and_says_nothing_once(town: Town, to: str) -> None:
    assert isinstance(await town.send(to), Uncertain)
    assert len(town.ledger.of("slack", to)) == 1
    assert isinstance(await town.send(to), Sent)


async def test_ratelimited_twice_with_a_time_then_well(town: Town) -> None:
    for _ in range(2):
        outcome = await town.send("#ratelimited")
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == timedelta(seconds=1)
    assert isinstance(await town.send("#ratelimited"), Sent)


async def test_temporary_once_then_well(town: Town) -> None:
    assert isinstance(await town.send("#temporary"), Deferred)
    assert isinstance(await town.send("#temporary"), Sent)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderFault.REFUSE, Rejected),
        (ProviderFault.LOGIN, Misconfigured),
        (ProviderFault.THROTTLE, Deferred),
    ],
)
async def test_the_script_of_faults_goes_for_every_channel(
    town: Town, fault: ProviderFault, kind: type
) -> None:
    town.faults.add(FaultRule(fault, provider="slack", recipient="^#drift$"))
    assert isinstance(await town.send(), kind)
    assert isinstance(await town.send(), Sent)


@pytest.mark.parametrize(
    "token",
    ["xoxb-revoked", "xoxb-expired", "xoxb-inactive", "xoxb-scopeless", "xoxp-1", "nonsense"],
)
async def test_a_refused_token(town: Town, token: str) -> None:
    outcome = await town.send(token=token)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "refused-token"
    assert len(town.ledger) == 0


async def test_any_other_bot_token_is_taken(town: Town) -> None:
    assert isinstance(await town.send(token="xoxb-mine"), Sent)


async def test_a_form_is_understood_as_json_is(town: Town) -> None:
    said = [{"type": "section", "text": {"type": "mrkdwn", "text": "Hej"}}]
    answer = await town.post(
        {"channel": "#drift", "blocks": orjson.dumps(said).decode(), "mrkdwn": "1"}
    )
    assert answer["ok"] is True
    assert town.ledger.of("slack", "#drift")[0].text == "Hej"


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Hej"}}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, "channel_not_found"),
        ([], "channel_not_found"),
        ({"channel": "#a"}, "no_text"),
        ({"channel": "#a", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"channel": "#a", "blocks": "hej"}, "invalid_blocks"),
        (
            {
                "channel": "#a",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
            },
            "invalid_blocks",
        ),
        (
            {
                "channel": "#a",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}],
            },
            "invalid_blocks",
        ),
        (
            {
                "channel": "#a",
                "blocks": [{"type": "section", "text": {"type": "html", "text": "x"}}],
            },
            "invalid_blocks",
        ),
        ({"channel": "#a", "blocks": [{"type": "carousel"}]}, "invalid_blocks"),
    ],
)
async def test_what_slack_refuses_is_refused(town: Town, asked: Any, error: str) -> None:
    assert await town.post(orjson.dumps(asked), Content_Type="application/json") == {
        "ok": False,
        "error": error,
    }
    assert len(town.ledger) == 0


async def test_no_token_at_all(town: Town) -> None:
    assert await town.post({"channel": "#a", "text": "x"}, token=None) == {
        "ok": False,
        "error": "not_authed",
    }


async def test_a_look_is_answered(town: Town) -> None:
    assert [health.ok for health in await town.channel.look()] == [True]
