"""SMPP against node-smpp."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.channels.sms.smsc import Desk, channel_to, send, until
from tests.channels.sms.stage import draft
from tests.real.message_centre import MessageCentre
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.domain.inbound import InboundPart
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.domain.receipt import Report


@pytest.fixture
def centre() -> Iterator[MessageCentre]:
    with MessageCentre() as centre:
        centre.uses += 1
        yield centre


def channel_of(centre: MessageCentre, **more: Any) -> SmsChannel:
    return channel_to(
        centre.port,
        **{
            "security": "tls",
            "ca_file": str(centre.ca_file),
            "response_timeout": 1,
            "connect_timeout": 3,
            **more,
        },
    )


async def test_a_message_goes_out_and_its_receipt_comes_back(centre: MessageCentre) -> None:
    channel, desk = channel_of(centre), Desk()
    channel.report_to(desk.keep)
    await channel.start()
    await until(lambda: centre.of("bind"))
    assert await send(channel, new_id(), "Hej å ä ö € {[~]}") == Sent("node-1")
    await until(lambda: centre.of("deliver_sm_resp"))
    assert centre.of("bind") == [{"seen": "bind", "known": True, "version": 0x34}]
    [submit] = centre.of("submit_sm")
    assert (submit["to"], submit["from"], submit["ton"], submit["wanted"]) == (
        "46701740605",
        "Utskick",
        5,
        1,
    )
    assert (submit["text"], submit["coding"], submit["esm"]) == ("Hej å ä ö € {[~]}", 0, 0)
    assert centre.of("deliver_sm_resp") == [
        {"seen": "deliver_sm_resp", "id": "node-1", "status": 0}
    ]
    assert [(r.report, r.reference) for _, r in desk.kept] == [(Report.DELIVERED, "node-1")]
    await channel.close()
    await until(lambda: centre.of("unbind"))


@pytest.mark.parametrize(
    ("text", "coding"), [("Långt meddelande €. " * 20, 0), ("Длинное сообщение 🐻. " * 10, 8)]
)
async def test_a_long_message_is_put_together_by_somebody_elses_code(
    centre: MessageCentre, text: str, coding: int
) -> None:
    channel, key = channel_of(centre), new_id()
    outcome = await send(channel, key, text)
    assert isinstance(outcome, Sent)
    assert set(outcome.parts) == {each["id"] for each in centre.of("submit_sm")}
    submits = sorted(centre.of("submit_sm"), key=lambda each: each["udh"])
    assert "".join(each["text"] for each in submits) == text
    total = len(submits)
    assert [each["udh"] for each in submits] == [
        [f"0003{key.int & 0xFF:02x}{total:02x}{at:02x}"] for at in range(1, total + 1)
    ]
    assert {(each["coding"], each["esm"]) for each in submits} == {(coding, 0x40)}
    await channel.close()


async def test_a_long_message_goes_whole_as_payload(centre: MessageCentre) -> None:
    channel, text = channel_of(centre, long_messages="payload"), "Långt meddelande. " * 20
    assert await send(channel, new_id(), text) == Sent("node-1")
    assert [each["payload"] for each in centre.of("submit_sm")] == [text]
    await channel.close()


LONG = "Långt meddelande €. " * 20


async def test_a_throttled_part_is_repeated_and_put_together(centre: MessageCentre) -> None:
    channel = channel_of(centre, part_patience=10)
    outcome = await channel.send(draft("+46701740600", message=LONG), new_id(), "smpp")
    assert outcome == Sent("node-1", parts=("node-1", "node-4", "node-3"))
    submits = centre.of("submit_sm")
    assert [each["udh"][0][-2:] for each in submits] == ["01", "02", "03", "02"]
    assert submits[3] == {**submits[1], "id": "node-4"}
    assert "".join(submits[at]["text"] for at in (0, 3, 2)) == LONG
    await channel.close()


async def test_ids_in_hex_are_those_of_reports_in_decimals(centre: MessageCentre) -> None:
    channel = channel_of(centre, submit_id_format="hex", receipt_id_format="decimal")
    desk = Desk()
    channel.report_to(desk.keep)
    await channel.start()
    outcome = await channel.send(draft("+46701740606"), new_id(), "smpp")
    assert outcome == Sent(str(0xABC1))
    await until(lambda: desk.kept)
    assert [r.reference for _, r in desk.kept] == [str(0xABC1)]
    await channel.close()


async def test_what_a_person_answers_is_read(centre: MessageCentre) -> None:
    channel, desk = channel_of(centre), Desk()
    channel.report_to(desk.keep)
    await channel.start()
    await until(lambda: centre.of("bind"))
    await channel.send(draft("+46701740602"), new_id(), "smpp")
    await until(lambda: len(centre.of("written_resp")) == 5)
    assert {each["status"] for each in centre.of("written_resp")} == {0}
    parts = [each for _, each in desk.kept if isinstance(each, InboundPart)]
    assert [(p.text, p.reference, p.total, p.part) for p in parts] == [
        ("Ja tack {€} åäö", 0, 1, 1),
        ("Да, å ä ö", 0, 1, 1),
        ("slut å", 9, 2, 2),
        ("början ", 9, 2, 1),
        ("Som last: ö", 0, 1, 1),
    ]
    assert {(p.sender, p.recipient) for p in parts} == {("+46701740602", "71456")}
    await channel.close()


@pytest.mark.parametrize("form", ["relative", "absolute"])
async def test_the_message_centre_understands_when_a_message_expires(
    centre: MessageCentre, form: str
) -> None:
    channel, end = channel_of(centre, validity_period=form), utc_now() + timedelta(hours=30)
    expiring = replace(draft(), expires_at=end)
    assert isinstance(await channel.send(expiring, new_id(), "smpp"), Sent)
    [submit] = centre.of("submit_sm")
    understood = datetime.fromisoformat(submit["until"])
    assert abs(understood - end) < timedelta(seconds=30)
    await channel.close()


@pytest.mark.parametrize(
    ("sender", "seen"),
    [
        ("46701234567", ("46701234567", 1, 1)),
        ("+4670123456", ("4670123456", 1, 1)),
        ("72500", ("72500", 3, 0)),
    ],
)
async def test_a_numeric_sender_has_its_type_of_number(
    centre: MessageCentre, sender: str, seen: tuple[str, int, int]
) -> None:
    channel = channel_of(centre)
    assert isinstance(await send(channel, new_id(), sender=sender), Sent)
    [submit] = centre.of("submit_sm")
    assert (submit["from"], submit["ton"], submit["npi"]) == seen
    await channel.close()


async def test_a_process_binds_as_often_as_it_is_told(centre: MessageCentre) -> None:
    channel = channel_of(centre, binds=3)
    channel.report_to(Desk().keep)
    await channel.start()
    await until(lambda: len(centre.of("bind")) == 3)
    outcomes = await asyncio.gather(*(send(channel, new_id()) for _ in range(30)))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    await channel.close()
    await until(lambda: len(centre.of("unbind")) == 3)


@pytest.mark.parametrize(
    ("last", "kind"), [("3", Rejected), ("4", Deferred), ("7", Deferred), ("9", Uncertain)]
)
async def test_its_answers_are_understood(centre: MessageCentre, last: str, kind: type) -> None:
    channel = channel_of(centre, response_timeout=0.3)
    assert isinstance(await channel.send(draft("+4670174060" + last), new_id(), "smpp"), kind)
    await channel.close()


async def test_a_wrong_password_and_a_certificate_of_nobodys_are_our_mistake(
    centre: MessageCentre,
) -> None:
    wrong, trusting = channel_of(centre, password="wrong"), channel_of(centre, ca_file=None)
    for channel, code in ((wrong, "refused-login"), (trusting, "tls")):
        outcome = await send(channel, new_id())
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason.code == code
        await channel.close()
    assert not centre.of("submit_sm")


async def test_the_session_is_kept_alive(centre: MessageCentre) -> None:
    channel = channel_of(centre, enquire_link=0.05)
    await send(channel, new_id())
    await until(lambda: len(centre.of("enquire_link")) > 2)
    assert len(centre.of("bind")) == 1
    await channel.close()
