"""Mobile-originated messages in deliver_sm (SMPP 3.4 section 4.6): text and concatenation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smpp34 import DeliverSm

from utskick.channels.sms.smpp.pdu import MESSAGE_PAYLOAD
from utskick.channels.sms.smpp.submit_sm import CODES, ESCAPE, UDHI
from utskick.domain.inbound import InboundPart

#: Section 5.2.12: mask of the message type in ``esm_class``; 0 is a message of a person.
_TYPE: Final = 0x3C
_INTERNATIONAL: Final = 1
#: Section 5.2.19. What is not among them is binary, or an alphabet of other countries' phones.
_GSM: Final = frozenset({0x00, 0x10, 0xF0, 0xF1, 0xF2, 0xF3})
#: IA5 by the standard. node-smpp writes the default alphabet under this name: a code that differs
#: is read as the letter of that alphabet, but for three characters that people write more often.
_IA5: Final = 0x01
_IA5_CHARACTERS: Final = {b"$": "$", b"@": "@", b"_": "_"}
_CODECS: Final = {
    0x03: "latin-1",
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: "utf-16-be",
    0x18: "utf-16-be",
}
#: TS 23.040 sections 9.2.3.24.1 and 9.2.3.24.8: concatenation, with a reference of 8 or 16 bits.
_REFERENCES: Final = {0x00: 1, 0x08: 2}
#: Section 5.3.2.22 to 5.3.2.24: concatenation by optional parameters.
_SAR_REFERENCE, _SAR_TOTAL, _SAR_PART = 0x020C, 0x020E, 0x020F

_CHARACTERS: Final = {code: ch for ch, code in CODES.items()}


def inbound_part(message: DeliverSm) -> InboundPart | None:
    """Read a message of a person. None: it is something else, or not a text."""
    if message.esm_class & _TYPE:
        return None
    tlvs = {tlv.tag: tlv.value for tlv in message.tlvs}
    octets = message.short_message or tlvs.get(MESSAGE_PAYLOAD, b"")
    place = _by_parameters(tlvs)
    if message.esm_class & UDHI:
        header, octets = _split(octets)
        place = _by_header(header) or place
    text = _text(octets, message.data_coding)
    if text is None or not message.source_addr:
        return None
    plus = "+" if message.source_addr_ton == _INTERNATIONAL else ""
    reference, total, part = place or (0, 1, 1)
    return InboundPart(
        plus + message.source_addr.removeprefix("+"),
        message.destination_addr,
        text,
        reference,
        total,
        part,
    )


def _split(octets: bytes) -> tuple[bytes, bytes]:
    """Separate the user data header, whose length comes first, from the text."""
    end = 1 + octets[0] if octets else 0
    return octets[1:end], octets[end:]


def _by_header(header: bytes) -> tuple[int, int, int] | None:
    at = 0
    while at + 2 <= len(header):
        element, size = header[at], header[at + 1]
        value, width = header[at + 2 : at + 2 + size], _REFERENCES.get(element)
        if width is not None and len(value) == width + 2:
            return _place(int.from_bytes(value[:width]), value[-2], value[-1])
        at += 2 + size
    return None


def _by_parameters(tlvs: Mapping[int, bytes]) -> tuple[int, int, int] | None:
    found = [int.from_bytes(tlvs.get(tag, b"")) for tag in (_SAR_REFERENCE, _SAR_TOTAL, _SAR_PART)]
    return _place(found[0], found[1], found[2])


def _place(reference: int, total: int, part: int) -> tuple[int, int, int] | None:
    """Return the place of a part; None where the numbers are of no use (section 9.2.3.24.1)."""
    return (reference, total, part) if 1 < total <= 255 and 1 <= part <= total else None


def _text(octets: bytes, coding: int) -> str | None:
    if coding in _GSM:
        return _gsm(octets, _CHARACTERS)
    if coding == _IA5:
        return _gsm(octets, _CHARACTERS | _IA5_CHARACTERS)
    codec = _CODECS.get(coding)
    if codec is None:
        return None
    if codec == "utf-16-be":
        return octets[: len(octets) & ~1].decode(codec, "surrogatepass")
    return octets.decode(codec, "replace")


def _gsm(octets: bytes, characters: Mapping[bytes, str]) -> str:
    """Decode TS 23.038's default alphabet, one octet for each septet."""
    text, at = [], 0
    while at < len(octets):
        if octets[at] == ESCAPE:
            # Section 6.2.1.1: an unknown code after the escape is shown as that of the basic table.
            pair = octets[at : at + 2]
            text.append(characters.get(pair) or characters.get(pair[1:], ""))
            at += 2
        else:
            text.append(characters.get(octets[at : at + 1], "\ufffd"))
            at += 1
    return "".join(text)
