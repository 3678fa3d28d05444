"""PDUs on the wire (SMPP 3.4 section 3.2): the header is read here, the bodies of messages by the
codec of smpp34."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from smpp34 import DeliverSm, SmppError, decode

_HEADER: Final = struct.Struct("!IIII")
#: Bytes. A message_payload holds at most 64 KiB (section 5.3.2.32); what claims to be much longer
#: is no PDU.
_LONGEST: Final = 70_000
#: Optional parameters (section 5.3.2), by their tags.
RECEIPTED_MESSAGE_ID, MESSAGE_PAYLOAD, MESSAGE_STATE = 0x001E, 0x0424, 0x0427
_ANSWER: Final = 0x8000_0000
_VERSION: Final = 0x34


class Command(IntEnum):
    """Section 5.1.2.1; an answer has its highest bit set."""

    BIND_TRANSCEIVER = 0x09
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    ENQUIRE_LINK = 0x15
    GENERIC_NACK = 0x8000_0000


class InvalidPdu(Exception):
    """What came over the connection is no PDU: nothing that follows can be trusted."""


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One PDU. Its body may hold what people wrote, and is shown nowhere."""

    command: int
    status: int
    sequence: int
    body: bytes = b""

    @property
    def is_answer(self) -> bool:
        return bool(self.command & _ANSWER)

    def answers(self, command: Command) -> bool:
        return self.command == command | _ANSWER

    @property
    def message_id(self) -> str | None:
        """Of the answer to a submit_sm (section 4.4.2)."""
        said = self.body.split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return said or None

    def answer(self, status: int = 0) -> Frame:
        """To a request; a deliver_sm's has an empty message_id (section 4.6.2)."""
        return Frame(
            self.command | _ANSWER,
            status,
            self.sequence,
            b"\0" if self.command == Command.DELIVER_SM else b"",
        )

    def message(self) -> DeliverSm | None:
        """The body of a deliver_sm; None where it is none."""
        try:
            read = decode(self.encode())
        except SmppError:
            return None
        return read if isinstance(read, DeliverSm) else None

    def encode(self) -> bytes:
        return (
            _HEADER.pack(_HEADER.size + len(self.body), self.command, self.status, self.sequence)
            + self.body
        )


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Raises ``InvalidPdu``, and what streams raise."""
    length, command, status, sequence = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if not _HEADER.size <= length <= _LONGEST:
        raise InvalidPdu
    return Frame(command, status, sequence, await reader.readexactly(length - _HEADER.size))


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Section 4.1.5: as transceiver, for whatever address."""
    strings = b"".join(text.encode() + b"\0" for text in (system_id, password, system_type))
    return strings + bytes((_VERSION, 0, 0)) + b"\0"
