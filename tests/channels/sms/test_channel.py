"""The channel's own work: plans, the choice of accounts, who may report, what history shows, what a
look finds."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.channels.sms.stage import ServerStage, account, channel, draft, json
from tests.contracts.provider import SECRET
from utskick.channels.sms.channel import SmsChannel, build
from utskick.channels.sms.requests import ShortSmsRequest, SmsBatchRequest, SmsRequest
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import (
    Account,
    Channel,
    Draft,
    Priority,
    ProviderCallback,
    RequestContext,
)
from utskick.domain.errors import Invalid, NotBuilt, Unauthorized
from utskick.domain.ids import new_id
from utskick.domain.recipient import Recipient

ANNA, BO = "6a5c3d04-412d-11ec-973a-0242ac130003", "6a5c3d04-412d-11ec-973a-0242ac130004"
NOWHERE = "http://127.0.0.1:9"
SMS = build(
    SmsSettings(sender="Sundsvall", segment_limit=2, accounts={"elks": account("elks", NOWHERE)})
)


def one(**members: Any) -> SmsRequest:
    return SmsRequest.model_validate({"mobileNumber": "+46701740605", "message": "Hej", **members})


def many(*parties: dict[str, Any], **members: Any) -> SmsBatchRequest:
    return SmsBatchRequest.model_validate({"message": "Hej", "parties": list(parties), **members})


def test_it_is_a_channel() -> None:
    seen: Channel = SMS
    assert (seen.name, seen.message_type, seen.integration) == ("sms", "SMS", "SmsSender")
    assert [(f.path, f.operation, f.many, f.limit) for f in seen.forms] == [
        ("sms", "sendSms", False, 1_048_576),
        ("sms/batch", "sendSmsBatch", True, 33_554_432),
    ]


def test_a_plan_keeps_all_that_was_said() -> None:
    references = [{"key": "flowInstanceId", "value": "356t4r34f"}]
    request = one(
        party={"partyId": ANNA, "externalReferences": references},
        sender="Förskolan",
        priority="HIGH",
        department="BoU",
        reference="row 7",
        sendAt="2024-02-25T08:00:00",
        validUntil="2024-02-25T20:00:00+01:00",
    )
    plan = SMS.plan(request, RequestContext("2281"))
    assert plan.content == {
        "message": "Hej",
        "sender": "Forskolan",
        "party": {"externalReferences": references},
        "priority": "HIGH",
        "department": "BoU",
    }
    assert (list(plan.recipients), list(plan.entries)) == ([Recipient("+46701740605", ANNA)], [0])
    assert (plan.priority, plan.department, plan.reference) == (Priority.HIGH, "BoU", "row 7")
    assert plan.send_at == datetime(2024, 2, 25, 7, tzinfo=UTC)
    assert plan.valid_until == datetime(2024, 2, 25, 19, tzinfo=UTC)
    assert plan.remarks == {"sms": {"encoding": "GSM-7", "characters": 3, "segments": 1}}


def test_the_sender_of_those_who_name_none_is_kept_and_not_shown() -> None:
    plan = SMS.plan(one(), RequestContext("2281"))
    assert plan.content == {"message": "Hej", "_sender": "Sundsvall"}
    shown = SMS.show(Draft("2281", plan.content, plan.recipients[0]))
    assert shown == {"mobileNumber": "+46701740605", "message": "Hej"}


def test_history_shows_the_request_of_one_recipient() -> None:
    request = one(
        party={"partyId": ANNA, "externalReferences": [{"key": "a", "value": "b"}]},
        sender="Fören",
        department="BoU",
    )
    plan = SMS.plan(request, RequestContext("2281"))
    assert SMS.show(Draft("2281", plan.content, plan.recipients[0])) == {
        "party": {"partyId": ANNA, "externalReferences": [{"key": "a", "value": "b"}]},
        "sender": "Foren",
        "mobileNumber": "+46701740605",
        "message": "Hej",
        "department": "BoU",
    }


def test_exact_duplicates_share_a_recipient() -> None:
    request = many(
        {"partyId": ANNA, "mobileNumber": "+46701740605", "reference": "first"},
        {"partyId": BO, "mobileNumber": "+46701740605"},
        {"partyId": ANNA, "mobileNumber": "+46701740605", "reference": "again"},
        {"mobileNumber": "+46701740605"},
        {"partyId": ANNA, "mobileNumber": "+46701740606"},
        {"mobileNumber": "+46701740605"},
    )
    plan = SMS.plan(request, RequestContext("2281"))
    assert list(plan.entries) == [0, 1, 0, 2, 3, 2]
    assert plan.recipients[0] == Recipient("+46701740605", ANNA, "first")
    assert len(plan.recipients) == 4


@pytest.mark.parametrize(
    ("priority", "alone", "in_batch"),
    [
        (None, Priority.NORMAL, Priority.BULK),
        ("NORMAL", Priority.NORMAL, Priority.BULK),
        ("HIGH", Priority.HIGH, Priority.NORMAL),
    ],
)
def test_batches_wait_behind_single_messages(
    priority: str | None, alone: Priority, in_batch: Priority
) -> None:
    assert SMS.plan(one(priority=priority), RequestContext("2281")).priority is alone
    batch = SMS.plan(
        many({"mobileNumber": "+46701740605"}, priority=priority, department="BoU"),
        RequestContext("2281"),
    )
    assert batch.priority is in_batch
    assert batch.content.get("priority") == priority
    assert batch.department == "BoU"


def test_a_text_over_the_limit_is_refused_with_both_numbers() -> None:
    with pytest.raises(Invalid) as fault:
        SMS.plan(one(message="a" * 306 + "b"), RequestContext("2281"))
    (violation,) = fault.value.violations
    assert violation.field == "message"
    assert violation.message == "takes 3 SMS segments (GSM-7, 307 characters); the limit is 2."
    assert SMS.plan(one(message="a" * 306), RequestContext("2281")).remarks["sms"]["segments"] == 2


def test_only_line_ends_are_changed() -> None:
    plan = SMS.plan(one(message="áčđŋšŧž’\r\n\r“x”  \n"), RequestContext("2281"))
    assert plan.content["message"] == "áčđŋšŧž’\n\n“x”  \n"


def test_the_notice_comes_with_the_remarks() -> None:
    remarks = SMS.plan(one(message="Hej – du"), RequestContext("2281")).remarks["sms"]
    assert remarks["encoding"] == "UCS-2"
    assert "U+2013" in remarks["notice"]


def test_the_short_form_is_planned_as_the_long_one() -> None:
    request = ShortSmsRequest.model_validate(
        {
            "sender": "Fören",
            "mobileNumber": "0701740605",
            "personId": "435rfret45",
            "message": "Hej",
        }
    )
    plan = SMS.plan(request, RequestContext("2281"))
    assert list(plan.recipients) == [Recipient("+46701740605", "435rfret45")]
    assert plan.content == {"message": "Hej", "sender": "Foren"}


def three() -> SmsChannel:
    return channel(
        link=account("link", NOWHERE, priority=3, deduplicates=True, receipt_secret=SECRET),
        telia=account("telia", NOWHERE, priority=1, rate=5.0),
        elks=account("elks", NOWHERE, priority=2, receipt_secret=SECRET),
    )


def test_accounts_stand_in_the_order_of_their_priority() -> None:
    assert three().accounts == (
        Account("telia", "telia", 1, 20, 5.0),
        Account("elks", "46elks", 2, 20, None, reports=True),
        Account("link", "link", 3, 20, None, reports=True),
    )


@pytest.mark.parametrize(
    ("number", "able"),
    [
        ("+46701740605", ("telia", "elks", "link")),
        ("+4712345678", ("elks", "link")),
        ("+4660123456", ("elks", "link")),
        ("+46711740605", ("elks", "link")),
    ],
)
def test_telia_carries_only_swedish_mobile_numbers(number: str, able: tuple[str, ...]) -> None:
    assert three().able(draft(number)) == able


def test_an_uncertain_message_is_sent_again_only_where_the_operator_vouches_for_it() -> None:
    assert {name: three().when_uncertain(name, draft()) for name in ("link", "telia", "elks")} == {
        "link": "resend",
        "telia": "hold",
        "elks": "hold",
    }


async def test_nobody_can_be_asked() -> None:
    assert await three().ask(draft(), new_id(), "link", "abc") is None


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"any:{password}".encode()).decode()}


REPORT = b'{"id": "abc", "resultCode": 1001}'


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        (SECRET, {}),
        (None, basic(SECRET)),
        (None, {"Authorization": basic(SECRET)["authorization"]}),
    ],
)
def test_a_report_that_shows_the_secret_is_read(
    secret: str | None, headers: dict[str, str]
) -> None:
    assert len(three().read_receipt(ProviderCallback("link", secret, headers, {}, REPORT))) == 1


@pytest.mark.parametrize(
    ("name", "secret", "headers"),
    [
        ("link", None, {}),
        ("link", "", {}),
        ("link", SECRET + "x", {}),
        ("link", "\udcff", {}),
        ("link", "wrong", basic(SECRET)),
        ("link", None, basic("wrong")),
        ("link", None, {"Authorization": "Basic %%%"}),
        ("link", None, {"Authorization": "Basic /w=="}),
        ("link", None, {"Authorization": f"Bearer {SECRET}"}),
        ("telia", SECRET, {}),
        ("telia", "", {}),
        ("nobody", SECRET, {}),
    ],
)
def test_a_report_that_does_not_is_refused(
    name: str, secret: str | None, headers: dict[str, str]
) -> None:
    with pytest.raises(Unauthorized):
        three().read_receipt(ProviderCallback(name, secret, headers, {}, REPORT))


async def test_a_look_finds_who_answers_and_who_does_not() -> None:
    server = TestServer(web.Application(), host="127.0.0.1")
    await server.start_server()
    sms = channel(
        here=account("elks", str(server.make_url("/"))), gone=account("link", NOWHERE, priority=2)
    )
    await sms.start()
    here, gone = await sms.look()
    assert (here.account, here.ok, gone.account, gone.ok) == ("here", True, "gone", False)
    assert "404" in here.sentence
    assert SECRET not in here.sentence + gone.sentence
    await sms.close()
    await server.close()


def test_without_an_account_nothing_is_accepted() -> None:
    with pytest.raises(NotBuilt, match=r"\[sms\]"):
        build(SmsSettings()).plan(one(), RequestContext("2281"))


def handed_over(*, deferred: tuple[str, ...] = (), **content: Any) -> Draft:
    """As a message hands it over."""
    members = {"message": "Hej", **content}
    return Draft("2281", members, Recipient("+46701740605"), deferred=deferred)


async def test_what_another_channel_hands_over_gets_the_sender_of_who_completed_it() -> None:
    ours = build(SmsSettings(sender="Skolan"))
    stage = await ServerStage(
        "elks", {"well": json(200, {"id": "a", "status": "created"})}, carries_key=False
    ).open()
    for completed, sender in (
        (ours.completed(handed_over()), "Skolan"),
        (ours.completed(handed_over(sender="Badet")), "Badet"),
    ):
        await stage.channel.send(completed, new_id(), "elks")
        assert stage.asked()["from"] == sender
    await stage.close()


@pytest.mark.parametrize(
    "content",
    [
        {"sender": "Badet"},
        {"_sender": "Badet"},
        {"sender": "Badet", "deferred": ("message",), "_segmentLimit": 3},
    ],
)
def test_what_says_everything_itself_is_not_changed(content: dict[str, Any]) -> None:
    whole = handed_over(**content)
    assert SMS.completed(whole) is whole


@pytest.mark.parametrize(("limit", "other", "fits"), [(1, 9, False), (9, 1, True)])
async def test_a_text_that_is_measured_later_is_measured_by_the_limit_of_who_completed_it(
    limit: int, other: int, fits: bool
) -> None:
    """``deferred``: of a message nobody knows at its acceptance whether it will be an SMS."""
    completed = build(SmsSettings(segment_limit=limit)).completed(
        handed_over(message="a" * 200, deferred=("message",))
    )
    found = await build(SmsSettings(segment_limit=other)).inspect(
        completed.content, (), RequestContext("2281")
    )
    assert (found == []) is fits
