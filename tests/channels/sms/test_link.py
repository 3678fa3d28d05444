"""LINK: the provider contract, the table of result codes, and the request word for word."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from tests.channels.sms.stage import ServerStage, account, channel
from tests.contracts.faulty_server import json, text
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.sms.link import by_code, by_report
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.domain.receipt import Report

ANSWERS = {
    "well": json(200, {"resultCode": 1005, "messageId": "abc", "description": "Queued"}),
    "temporary": json(200, {"resultCode": 1, "description": "Temporary routing error"}),
    "login": text(401, "no"),
    "refuse": json(200, {"resultCode": 2104, "description": "Unknown subscriber"}),
    "garbage": text(200, "<html>It works!</html>"),
    "no-code": json(200, {"messageId": "abc"}),
    "true": json(200, {"resultCode": True}),
    "bad-request": json(400, {"resultCode": 106200}),
    "contradiction": json(400, {"resultCode": 1005}),
}


@pytest.fixture
async def stage() -> AsyncIterator[ServerStage]:
    stage = await ServerStage("link", ANSWERS, carries_key=True).open()
    yield stage
    await stage.close()


class TestLink(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: ServerStage) -> ServerStage:
        return stage


ACCEPTED = [1000, 1001, 1005, 1007, 1008, 1011, 1012, 1013]
TEMPORARY = [0, 1, 3, 4, 6, 105, 106300, 106301, 1004, 2107]
PERMANENT = [2, 5, 1002, 1003, 1006, 1009, 1010, *range(2100, 2107)]
OURS = [
    *(104, *range(2000, 2004), *range(2200, 2208), *range(3000, 3003), 4000, *range(4001, 4008)),
    *(106000, 106100, 106101, 106200, 106201, 106202),
]


@pytest.mark.parametrize(
    ("codes", "kind"),
    [(ACCEPTED, Sent), (TEMPORARY, Deferred), (PERMANENT, Rejected), (OURS, Misconfigured)],
)
def test_every_code_has_its_class(codes: list[int], kind: type) -> None:
    for code in codes:
        outcome = by_code(code, "abc")
        assert isinstance(outcome, kind), code
        if not isinstance(outcome, Sent):
            assert outcome.reason.provider_code == str(code)
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", outcome.reason.code)


def test_1011_is_a_yes_and_1010_a_no() -> None:
    assert by_code(1011, "abc") == Sent("abc")
    assert isinstance(by_code(1010, "abc"), Rejected)


def test_delivered_at_once_is_said() -> None:
    assert by_code(1001, "abc") == Sent("abc", delivered=True)


@pytest.mark.parametrize("code", [-1, 7, 999, 1004000, 2108, 4008])
def test_a_code_that_the_table_lacks_is_uncertain(code: int) -> None:
    assert isinstance(by_code(code, "abc"), Uncertain)
    assert by_report(code)[0] is Report.UNKNOWN


async def test_the_request_is_the_one_that_link_documents(stage: ServerStage) -> None:
    key = new_id()
    await stage.send(key, sender="Sundsvall", priority="HIGH")
    assert (stage.calls[0].method, stage.calls[0].path) == ("POST", "/sms/send")
    assert (
        stage.calls[0].headers["Authorization"]
        == "Basic bXVuaWNpcGFsaXR5OmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="
    )
    assert stage.calls[0].headers["Content-Type"] == "application/json"
    assert stage.asked() == {
        "platformId": "SMSC",
        "platformPartnerId": "12345",
        "refId": str(key),
        "useDeliveryReport": True,
        "sourceTON": "ALPHANUMERIC",
        "source": "Sundsvall",
        "destinationTON": "MSISDN",
        "destination": "+46701740605",
        "userData": "Din bok finns att hämta.",
        "priority": "HIGH",
    }


async def test_the_default_sender_and_the_normal_priority_go_out_when_none_were_given(
    stage: ServerStage,
) -> None:
    await stage.send(new_id())
    assert (stage.asked()["source"], stage.asked()["priority"]) == ("Utskick", "NORMAL")


async def test_the_message_id_is_kept(stage: ServerStage) -> None:
    assert await stage.send(new_id()) == Sent("abc")


async def test_a_no_in_a_successful_answer_is_polite(stage: ServerStage) -> None:
    await stage.misbehave("refuse")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.polite
    assert outcome.reason.provider_code == "2104"


@pytest.mark.parametrize("how", ["no-code", "true"])
async def test_an_answer_without_a_code_is_uncertain(stage: ServerStage, how: str) -> None:
    await stage.misbehave(how)
    assert isinstance(await stage.send(new_id()), Uncertain)


async def test_a_code_in_a_400_says_more_than_the_400(stage: ServerStage) -> None:
    await stage.misbehave("bad-request")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.provider_code == "106200"


async def test_a_yes_in_a_400_is_no_yes(stage: ServerStage) -> None:
    await stage.misbehave("contradiction")
    assert not isinstance(await stage.send(new_id()), Sent)


def report(members: object, account_name: str = "link") -> ProviderCallback:
    return ProviderCallback(account_name, SECRET, {}, {}, orjson.dumps(members))


LINK = channel(link=account("link", "http://127.0.0.1:9", receipt_secret=SECRET))


def test_a_report_of_one_part_names_the_delivery_and_the_whole_message() -> None:
    said = {
        "refId": "0190b1c2-0000-7000-8000-000000000001",
        "id": "abc$1",
        "timestamp": "2024-02-25T15:54:39+01:00",
        "resultCode": 1001,
    }
    (receipt,) = LINK.read_receipt(report(said))
    assert (receipt.provider, receipt.report, receipt.reference) == (
        "link",
        Report.DELIVERED,
        "abc",
    )
    assert receipt.key == UUID("0190b1c2-0000-7000-8000-000000000001")
    assert receipt.at == datetime(2024, 2, 25, 14, 54, 39, tzinfo=UTC)
    assert receipt.reason is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1001, Report.DELIVERED),
        (1013, Report.SENT),
        (1006, Report.FAILED),
        (2003, Report.FAILED),
        (1004, Report.UNKNOWN),
        (77, Report.UNKNOWN),
    ],
)
def test_the_code_of_a_report_decides(code: int, expected: Report) -> None:
    (receipt,) = LINK.read_receipt(report({"id": "abc", "resultCode": code}))
    assert receipt.report is expected
    assert (receipt.reason is None) == (expected in (Report.DELIVERED, Report.SENT))


def test_a_report_with_a_foreign_reference_still_names_the_message() -> None:
    (receipt,) = LINK.read_receipt(
        report({"refId": "not ours", "id": "abc", "resultCode": 1001, "timestamp": "yesterday"})
    )
    assert (receipt.key, receipt.reference, receipt.at) == (None, "abc", None)


def test_a_time_without_zone_is_not_guessed() -> None:
    (receipt,) = LINK.read_receipt(
        report({"id": "abc", "resultCode": 1001, "timestamp": "2024-02-25T15:54:39"})
    )
    assert receipt.at is None


@pytest.mark.parametrize(
    "said",
    [
        [],
        None,
        {},
        {"resultCode": 1001},
        {"id": "abc"},
        {"id": "abc", "resultCode": "1001"},
        {"id": "$0", "resultCode": 1},
    ],
)
def test_garbage_is_unreadable(said: object) -> None:
    with pytest.raises(Unreadable):
        LINK.read_receipt(report(said))


def test_a_body_that_is_no_json_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        LINK.read_receipt(ProviderCallback("link", SECRET, {}, {}, b"\xff\x00"))
