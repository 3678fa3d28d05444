"""The sender's name."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from utskick.channels.sms.sender_id import SenderId

ADAPTER = TypeAdapter(SenderId)


def _alphabet(codes: str) -> str:
    return (
        f"must contain only characters of the GSM-7 basic alphabet, which does not include {codes}"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Sundsvall", "Sundsvall"),
        ("åäöÅÄÖ", "aaoAAO"),
        ("   ", "   "),
        ("Kultur & Fö", "Kultur & Fo"),
        ("Äldreomsorg", "Aldreomsorg"),
        ("Café", "Café"),
        ("112", "112"),
    ],
)
def test_only_the_swedish_letters_are_exchanged(written: str, said: str) -> None:
    assert ADAPTER.validate_python(written) == said


@pytest.mark.parametrize(
    ("written", "messages"),
    [
        ("ab", ["size must be between 3 and 11"]),
        ("", ["size must be between 3 and 11"]),
        ("abcdefghijkl", ["size must be between 3 and 11"]),
        (
            "Šibenik",
            [_alphabet("U+0160")],
        ),
        (
            "10 €",
            [_alphabet("U+20AC")],
        ),
        (
            "a\nbc\rd",
            [_alphabet("U+000A, U+000D")],
        ),
        (
            "\x00č",
            [
                "size must be between 3 and 11",
                _alphabet("U+0000, U+010D"),
            ],
        ),
    ],
)
def test_what_cannot_be_said_is_refused_with_every_reason(
    written: str, messages: list[str]
) -> None:
    with pytest.raises(ValidationError) as fault:
        ADAPTER.validate_python(written)
    assert fault.value.errors()[0]["ctx"]["messages"] == messages
