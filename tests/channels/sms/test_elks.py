"""46elks: the provider contract, the form word for word, and its reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.channels.sms.stage import ServerStage, account, channel, draft
from tests.contracts.faulty_server import json, text
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.sms.channel import build
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.ids import new_id
from utskick.domain.outcome import Misconfigured, Sent, Uncertain
from utskick.domain.receipt import Report

ANSWERS = {
    "well": json(200, {"id": "s70df59406a1b4643b96f3f91e0bfb7b0", "status": "created"}),
    "temporary": text(500, "Internal server error"),
    "login": text(401, "no"),
    "refuse": text(400, "Invalid to number"),
    "garbage": text(200, "<html>"),
    "no-id": json(200, {"status": "created"}),
    "poor": text(403, "Not enough Credits"),
    "forbidden": text(403, "no"),
}


@pytest.fixture
async def stage() -> AsyncIterator[ServerStage]:
    stage = await ServerStage(
        "elks", ANSWERS, carries_key=True, receipt_secret=SECRET + "/&"
    ).open()
    yield stage
    await stage.close()


class TestElks(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: ServerStage) -> ServerStage:
        return stage


async def test_the_form_is_the_one_that_46elks_documents(stage: ServerStage) -> None:
    key = new_id()
    assert await stage.send(key, sender="Sundsvall") == Sent("s70df59406a1b4643b96f3f91e0bfb7b0")
    assert (stage.calls[0].method, stage.calls[0].path) == ("POST", "/a1/sms")
    assert stage.calls[0].headers["Authorization"].startswith("Basic ")
    assert stage.calls[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert stage.asked() == {
        "from": "Sundsvall",
        "to": "+46701740605",
        "message": "Din bok finns att hämta.",
        "whendelivered": f"https://utskick.example.se/receipts/sms/elks/{SECRET}%2F%26?delivery={key}",
    }


async def test_the_address_may_end_with_the_version(stage: ServerStage) -> None:
    versioned = channel(elks=account("elks", str(stage.server.make_url("/a1"))))
    await versioned.send(draft(), new_id(), "elks")
    await versioned.close()
    assert stage.calls[0].path == "/a1/sms"


@pytest.mark.parametrize("missing", ["public_url", "receipt_secret"])
async def test_no_report_is_asked_for_where_none_could_come(
    stage: ServerStage, missing: str
) -> None:
    members = account(
        "elks",
        str(stage.server.make_url("/")),
        **({} if missing == "receipt_secret" else {"receipt_secret": SECRET}),
    )
    public_url = None if missing == "public_url" else "https://utskick.example.se"
    quiet = build(SmsSettings(public_url=public_url, accounts={"elks": members}))
    await quiet.send(draft(), new_id(), "elks")
    await quiet.close()
    assert "whendelivered" not in stage.asked()


async def test_an_answer_without_an_id_is_uncertain(stage: ServerStage) -> None:
    await stage.misbehave("no-id")
    assert isinstance(await stage.send(new_id()), Uncertain)


@pytest.mark.parametrize(("how", "code"), [("poor", "no-credit"), ("forbidden", "refused-login")])
async def test_a_403_is_our_fault_and_says_which(stage: ServerStage, how: str, code: str) -> None:
    await stage.misbehave(how)
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == code


ELKS = channel(elks=account("elks", "http://127.0.0.1:9", receipt_secret=SECRET))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sent", Report.SENT),
        ("delivered", Report.DELIVERED),
        ("failed", Report.FAILED),
        ("asleep", Report.UNKNOWN),
    ],
)
def test_the_status_of_a_report_decides(word: str, expected: Report) -> None:
    (receipt,) = ELKS.read_receipt(
        ProviderCallback("elks", SECRET, {}, {}, f"id=s1&status={word}".encode())
    )
    assert (receipt.provider, receipt.report, receipt.reference, receipt.key) == (
        "46elks",
        expected,
        "s1",
        None,
    )
    assert (receipt.reason is not None) == (expected is Report.FAILED)


def test_a_report_names_the_delivery_by_its_address_and_its_time_in_utc() -> None:
    key = new_id()
    body = b"id=s1&status=delivered&delivered=2024-02-25T15%3A54%3A39.254000"
    (receipt,) = ELKS.read_receipt(
        ProviderCallback("elks", SECRET, {}, {"delivery": str(key)}, body)
    )
    assert receipt.key == key
    assert receipt.at == datetime(2024, 2, 25, 15, 54, 39, 254000, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{}", b"id=s1", b"status=sent"])
def test_garbage_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        ELKS.read_receipt(ProviderCallback("elks", SECRET, {}, {}, body))
