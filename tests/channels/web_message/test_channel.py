"""The channel's own work: plans, limits, instances, on whose behalf, what is frozen, what history
shows, what a look finds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from tests.channels.web_message.stage import (
    ANNA,
    NOBODY,
    NOW,
    NUMBER,
    Directory,
    OpenEStage,
    account,
    channel,
    draft,
)
from tests.contracts.provider import SECRET
from utskick.channels.web_message.channel import WebMessageChannel
from utskick.channels.web_message.requests import WebMessageRequest
from utskick.channels.web_message.settings import WebMessageSettings
from utskick.channels.web_message.soap_request import NAMESPACE
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Account, Channel, Draft, Priority, RequestContext
from utskick.domain.errors import Invalid, NotBuilt
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Reason, Rejected, Sent
from utskick.domain.preparation import READY, Ready
from utskick.domain.recipient import Recipient

CASE = [{"key": "flowInstanceId", "value": "0102251"}]
WEB = channel(
    all=account(),
    ours=account(municipality="2281"),
    inside=account(instance="INTERNAL", municipality="2281", concurrency=2),
    limits={"attachment_limit": 4, "total_limit": 6},
)


def one(**members: Any) -> WebMessageRequest:
    return WebMessageRequest.model_validate(
        {"party": {"externalReferences": CASE}, "message": "Hej", **members}
    )


def files(*contents: bytes) -> list[dict[str, str]]:
    return [
        {
            "fileName": f"{number}.pdf",
            "mimeType": "application/pdf",
            "base64Data": b64encode(data).decode(),
        }
        for number, data in enumerate(contents)
    ]


def test_it_is_a_channel() -> None:
    seen: Channel = WEB
    assert (seen.name, seen.message_type, seen.integration) == (
        "web_message",
        "WEB_MESSAGE",
        "OepIntegrator",
    )
    assert [(f.path, f.operation, f.short, f.many, f.limit) for f in seen.forms] == [
        ("webmessage", "sendWebMessage", None, False, 96 << 20)
    ]
    assert seen.not_found == {"unknown-case", "no-legal-id"}
    assert seen.accounts[2] == Account("inside", "open-e", 1, 2)


def test_a_plan_keeps_all_that_was_said() -> None:
    request = one(
        party={"partyId": ANNA, "externalReferences": CASE},
        sender={"userId": "joe01doe"},
        sendAsOwner=False,
        oepInstance="INTERNAL",
        attachments=files(b"%PDF"),
        priority="HIGH",
        department="BoU",
        reference="row 7",
        sendAt="2024-02-25T08:00:00",
        validUntil="2024-02-25T20:00:00+01:00",
    )
    plan = WEB.plan(request, RequestContext("2281"))
    attachment = Attachment.of("0.pdf", "application/pdf", b"%PDF")
    assert plan.attachments == (attachment,)
    assert plan.content == {
        "party": {"externalReferences": CASE},
        "message": "Hej",
        "sender": {"userId": "joe01doe"},
        "sendAsOwner": False,
        "oepInstance": "INTERNAL",
        "attachments": [
            {"fileName": "0.pdf", "mimeType": "application/pdf", "digest": attachment.digest.hex()}
        ],
        "priority": "HIGH",
        "department": "BoU",
    }
    assert (list(plan.recipients), list(plan.entries)) == ([Recipient("102251", ANNA)], [0])
    assert (plan.priority, plan.department, plan.reference) == (Priority.HIGH, "BoU", "row 7")
    assert (plan.send_at, plan.valid_until) == (
        datetime(2024, 2, 25, 7, tzinfo=UTC),
        datetime(2024, 2, 25, 19, tzinfo=UTC),
    )


def test_history_shows_the_request_as_it_was_made() -> None:
    request = one(
        party={"partyId": ANNA, "externalReferences": CASE},
        sendAsOwner=True,
        attachments=files(b"%PDF", b"x"),
    )
    plan = WEB.plan(request, RequestContext("2281"))
    whole = Draft("2281", plan.content, plan.recipients[0], plan.attachments)
    assert WEB.show(whole) == {
        "party": {"partyId": ANNA, "externalReferences": CASE},
        "message": "Hej",
        "sendAsOwner": True,
        "attachments": files(b"%PDF", b"x"),
    }
    light = WEB.show(replace(whole, attachments=()))["attachments"]
    assert light == [
        {"fileName": f"{number}.pdf", "mimeType": "application/pdf"} for number in (0, 1)
    ]
    assert "digest" in plan.content["attachments"][0]


def test_a_request_with_the_least_is_shown_with_the_least() -> None:
    plan = WEB.plan(one(), RequestContext("2281"))
    assert WEB.show(Draft("2281", plan.content, plan.recipients[0])) == {
        "party": {"externalReferences": CASE},
        "message": "Hej",
    }


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ((b"1234", b"12"), []),
        ((b"12345",), [("attachments[0].base64Data", "is 5 bytes; the limit is 4")]),
        ((b"1234", b"123"), [("attachments", "are 7 bytes in total; the limit is 6")]),
        (
            (b"1", b"123456"),
            [
                ("attachments[1].base64Data", "is 6 bytes; the limit is 4"),
                ("attachments", "are 7 bytes in total; the limit is 6"),
            ],
        ),
    ],
)
def test_more_than_is_carried_is_refused_at_acceptance(
    contents: tuple[bytes, ...], expected: list[tuple[str, str]]
) -> None:
    try:
        WEB.plan(one(attachments=files(*contents)), RequestContext("2281"))
        found = []
    except Invalid as fault:
        found = [(violation.field, violation.message) for violation in fault.violations]
    assert found == expected


def able(municipality_id: str, **content: Any) -> tuple[str, ...]:
    return WEB.able(replace(draft(**content), municipality_id=municipality_id))


def test_the_instance_is_the_municipalitys_own_else_the_one_for_all() -> None:
    assert able("2281") == ("ours",)
    assert able("2281", oepInstance="EXTERNAL") == ("ours",)
    assert able("2281", oepInstance="INTERNAL") == ("inside",)
    assert able("2260") == ("all",)
    assert able("2260", oepInstance="INTERNAL") == ()


def test_an_instance_that_is_not_there_is_told_before_anything_is_stored() -> None:
    with pytest.raises(NotBuilt):
        WEB.plan(one(oepInstance="INTERNAL"), RequestContext("2260"))


def test_an_uncertain_message_is_held() -> None:
    assert WEB.when_uncertain("ours", Draft("2281", {}, Recipient(""))) == "hold"


@pytest.mark.parametrize(
    "accounts",
    [
        {"a": account(), "b": account()},
        {"a": account(municipality="2281"), "b": account(municipality="2281")},
        {"a": account(instance="Internal")},
        {"a": account(user="a\x0bb")},
        {"a": account(municipality="x")},
    ],
)
def test_wrong_settings_are_told_without_the_password(accounts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as fault:
        WebMessageSettings.model_validate({"accounts": accounts})
    assert SECRET not in str(fault.value)


# -- before the call ----------------------------------------


async def test_the_time_in_the_case_is_fixed_at_the_first_attempt() -> None:
    fresh = replace(draft(), frozen=None)
    assert await WEB.prepare(fresh, new_id()) == Ready(NOW.isoformat().encode())
    assert await WEB.prepare(draft(), new_id()) == READY


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def owned(directory: Directory) -> WebMessageChannel:
    return channel(directory, ours=account())


async def test_a_known_owner_is_not_frozen(owned: WebMessageChannel) -> None:
    prepared = await owned.prepare(
        replace(draft(party_id=ANNA, sendAsOwner=True), frozen=None), new_id()
    )
    assert isinstance(prepared, Ready)
    assert prepared.frozen is not None
    assert NUMBER.encode() not in prepared.frozen


async def test_an_unknown_owner_ends_before_the_call(owned: WebMessageChannel) -> None:
    outcome = await owned.prepare(draft(party_id=NOBODY, sendAsOwner=True), new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "no-legal-id"


async def test_a_directory_that_is_away_is_waited_for(
    owned: WebMessageChannel, directory: Directory
) -> None:
    directory.away = Deferred(Reason("directory-away", "the directory cannot be asked now"))
    assert await owned.prepare(draft(party_id=ANNA, sendAsOwner=True), new_id()) == directory.away


async def test_nobody_is_looked_up_who_does_not_write_as_owner(
    owned: WebMessageChannel, directory: Directory
) -> None:
    await owned.prepare(draft(party_id=ANNA), new_id())
    await owned.prepare(draft(sendAsOwner=True, sender={"userId": "joe"}), new_id())
    assert directory.asked == []


# -- on whose behalf ----------------------------------------


@pytest.fixture
async def stage() -> AsyncIterator[OpenEStage]:
    stage = await OpenEStage().open()
    yield stage
    await stage.close()


def said(stage: OpenEStage) -> dict[str, Any]:
    """Operation, the message's user, and the principal's members (None: nil)."""
    root = ElementTree.fromstring(stage.bodies[-1])
    inner, ns = root[0][0], {"o": NAMESPACE}
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    principal = inner.find("o:principal", ns)
    members = (
        {e.tag.rpartition("}")[2]: None if e.get(nil) == "true" else e.text for e in principal}
        if principal is not None
        else None
    )
    return {
        "operation": inner.tag.rpartition("}")[2],
        "user": inner.findtext("o:message/o:userID", namespaces=ns),
        "principal": members,
    }


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            draft(sender={"userId": "joe"}),
            {"operation": "addMessage", "user": "joe", "principal": {"userID": "joe"}},
        ),
        (
            draft(party_id=ANNA),
            {"operation": "addMessage", "user": ANNA, "principal": {"userID": ANNA}},
        ),
        (
            draft(party_id=ANNA, sender={"userId": "joe"}),
            {"operation": "addMessage", "user": "joe", "principal": {"userID": "joe"}},
        ),
        (draft(sender={}), {"operation": "addMessage", "user": "utskick", "principal": None}),
        (
            draft(party_id=ANNA, sendAsOwner=True),
            {
                "operation": "addMessageAsOwner",
                "user": ANNA,
                "principal": {"userID": None, "citizenID": NUMBER},
            },
        ),
        (
            draft(sendAsOwner=True, sender={"userId": "joe"}),
            {
                "operation": "addMessageAsOwner",
                "user": "joe",
                "principal": {"userID": "joe", "citizenID": None},
            },
        ),
    ],
)
async def test_who_writes(stage: OpenEStage, sent: Draft, expected: dict[str, Any]) -> None:
    await stage.send(new_id(), sent)
    assert said(stage) == expected


async def test_the_user_of_those_who_name_none_is_a_setting(stage: OpenEStage) -> None:
    web = channel(
        ours=account(stage.url("/e") + "/api/callback", user="kommunen", read_receipts=False)
    )
    assert isinstance(await web.send(draft(), new_id(), "ours"), Sent)
    await web.close()
    assert stage.calls[0].path == "/e/api/callback"
    assert said(stage)["user"] == "kommunen"
    assert b"<readReceiptEnabled>false</readReceiptEnabled></message>" in stage.bodies[0]


async def test_what_was_frozen_is_what_is_sent(stage: OpenEStage) -> None:
    await stage.send(new_id(), frozen=b"2026-06-30T10:00:00.123456+00:00")
    assert b"<added>2026-06-30T12:00:00.123+02:00</added>" in stage.bodies[0]


async def test_a_large_attachment_arrives_whole(stage: OpenEStage) -> None:
    data = bytes(range(256)) * 20_000
    outcome = await stage.send(new_id(), attachments=(Attachment.of("stor.bin", None, data),))
    assert isinstance(outcome, Sent)
    assert b64encode(data) in stage.bodies[0]


async def test_an_account_that_left_the_settings_sends_nothing() -> None:
    assert isinstance(await WEB.send(draft(), new_id(), "gone"), Misconfigured)


async def test_a_look_tells_whether_the_login_is_good(stage: OpenEStage) -> None:
    assert [(h.account, h.ok) for h in await stage.channel.look()] == [("external", True)]
    assert stage.calls[0].method == "GET"
    await stage.misbehave("login")
    (health,) = await stage.channel.look()
    assert not health.ok
    assert SECRET not in health.sentence
    await stage.misbehave("gone")
    assert [h.ok for h in await stage.channel.look()] == [False]
