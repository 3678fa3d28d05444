"""The Slack channel's own work: requests, plans, whose token, what history shows, what a look
finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from tests.channels.slack.stage import BROUGHT, OURS, SlackStage, account, channel, draft
from tests.contracts.provider import SECRET
from utskick.channels.slack.channel import SlackChannel
from utskick.channels.slack.requests import SlackRequest
from utskick.channels.slack.settings import SlackSettings
from utskick.domain.channel import Account, Channel, Draft, Priority, RequestContext
from utskick.domain.errors import Invalid, NotBuilt
from utskick.domain.ids import new_id
from utskick.domain.outcome import Misconfigured
from utskick.domain.recipient import Recipient
from utskick.domain.validators import refusal

SLACK = channel(
    all=account(),
    sundsvall=account(municipality="2281", token=None),
    ange=account(municipality="2260", deduplicates=True),
)
ONE = {"token": BROUGHT, "channel": "#drift", "message": "Hej"}


def one(**members: Any) -> SlackRequest:
    return SlackRequest.model_validate({"channel": "#drift", "message": "Hej", **members})


def violations(body: dict[str, Any], slack: SlackChannel = SLACK) -> list[tuple[str, str]]:
    model = slack.forms[0].request
    with pytest.raises(ValidationError) as fault:
        model.model_validate_json(orjson.dumps(body))
    told = refusal(fault.value, model)
    assert isinstance(told, Invalid), told.members
    return [(violation.field, violation.message) for violation in told.violations]


def test_it_is_a_channel() -> None:
    seen: Channel = SLACK
    assert (seen.name, seen.message_type, seen.integration) == ("slack", "SLACK", "Slack")
    assert [(f.path, f.operation, f.short, f.many, f.limit) for f in seen.forms] == [
        ("slack", "sendToSlack", None, False, 1_048_576)
    ]
    assert seen.accounts[0] == Account("all", "slack", 1, 20)


def test_a_plan_keeps_all_that_was_said_and_the_token_apart() -> None:
    request = one(
        token=BROUGHT,
        priority="HIGH",
        department="IT",
        reference="row 7",
        sendAt="2024-02-25T08:00:00",
        validUntil="2024-02-25T20:00:00+01:00",
    )
    plan = SLACK.plan(request, RequestContext("2281"))
    assert plan.content == {
        "message": "Hej",
        "priority": "HIGH",
        "department": "IT",
        "_brought": True,
    }
    assert plan.secret == BROUGHT.encode()
    assert (list(plan.recipients), list(plan.entries)) == ([Recipient("#drift")], [0])
    assert (plan.priority, plan.department, plan.reference) == (Priority.HIGH, "IT", "row 7")
    assert (plan.send_at, plan.valid_until) == (
        datetime(2024, 2, 25, 7, tzinfo=UTC),
        datetime(2024, 2, 25, 19, tzinfo=UTC),
    )


def test_the_token_is_nowhere_but_in_the_secret() -> None:
    plan = SLACK.plan(one(token=BROUGHT), RequestContext("2281"))
    shown = SLACK.show(Draft("2281", plan.content, plan.recipients[0], secret=plan.secret))
    assert shown == {"channel": "#drift", "message": "Hej"}
    assert SECRET not in str((plan.content, plan.recipients, plan.remarks, shown))


def test_the_municipalitys_token_does_when_the_request_brings_none() -> None:
    plan = SLACK.plan(one(), RequestContext("2262"))
    assert plan.secret is None
    assert "_brought" not in plan.content


def test_a_token_is_needed_where_the_municipality_has_none() -> None:
    with pytest.raises(Invalid) as fault:
        SLACK.plan(one(), RequestContext("2281"))
    assert [(v.field, v.message) for v in fault.value.violations] == [
        ("token", "must not be blank")
    ]


def test_a_municipality_without_an_account_is_told_before_anything_is_stored() -> None:
    with pytest.raises(NotBuilt):
        channel(sundsvall=account(municipality="2281")).plan(one(), RequestContext("2260"))


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"token": " "}, "token", "must not be blank"),
        ({"token": "xoxb-1\r\nX-Evil: 1"}, "token", "must be printable ASCII without spaces"),
        ({"token": "xoxb-å"}, "token", "must be printable ASCII without spaces"),
        ({"channel": ""}, "channel", "must not be blank"),
        ({"channel": None}, "channel", "must not be blank"),
        ({"channel": "#a\nb"}, "channel", "must not contain control characters"),
        ({"message": " \n"}, "message", "must not be blank"),
        ({"message": None}, "message", "must not be blank"),
        ({"message": "a" * 150_001}, "message", "must fit into 50 sections of 3000 characters"),
        ({"reference": "x" * 65}, "reference", "must be 1-64 printable characters"),
    ],
)
def test_a_broken_rule_is_told(members: dict[str, Any], field: str, message: str) -> None:
    assert violations({**ONE, **members}) == [(field, message)]


def test_accounts_are_the_municipalitys_own_else_the_one_for_all() -> None:
    def able(municipality_id: str, **content: Any) -> tuple[str, ...]:
        return SLACK.able(
            Draft(municipality_id, {"message": "Hej", **content}, Recipient("#drift"))
        )

    assert able("2260") == ("ange",)
    assert able("2262") == ("all",)
    assert able("2281", _brought=True) == ("sundsvall",)
    assert able("2281") == ()


@pytest.mark.parametrize(("name", "rule"), [("all", "hold"), ("ange", "resend"), ("gone", "hold")])
def test_only_who_trusts_slack_to_know_a_message_again_resends(name: str, rule: str) -> None:
    assert SLACK.when_uncertain(name, Draft("2281", {}, Recipient("#drift"))) == rule


async def test_an_account_that_left_the_settings_sends_nothing() -> None:
    assert isinstance(await SLACK.send(draft(), new_id(), "gone"), Misconfigured)


async def test_a_token_that_left_the_settings_sends_nothing() -> None:
    assert isinstance(await SLACK.send(draft(), new_id(), "sundsvall"), Misconfigured)


@pytest.mark.parametrize(
    "accounts",
    [
        {"a": account(), "b": account()},
        {"a": account(municipality="2281"), "b": account(municipality="2281")},
        {"a": account(token="xoxb 1")},
        {"a": account(municipality="Sundsvall")},
        {"a": account(unknown=1)},
    ],
)
def test_wrong_settings_are_told_without_the_token(accounts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as fault:
        SlackSettings(accounts=accounts)
    assert SECRET not in str(fault.value)


def test_slacks_own_address_is_the_default() -> None:
    settings = SlackSettings.model_validate({"accounts": {"a": {"provider": "slack"}}})
    assert settings.accounts["a"].url == "https://slack.com/api"
    assert OURS not in repr(SlackSettings.model_validate({"accounts": {"a": account()}}))


@pytest.fixture
async def stage() -> AsyncIterator[SlackStage]:
    stage = await SlackStage().open()
    yield stage
    await stage.close()


async def test_a_look_tries_the_token_and_posts_nothing(stage: SlackStage) -> None:
    assert [(h.account, h.ok) for h in await stage.channel.look()] == [("ours", True)]
    assert stage.calls[0].path == "/api/auth.test"
    await stage.misbehave("revoked")
    (health,) = await stage.channel.look()
    assert not health.ok
    assert SECRET not in health.sentence


async def test_a_look_without_a_token_tries_the_address(stage: SlackStage) -> None:
    bare = channel(bare=account(str(stage.server.make_url("/api")), token=None))
    assert [h.ok for h in await bare.look()] == [True]
    await stage.misbehave("gone")
    assert [h.ok for h in await bare.look()] == [False]
    await bare.close()
