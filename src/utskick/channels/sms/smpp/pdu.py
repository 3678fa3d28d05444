"""SMPP PDU framing (section 3.2): headers are parsed here, message bodies by smpp34."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from smpp34 import DeliverSm, SmppError, decode

_HEADER: Final = struct.Struct("!IIII")
#: Bytes. A message_payload holds at most 64 KiB (section 5.3.2.32); a much longer PDU is invalid.
_LONGEST: Final = 70_000
#: Optional parameters (section 5.3.2), by their tags.
RECEIPTED_MESSAGE_ID, MESSAGE_PAYLOAD, MESSAGE_STATE = 0x001E, 0x0424, 0x0427
_RESPONSE: Final = 0x8000_0000
_VERSION: Final = 0x34


class Command(IntEnum):
    """Command ids (section 5.1.2.1); a response has the highest bit set."""

    BIND_TRANSCEIVER = 0x09
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    ENQUIRE_LINK = 0x15
    GENERIC_NACK = 0x8000_0000


class InvalidPdu(Exception):
    """The bytes received are not a PDU, and nothing that follows can be parsed."""


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One PDU. The body is excluded from ``repr``: it may contain message text."""

    command: int
    status: int
    sequence: int
    body: bytes = b""

    @property
    def is_response(self) -> bool:
        return bool(self.command & _RESPONSE)

    def responds_to(self, command: Command) -> bool:
        return self.command == command | _RESPONSE

    @property
    def message_id(self) -> str | None:
        """Message id of a submit_sm response (section 4.4.2)."""
        text = self.body.split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return text or None

    def response(self, status: int = 0) -> Frame:
        """Build the response; a deliver_sm's has an empty message_id (section 4.6.2)."""
        return Frame(
            self.command | _RESPONSE,
            status,
            self.sequence,
            b"\0" if self.command == Command.DELIVER_SM else b"",
        )

    def message(self) -> DeliverSm | None:
        """Decode the body of a deliver_sm, or return None if it is not one."""
        try:
            decoded = decode(self.encode())
        except SmppError:
            return None
        return decoded if isinstance(decoded, DeliverSm) else None

    def encode(self) -> bytes:
        return (
            _HEADER.pack(_HEADER.size + len(self.body), self.command, self.status, self.sequence)
            + self.body
        )


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read one PDU. Raises ``InvalidPdu``, ``OSError`` and ``asyncio.IncompleteReadError``."""
    length, command, status, sequence = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if not _HEADER.size <= length <= _LONGEST:
        raise InvalidPdu
    return Frame(command, status, sequence, await reader.readexactly(length - _HEADER.size))


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Build the body of bind_transceiver for any address (section 4.1.5)."""
    strings = b"".join(text.encode() + b"\0" for text in (system_id, password, system_type))
    return strings + bytes((_VERSION, 0, 0)) + b"\0"
