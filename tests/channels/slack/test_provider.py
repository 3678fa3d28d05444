"""Slack: the provider contract, the table of errors, and the request word for word."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.channels.slack.stage import BROUGHT, OURS, SlackStage, draft
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.slack.responses import CONFIGURATION as OUR_FAULTS
from utskick.channels.slack.responses import (
    DUPLICATE,
    IN_DOUBT,
    PERMANENT,
    TEMPORARY,
    THROTTLED,
    TOKEN,
    by_error,
)
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain


@pytest.fixture
async def stage() -> AsyncIterator[SlackStage]:
    stage = await SlackStage().open()
    yield stage
    await stage.close()


class TestSlack(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: SlackStage) -> SlackStage:
        return stage


async def test_what_is_posted_is_delivered(stage: SlackStage) -> None:
    assert await stage.send(new_id()) == Sent("1503435956.000247", delivered=True)


async def test_the_request_is_the_one_that_slack_documents(stage: SlackStage) -> None:
    key = new_id()
    await stage.send(key, message="Hej <@U1> &amp; alla")
    assert (stage.calls[0].method, stage.calls[0].path) == ("POST", "/api/chat.postMessage")
    assert stage.calls[0].headers["Authorization"] == f"Bearer {OURS}"
    assert stage.calls[0].headers["Content-Type"] == "application/json; charset=utf-8"
    assert stage.asked[0] == {
        "channel": "#drift",
        "text": "Hej <@U1> &amp; alla",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Hej <@U1> &amp; alla"}}],
        "client_msg_id": str(key),
        "mrkdwn": True,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


async def test_the_token_of_the_request_goes_before_ours_and_only_into_the_header(
    stage: SlackStage,
) -> None:
    await stage.send(new_id(), brought=True)
    assert stage.calls[0].headers["Authorization"] == f"Bearer {BROUGHT}"
    assert SECRET not in str(stage.asked[0])
    assert SECRET not in str(stage.calls[0].url)


@pytest.mark.parametrize("secret", [None, b""])
async def test_an_erased_token_is_never_replaced_by_ours(
    stage: SlackStage, secret: bytes | None
) -> None:
    outcome = await stage.channel.send(
        replace(draft(brought=True), secret=secret), new_id(), "ours"
    )
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "no-token"
    assert not stage.calls


async def test_a_revoked_token_of_ours_waits_to_be_mended(stage: SlackStage) -> None:
    await stage.misbehave("revoked")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert (outcome.reason.code, outcome.reason.provider_code) == ("refused-token", "token_revoked")


async def test_a_revoked_token_of_the_request_never_gets_better(stage: SlackStage) -> None:
    await stage.misbehave("revoked")
    outcome = await stage.send(new_id(), brought=True)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason.code, outcome.reason.provider_code) == ("refused-token", "token_revoked")
    assert SECRET not in repr(outcome)


async def test_the_time_that_slack_names_is_kept_also_in_a_200(stage: SlackStage) -> None:
    await stage.misbehave("throttle-in-200")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.retry_after) == ("throttled", timedelta(seconds=7))


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        *(
            ("no-ts", Uncertain),
            ("yes-and-no", Uncertain),
            ("10-megabytes", Uncertain),
            ("504", Uncertain),
        ),
        *(("500", Deferred), ("401", Misconfigured), ("yes-in-500", Deferred)),
    ],
)
async def test_odd_answers(stage: SlackStage, how: str, kind: type) -> None:
    await stage.misbehave(how)
    assert isinstance(await stage.send(new_id()), kind)


@pytest.mark.parametrize("brought", [True, False])
def test_every_error_has_its_class(brought: bool) -> None:
    tables = {
        Deferred: [*THROTTLED, *TEMPORARY],
        Rejected: [*PERMANENT, *(TOKEN if brought else ())],
        Misconfigured: [*OUR_FAULTS, *(() if brought else TOKEN)],
        Uncertain: [*DUPLICATE, *IN_DOUBT],
    }
    assert {"ratelimited", "service_unavailable", "request_timeout"} <= set(tables[Deferred])
    assert {"fatal_error", "internal_error"} <= set(tables[Uncertain])
    assert {"channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "no_text"} <= set(
        tables[Rejected]
    )
    assert {
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "not_authed",
    } <= TOKEN
    for kind, errors in tables.items():
        for error in errors:
            outcome = by_error(error, brought=brought)
            assert isinstance(outcome, kind), error
            assert not isinstance(outcome, Sent)
            assert outcome.reason.provider_code == error
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", outcome.reason.code)


def test_an_error_that_the_tables_lack_is_a_no_that_is_told() -> None:
    outcome = by_error("brand_new_error", brought=False)
    assert isinstance(outcome, Rejected)
    assert (outcome.polite, outcome.reason.provider_code) == (False, "brand_new_error")


def test_what_is_no_word_of_slacks_is_not_repeated() -> None:
    outcome = by_error("Anna, +46701740605: no", brought=False)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.provider_code == "unreadable"
