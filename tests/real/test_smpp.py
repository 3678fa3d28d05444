"""SMPP against node-smpp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.channels.sms.smsc import Desk, channel_to, send, until
from tests.channels.sms.stage import draft
from tests.real.message_centre import MessageCentre
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.ids import new_id
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
    assert isinstance(await send(channel, key, text), Sent)
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


@pytest.mark.parametrize(("last", "kind"), [("3", Rejected), ("4", Deferred), ("9", Uncertain)])
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
