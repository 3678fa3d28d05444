"""SMPP: what a citizen writes is handed over as text, and answered only when it has been kept."""

from __future__ import annotations

from typing import Any

import pytest
import smpp34

from tests.channels.sms.smsc import DELIVER, Desk, ScriptedCentre, until
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.inbound import InboundPart, asks_to_stop, joined

OK, COME_AGAIN, NOT_TAKEN = 0x00, 0x64, 0x66
UDH, UCS2 = 0x40, 8
FROM, TO = "+46701740605", "Utskick"


async def written(centre: ScriptedCentre, text: bytes, **members: Any) -> int:
    """Deliver a message of a person. The status of the answer."""
    before = len(centre.answered(DELIVER))
    centre.deliver(text, before + 1, **{"esm_class": 0, "source_addr_ton": 1, **members})
    await until(lambda: len(centre.answered(DELIVER)) > before)
    return centre.answered(DELIVER)[-1][1]


def tlv(tag: int, value: int, size: int) -> smpp34.Tlv:
    return smpp34.Tlv(tag, value.to_bytes(size))


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"Ja tack", 0, "Ja tack"),
        (b"\x0f\x7b\x7c \x1b\x65 \x1b\x28\x1b\x29 \x00", 0, "åäö € {} @"),
        (b"\x1b", 0, ""),
        (b"\x1bA\xff", 0xF1, "A\ufffd"),
        ("Hej å ä ö 🐻".encode("utf-16-be"), UCS2, "Hej å ä ö 🐻"),
        ("å ä ö".encode("latin-1"), 3, "å ä ö"),
        (b"\x0f\x7b\x7c \x1b\x65 a_b@c $", 1, "åäö € a_b@c $"),
        (b"", 0, ""),
    ],
)
async def test_a_text_is_read_in_the_alphabet_that_it_says(
    channel: SmsChannel,
    centre: ScriptedCentre,
    desk: Desk,
    octets: bytes,
    coding: int,
    text: str,
) -> None:
    assert await written(centre, octets, data_coding=coding) == OK
    assert desk.kept == [("smpp", InboundPart(FROM, TO, text))]


async def test_a_national_number_is_kept_as_it_came(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    assert await written(centre, b"Ja", source_addr_ton=2) == OK
    assert desk.kept == [("smpp", InboundPart(FROM.removeprefix("+"), TO, "Ja"))]


@pytest.mark.parametrize(
    ("octets", "members", "place"),
    [
        (b"\x05\x00\x03\x07\x03\x02Ja", {"esm_class": UDH}, (7, 3, 2)),
        (b"\x06\x08\x04\x01\x02\x02\x01Ja", {"esm_class": UDH}, (0x102, 2, 1)),
        (b"\x04\x00\x02\x07\x03Ja", {"esm_class": UDH}, (0, 1, 1)),
        (b"\x08\x24\x01\x01\x00\x03\x07\x03\x02Ja", {"esm_class": UDH}, (7, 3, 2)),
        (b"\x05\x00\x03\x07\x03\x04Ja", {"esm_class": UDH}, (0, 1, 1)),
        (b"\x05\x00\x03\x07\x01\x01Ja", {"esm_class": UDH}, (0, 1, 1)),
        (
            b"Ja",
            {"tlvs": [tlv(0x020C, 500, 2), tlv(0x020E, 2, 1), tlv(0x020F, 2, 1)]},
            (500, 2, 2),
        ),
        (b"", {"tlvs": [smpp34.Tlv(0x0424, b"Ja")]}, (0, 1, 1)),
    ],
)
async def test_a_part_is_handed_over_with_its_place(
    channel: SmsChannel,
    centre: ScriptedCentre,
    desk: Desk,
    octets: bytes,
    members: dict[str, Any],
    place: tuple[int, int, int],
) -> None:
    assert await written(centre, octets, **members) == OK
    [(_, part)] = desk.kept
    assert isinstance(part, InboundPart)
    assert (part.reference, part.total, part.part) == place
    assert part.text.endswith("Ja")


async def test_a_character_may_be_split_between_parts(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    whole = "Hej 🐻".encode("utf-16-be")
    for number, piece in enumerate((whole[:-2], whole[-2:]), start=1):
        octets = bytes((5, 0, 3, 7, 2, number)) + piece
        assert await written(centre, octets, esm_class=UDH, data_coding=UCS2) == OK
    parts = [part for _, part in desk.kept if isinstance(part, InboundPart)]
    assert joined("".join(part.text for part in parts)) == "Hej 🐻"
    assert joined(parts[0].text) == "Hej \ufffd"


@pytest.mark.parametrize(
    "members", [{"data_coding": 4}, {"data_coding": 0xF5}, {"esm_class": 0x10}, {"esm_class": 0x08}]
)
async def test_what_is_no_text_of_a_person_is_not_taken(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk, members: dict[str, Any]
) -> None:
    assert await written(centre, b"\x00\x01", **members) == NOT_TAKEN
    assert desk.kept == []


async def test_what_cannot_be_kept_is_asked_for_again(
    channel: SmsChannel, centre: ScriptedCentre, desk: Desk
) -> None:
    desk.closed = True
    assert await written(centre, b"Ja") == COME_AGAIN
    desk.closed = False
    assert await written(centre, b"Ja") == OK
    assert len(desk.kept) == 1


@pytest.mark.parametrize("text", ["STOP", " stopp\n", "Avsluta", "AVREGISTRERA", "end"])
def test_a_stop_word_alone_asks_to_stop(text: str) -> None:
    assert asks_to_stop(text)


@pytest.mark.parametrize("text", ["", "Stoppa inte", "STOP nu", "Jag vill inte avsluta"])
def test_a_stop_word_among_others_does_not(text: str) -> None:
    assert not asks_to_stop(text)
