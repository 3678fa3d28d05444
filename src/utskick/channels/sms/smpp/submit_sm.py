"""submit_sm PDUs of a text: one for each segment of ``segments.py``, or one message_payload."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from smpp34 import SubmitSm, Tlv

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.segments import BASIC, EXTENSION, measure, split
from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.addresses import source_address
from utskick.channels.sms.smpp.pdu import MESSAGE_PAYLOAD
from utskick.channels.sms.smpp.times import validity_period

#: SMPP 3.4 section 5.2.19: the message centre's default alphabet (TS 23.038, one octet for each
#: septet), and UCS-2.
_DEFAULT, _UCS2 = 0x00, 0x08
#: Section 5.2.12: the text is preceded by a user data header.
UDHI: Final = 0x40
_INTERNATIONAL, _E164 = 1, 1

ESCAPE: Final = 0x1B
CODES: Final = {
    **{ch: bytes((at if at < ESCAPE else at + 1,)) for at, ch in enumerate(BASIC)},
    **{
        ch: bytes((ESCAPE, code))
        for ch, code in zip(EXTENSION, b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", strict=True)
    },
}


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """Properties common to all parts of a message."""

    sender: str
    number: str
    source: tuple[int, int]
    coding: int
    urgent: bool
    validity: str


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One submit_sm, before it gets its sequence number."""

    envelope: Envelope
    text: bytes
    esm_class: int = 0
    tlvs: list[Tlv] = field(default_factory=list)

    def encode(self, sequence: int) -> bytes:
        """Encode the PDU (SMPP 3.4 section 4.4.1), always requesting a delivery receipt."""
        envelope = self.envelope
        return SubmitSm(
            envelope.sender,
            envelope.number,
            self.text,
            source_addr_ton=envelope.source[0],
            source_addr_npi=envelope.source[1],
            dest_addr_ton=_INTERNATIONAL,
            dest_addr_npi=_E164,
            esm_class=self.esm_class,
            priority_flag=1 if envelope.urgent else 0,
            validity_period=envelope.validity,
            registered_delivery=1,
            data_coding=envelope.coding,
            tlvs=self.tlvs,
            sequence_number=sequence,
        ).encode()


def parts_of(sms: Sms, key: UUID, account: SmppAccount, now: datetime) -> list[Part]:
    """Build the parts; at every attempt with the same reference, which derives from ``key``."""
    gsm = measure(sms.text).encoding == "GSM-7"
    sender, *source = source_address(sms.sender, account)
    envelope = Envelope(
        sender,
        sms.number.removeprefix("+"),
        (source[0], source[1]),
        _DEFAULT if gsm else _UCS2,
        sms.urgent,
        validity_period(sms.expires_at, now, account.validity_period),
    )
    pieces = [_octets(piece, gsm=gsm) for piece in split(sms.text)]
    if len(pieces) == 1:
        return [Part(envelope, pieces[0])]
    if account.long_messages == "payload":
        return [Part(envelope, b"", tlvs=[Tlv(MESSAGE_PAYLOAD, b"".join(pieces))])]
    # TS 23.040 section 9.2.3.24.1: concatenation with a reference of one octet.
    reference, total = key.int & 0xFF, len(pieces)
    return [
        Part(envelope, bytes((5, 0, 3, reference, total, at)) + piece, UDHI)
        for at, piece in enumerate(pieces, start=1)
    ]


def _octets(text: str, *, gsm: bool) -> bytes:
    return b"".join(CODES[ch] for ch in text) if gsm else text.encode("utf-16-be", "surrogatepass")
