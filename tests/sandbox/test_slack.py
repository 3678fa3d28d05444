"""Tests of the Slack simulator, called by the Slack channel: faults and ledger."""

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
from utskick.sandbox.slack import SlackSimulator, section


class ConnectedSimulator:
    """Simulator on a real port, and a channel with the sandbox's settings."""

    def __init__(self, folder: Path, remember_seconds: float = 300.0) -> None:
        self.addresses = SandboxAddresses(unused_port(), 0, folder, "http://127.0.0.1:9")
        self.ledger, self.faults = Ledger(), Faults()
        self.slack = SlackSimulator(
            self.ledger, self.faults, self.addresses, remember_seconds=remember_seconds
        )

    async def open(self) -> ConnectedSimulator:
        app = web.Application()
        app.add_routes(self.slack.routes())
        self.server = TestServer(app, host="127.0.0.1", port=self.addresses.http_port)
        await self.server.start_server()
        await self.slack.start()
        self.base = f"http://127.0.0.1:{self.addresses.http_port}/slack/api"
        settings = section(self.addresses)
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
async def sandbox(tmp_path: Path) -> AsyncIterator[ConnectedSimulator]:
    sandbox = await ConnectedSimulator(tmp_path).open()
    yield sandbox
    await sandbox.close()


async def test_a_message_is_in_the_ledger(sandbox: ConnectedSimulator) -> None:
    key = new_id()
    outcome = await sandbox.send(text="Hej *alla* åäö", key=key)
    assert isinstance(outcome, Sent)
    (entry,) = sandbox.ledger.of("slack", "#drift")
    assert (entry.provider, entry.text, entry.key, entry.reference) == (
        "slack",
        "Hej *alla* åäö",
        str(key),
        outcome.reference,
    )
    assert orjson.loads(entry.raw)["channel"] == "#drift"
    assert b"xoxb" not in entry.raw


async def test_a_long_message_arrives_unchanged(sandbox: ConnectedSimulator) -> None:
    text = "\n".join(f"Rad {number}: " + "ord " * 40 for number in range(100))
    await sandbox.send(text=text)
    (entry,) = sandbox.ledger.of("slack", "#drift")
    assert entry.text == text
    assert len(orjson.loads(entry.raw)["blocks"]) > 5


async def test_a_repeated_message_is_answered_and_not_posted_again(
    sandbox: ConnectedSimulator,
) -> None:
    key = new_id()
    assert await sandbox.send(key=key) == await sandbox.send(key=key)
    assert len(sandbox.ledger) == 1


async def test_a_message_is_deduplicated_only_for_a_while(tmp_path: Path) -> None:
    sandbox = await ConnectedSimulator(tmp_path, remember_seconds=0).open()
    key = new_id()
    assert await sandbox.send(key=key) != await sandbox.send(key=key)
    assert len(sandbox.ledger) == 2
    await sandbox.close()


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
async def test_a_magic_channel_rejects(
    sandbox: ConnectedSimulator, to: str, kind: type, code: str
) -> None:
    outcome = await sandbox.send(to)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.provider_code == code
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize("to", ["#timeout", "#drop", "#garbage"])
async def test_a_magic_channel_accepts_the_message_without_a_response_once(
    sandbox: ConnectedSimulator, to: str
) -> None:
    assert isinstance(await sandbox.send(to), Uncertain)
    assert len(sandbox.ledger.of("slack", to)) == 1
    assert isinstance(await sandbox.send(to), Sent)


async def test_rate_limiting_occurs_twice_with_a_retry_time(sandbox: ConnectedSimulator) -> None:
    for _ in range(2):
        outcome = await sandbox.send("#ratelimited")
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == timedelta(seconds=1)
    assert isinstance(await sandbox.send("#ratelimited"), Sent)


async def test_a_temporary_error_occurs_once(sandbox: ConnectedSimulator) -> None:
    assert isinstance(await sandbox.send("#temporary"), Deferred)
    assert isinstance(await sandbox.send("#temporary"), Sent)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderFault.REFUSE, Rejected),
        (ProviderFault.LOGIN, Misconfigured),
        (ProviderFault.THROTTLE, Deferred),
    ],
)
async def test_the_fault_script_applies_to_every_channel(
    sandbox: ConnectedSimulator, fault: ProviderFault, kind: type
) -> None:
    sandbox.faults.add(FaultRule(fault, provider="slack", recipient="^#drift$"))
    assert isinstance(await sandbox.send(), kind)
    assert isinstance(await sandbox.send(), Sent)


@pytest.mark.parametrize(
    "token",
    ["xoxb-revoked", "xoxb-expired", "xoxb-inactive", "xoxb-scopeless", "xoxp-1", "nonsense"],
)
async def test_a_revoked_token_is_rejected(sandbox: ConnectedSimulator, token: str) -> None:
    outcome = await sandbox.send(token=token)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "refused-token"
    assert len(sandbox.ledger) == 0


async def test_any_other_bot_token_is_accepted(sandbox: ConnectedSimulator) -> None:
    assert isinstance(await sandbox.send(token="xoxb-mine"), Sent)


async def test_a_form_is_accepted_like_json(sandbox: ConnectedSimulator) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Hej"}}]
    answer = await sandbox.post(
        {"channel": "#drift", "blocks": orjson.dumps(blocks).decode(), "mrkdwn": "1"}
    )
    assert answer["ok"] is True
    assert sandbox.ledger.of("slack", "#drift")[0].text == "Hej"


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Hej"}}


@pytest.mark.parametrize(
    ("arguments", "error"),
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
async def test_invalid_arguments_are_rejected(
    sandbox: ConnectedSimulator, arguments: Any, error: str
) -> None:
    assert await sandbox.post(orjson.dumps(arguments), Content_Type="application/json") == {
        "ok": False,
        "error": error,
    }
    assert len(sandbox.ledger) == 0


async def test_a_missing_token_is_rejected(sandbox: ConnectedSimulator) -> None:
    assert await sandbox.post({"channel": "#a", "text": "x"}, token=None) == {
        "ok": False,
        "error": "not_authed",
    }


async def test_a_health_check_is_answered(sandbox: ConnectedSimulator) -> None:
    assert [health.ok for health in await sandbox.channel.look()] == [True]
