"""Frames of SMPP 3.4 as they go over the wire, and the places of parts in a long message."""

from __future__ import annotations

import pytest

from utskick.channels.sms.smpp.inbound import _place
from utskick.channels.sms.smpp.pdu import Command, Frame


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (Command.DELIVER_SM, b"\0"),  # section 4.6.2: an empty message_id
        (Command.ENQUIRE_LINK, b""),  # section 4.11.2: a header only
        (Command.UNBIND, b""),  # section 4.2.2
    ],
)
def test_a_response_has_the_body_that_the_specification_gives_it(
    command: Command, body: bytes
) -> None:
    answer = Frame(command, 0, 7, b"").response()
    assert (answer.command, answer.status, answer.sequence) == (0x80000000 | command, 0, 7)
    assert answer.body == body


@pytest.mark.parametrize(
    ("total", "part", "useful"),
    [
        (1, 1, False),
        (2, 0, False),
        (2, 1, True),
        (2, 2, True),
        (2, 3, False),
        (255, 255, True),
        (256, 1, False),
    ],
)
def test_the_ends_of_the_places_that_a_part_may_have(total: int, part: int, useful: bool) -> None:
    """3GPP TS 23.040 section 9.2.3.24.1: the number of parts is one octet."""
    assert _place(5, total, part) == ((5, total, part) if useful else None)
