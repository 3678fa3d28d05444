"""SMPP: what a delivery receipt says, and that it is answered only when it has been kept."""

from __future__ import annotations

import asyncio

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.sms.smsc import (
    ANSWER,
    DELIVER,
    SILENCE,
    SUBMIT,
    Desk,
    ScriptedCentre,
    channel_to,
    pdu,
    receipt_text,
    send,
    settings,
    until,
)
from tests.contracts.provider import SECRET
from utskick.channels.sms.channel import SmsChannel
from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.receipts import delivery_status, is_receipt
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unauthorized
from utskick.domain.ids import new_id
from utskick.domain.inbound import InboundPart
from utskick.domain.outcome import Sent
from utskick.domain.receipt import Receipt, Report

OK, COME_AGAIN, NOT_TAKEN = 0x00, 0x64, 0x66
RECEIPTED, STATE, PAYLOAD = 0x001E, 0x0427, 0x0424
PLAIN = SmppAccount.model_validate(settings(9))


async def answers(centre: ScriptedCentre) -> list[int]:
    await until(lambda: centre.answered(DELIVER))
    return [status for _, status, _ in centre.answered(DELIVER)]


async def test_a_receipt_is_handed_over_with_its_account(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    centre.deliver(receipt_text("id-1"))
    assert await answers(centre) == [OK]
    assert desk.kept == [("smpp", Receipt("smpp", Report.DELIVERED, None, "id-1", None))]


async def test_a_receipt_is_answered_only_when_it_has_been_kept(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    desk.open.clear()
    centre.deliver(receipt_text("id-1"))
    assert isinstance(await send(channel, new_id()), Sent)  # the session goes on meanwhile
    assert not centre.answered(DELIVER)
    desk.open.set()
    assert await answers(centre) == [OK]


async def test_a_receipt_that_cannot_be_kept_is_asked_for_again(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    desk.closed = True
    centre.deliver(receipt_text("id-1"))
    assert await answers(centre) == [COME_AGAIN]
    desk.closed = False
    centre.deliver(receipt_text("id-1"), number=2)
    await until(lambda: len(centre.answered(DELIVER)) == 2)
    assert len(desk.kept) == 1


async def test_a_flood_of_receipts_is_not_taken_at_once(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    desk.open.clear()
    for number in range(1, 71):
        centre.deliver(receipt_text(f"id-{number}"), number=number)
    await until(lambda: len(centre.answered(DELIVER)) == 6)
    assert set(await answers(centre)) == {COME_AGAIN}
    desk.open.set()
    await until(lambda: len(desk.kept) == 64)


async def test_a_receipt_that_is_being_kept_when_we_close_is_still_answered(
    centre: ScriptedCentre, desk: Desk
) -> None:
    channel = channel_to(centre.port)
    channel.report_to(desk.keep)
    await channel.start()
    await until(lambda: centre.binds == 1)
    desk.open.clear()
    centre.deliver(receipt_text("id-1"))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(channel.close())
    await asyncio.sleep(0.05)
    desk.open.set()
    await closing
    assert await answers(centre) == [OK]


async def test_where_nobody_keeps_receipts_the_centre_does(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port)
    await channel.start()
    assert centre.binds == 0
    await send(channel, new_id())
    centre.deliver(receipt_text("id-1"))
    assert await answers(centre) == [COME_AGAIN]
    await channel.close()


async def test_a_lost_session_is_bound_anew_without_anything_to_send(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    centre.hang_up()
    await until(lambda: centre.binds == 2)
    centre.deliver(receipt_text("id-1"))
    assert await answers(centre) == [OK]


async def test_a_centre_that_comes_back_is_found_again(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    await centre.close()
    await asyncio.sleep(0.05)
    await centre.start()
    await until(lambda: centre.binds == 2)


async def test_a_receipt_of_any_part_is_handed_over_with_its_own_id(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    ids = ("id-1", "id-2", "id-3")
    assert await send(channel, new_id(), "x" * 400) == Sent("id-1", parts=ids)
    for number in (3, 1, 2):
        centre.deliver(receipt_text(f"id-{number}"), number=number)
    await until(lambda: len(desk.kept) == 3)
    assert [receipt.reference for _, receipt in desk.kept] == ["id-3", "id-1", "id-2"]


@pytest.mark.parametrize(
    ("submit", "receipt", "answered", "text", "tlv", "stored"),
    [
        ("hex", "decimal", "1A2B", "6699", None, "6699"),
        ("hex", "decimal", "00001a2b", "0000006699", None, "6699"),
        ("hex", "decimal", "1A2B", "other", "1A2B", "6699"),
        ("decimal", "hex", "6699", "00001a2b", None, "6699"),
        ("decimal", "decimal", "0000006699", "6699", None, "6699"),
        ("hex", "hex", "1a2b", "00001A2B", None, "6699"),
        ("text", "text", "0123", "0123", None, "0123"),
        ("decimal", "decimal", "a-7", "a-7", None, "a-7"),
    ],
)
async def test_an_id_is_known_again_however_it_is_written(
    centre: ScriptedCentre,
    desk: Desk,
    submit: str,
    receipt: str,
    answered: str,
    text: str,
    tlv: str | None,
    stored: str,
) -> None:
    channel = channel_to(centre.port, submit_id_format=submit, receipt_id_format=receipt)
    channel.report_to(desk.keep)
    centre.answers = [SILENCE]
    sending = asyncio.create_task(send(channel, new_id()))
    await until(lambda: len(centre.submits) == 1)
    centre.say(pdu(SUBMIT | ANSWER, 0, 2, answered.encode() + b"\0"))
    assert await sending == Sent(stored)
    tlvs = [smpp34.Tlv(RECEIPTED, tlv.encode() + b"\0")] if tlv else []
    centre.deliver(receipt_text(text), tlvs=tlvs)
    await until(lambda: desk.kept)
    assert [r.reference for _, r in desk.kept] == [stored]
    await channel.close()


def test_a_number_is_never_compared_with_a_text() -> None:
    with pytest.raises(ValidationError, match="must both be"):
        SmppAccount.model_validate(settings(9, submit_id_format="hex"))


async def test_what_a_citizen_writes_is_not_taken_for_a_receipt(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    centre.deliver(receipt_text("id-1"), esm_class=0)
    assert await answers(centre) == [OK]
    [(_, kept)] = desk.kept
    assert isinstance(kept, InboundPart)
    assert kept.text == receipt_text("id-1").decode()


@pytest.mark.parametrize("text", [b"", b"sub:001 stat:DELIVRD", b"\xff\xfe\x00"])
async def test_a_receipt_of_no_message_is_not_taken(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk, text: bytes
) -> None:
    centre.deliver(text)
    assert await answers(centre) == [NOT_TAKEN]


async def test_a_receipt_that_is_no_pdu_inside_is_not_taken_and_the_session_lives(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.say(pdu(DELIVER, 0, 1, b"abc"))
    assert await answers(centre) == [NOT_TAKEN]
    assert isinstance(await send(channel, new_id()), Sent)
    assert centre.binds == 1


@pytest.mark.parametrize(
    ("stat", "report", "code"),
    [
        ("DELIVRD", Report.DELIVERED, None),
        ("delivrd", Report.DELIVERED, None),
        ("ENROUTE", Report.SENT, None),
        ("ACCEPTD", Report.SENT, None),
        ("EXPIRED", Report.FAILED, "expired"),
        ("DELETED", Report.FAILED, "deleted"),
        ("UNDELIV", Report.FAILED, "not-delivered"),
        ("REJECTD", Report.FAILED, "refused-content"),
        ("UNKNOWN", Report.UNKNOWN, "unknown-code"),
        ("PARTLY", Report.UNKNOWN, "unknown-code"),
    ],
)
def test_the_state_in_the_text_decides(stat: str, report: Report, code: str | None) -> None:
    word = delivery_status(
        smpp34.DeliverSm("a", "b", receipt_text("x-1", stat, "0A1"), esm_class=4), PLAIN
    )
    assert word is not None
    assert (word.reference, word.report, word.reason and word.reason.code) == ("x-1", report, code)
    if word.reason is not None:
        assert word.reason.provider_code == f"{stat} 0A1"


@pytest.mark.parametrize(
    ("state", "report"),
    [
        (1, Report.SENT),
        (2, Report.DELIVERED),
        (3, Report.FAILED),
        (5, Report.FAILED),
        (7, Report.UNKNOWN),
        (8, Report.FAILED),
    ],
)
def test_the_optional_parameters_decide_before_the_text(state: int, report: Report) -> None:
    tlvs = [
        smpp34.Tlv(RECEIPTED, b"right\0"),
        smpp34.Tlv(STATE, bytes((state,))),
        smpp34.Tlv(0x0423, b"\x03\x00\xff"),
    ]
    message = smpp34.DeliverSm("a", "b", receipt_text("wrong", "EXPIRED"), tlvs=tlvs)
    assert is_receipt(message)
    word = delivery_status(message, PLAIN)
    assert word is not None
    assert (word.reference, word.report) == ("right", report)


def test_a_receipt_may_stand_in_the_payload() -> None:
    message = smpp34.DeliverSm(
        "a", "b", b"", esm_class=4, tlvs=[smpp34.Tlv(PAYLOAD, receipt_text("x-1"))]
    )
    word = delivery_status(message, PLAIN)
    assert word is not None
    assert word.reference == "x-1"


def test_what_people_wrote_says_nothing_about_the_delivery() -> None:
    text = b"sub:001 dlvrd:000 stat:UNDELIV err:011 text:id:other stat:DELIVRD err:000"
    assert delivery_status(smpp34.DeliverSm("a", "b", text, esm_class=4), PLAIN) is None
    word = delivery_status(smpp34.DeliverSm("a", "b", b"id:mine " + text, esm_class=4), PLAIN)
    assert word is not None
    assert (word.reference, word.report) == ("mine", Report.FAILED)


@given(st.binary(max_size=120))
def test_no_text_breaks_the_reading(text: bytes) -> None:
    word = delivery_status(smpp34.DeliverSm("a", "b", text, esm_class=4), PLAIN)
    assert word is None or word.reference


async def test_nobody_reports_for_the_centre_by_http(channel: SmsChannel) -> None:
    with pytest.raises(Unauthorized):
        channel.read_receipt(ProviderCallback("smpp", SECRET, {}, {}, receipt_text("id-1")))


async def test_nothing_is_logged_of_people(
    channel: SmsChannel,
    centre: ScriptedCentre,
    desk: Desk,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(0):
        await send(channel, new_id())
        desk.closed = True
        centre.deliver(receipt_text("id-1"))
        await answers(centre)
        centre.answers = [SILENCE]
        sending = asyncio.create_task(send(channel, new_id()))
        await until(lambda: len(centre.submits) == 2)
        centre.hang_up()
        await sending
    out, err = capfd.readouterr()
    said = caplog.text + out + err
    assert "receipt-not-stored" in said
    for secret in (SECRET, "46701740605", "Din bok"):
        assert secret not in said
