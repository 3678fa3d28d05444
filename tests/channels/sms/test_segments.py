"""Segments, held against a slow reference that reads the standard character by character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.channels.sms.segments import (
    BASIC,
    EXTENSION,
    TYPOGRAPHIC,
    measure,
    split,
    with_line_feeds,
)

SAMI = "áčđŋšŧž"

texts = st.one_of(
    st.text(st.sampled_from(BASIC + EXTENSION + "\r\n€€€"), max_size=700),
    st.text(st.sampled_from("aå€’…😀" + SAMI), max_size=300),
    st.text(max_size=300),
)


def reference(text: str) -> list[str]:
    """Greedy: a character that does not fit begins the next segment."""
    gsm = all(ch in BASIC + EXTENSION for ch in text)
    alone, joined = (160, 153) if gsm else (70, 67)

    def cost(ch: str) -> int:
        return (2 if ch in EXTENSION else 1) if gsm else (2 if ord(ch) > 0xFFFF else 1)

    if sum(map(cost, text)) <= alone:
        return [text]
    pieces, room = [""], joined
    for ch in text:
        if cost(ch) > room:
            pieces.append("")
            room = joined
        pieces[-1] += ch
        room -= cost(ch)
    return pieces


@given(texts)
def test_the_cut_is_that_of_the_reference(text: str) -> None:
    assert split(text) == reference(with_line_feeds(text))
    assert measure(text).segments == len(split(text))


@given(texts)
def test_the_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text.replace("\r\n", "\n").replace("\r", "\n")


@given(texts, texts)
def test_more_text_never_takes_fewer_segments(text: str, more: str) -> None:
    # The CR of a line end that is cut in two would become a line end of its own.
    assert measure(text.rstrip("\r")).segments <= measure(text.rstrip("\r") + more).segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        # 153 septets hold 76 euro signs and nothing of the 77th.
        ("€" * 152, "GSM-7", 304, 2),
        ("€" * 153, "GSM-7", 306, 3),
        ("a" * 152 + "€" + "a" * 151, "GSM-7", 305, 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),
        ("č" * 70, "UCS-2", 70, 1),
        ("č" * 71, "UCS-2", 71, 2),
        ("č" * 134, "UCS-2", 134, 2),
        ("č" * 135, "UCS-2", 135, 3),
        ("😀" * 35, "UCS-2", 70, 1),
        # 67 units hold 33 faces; the half of the 34th would be no character.
        ("😀" * 66, "UCS-2", 132, 2),
        ("😀" * 67, "UCS-2", 134, 3),
        ("\r\n" * 160, "GSM-7", 160, 1),
        ("åäöÅÄÖéü", "GSM-7", 8, 1),
        ("ç", "UCS-2", 1, 1),
        ("Ç", "GSM-7", 1, 1),
        ("\x1b", "UCS-2", 1, 1),
    ],
)
def test_the_borders(text: str, encoding: str, units: int, segments: int) -> None:
    size = measure(text)
    assert (size.encoding, size.units, size.segments) == (encoding, units, segments)


def test_the_alphabet_has_127_characters_and_each_once() -> None:
    assert len(BASIC) == len(set(BASIC)) == 127
    assert len(set(EXTENSION)) == 10
    assert not set(BASIC) & set(EXTENSION)


def test_sami_goes_as_it_is() -> None:
    assert split(SAMI * 20) == [(SAMI * 20)[start : start + 67] for start in (0, 67, 134)]
    assert measure(SAMI).notice is None


def test_the_notice_names_each_typographic_character_and_the_price() -> None:
    assert measure("a" * 100 + "’–’").notice == (
        "U+2019 (’), U+2013 (–) requires UCS-2 encoding, 2 segments;"
        " with plain characters the text would take 1 segment."
    )


def test_there_is_no_notice_when_the_text_needs_ucs2_anyway() -> None:
    assert measure("’č").notice is None


def test_there_is_no_notice_when_gsm7_says_it_all() -> None:
    assert measure("'-\"").notice is None


def test_what_the_notice_offers_can_be_said_in_gsm7() -> None:
    for character, plain in TYPOGRAPHIC.items():
        assert measure(character).encoding == "UCS-2"
        assert measure(plain).encoding == "GSM-7"


@pytest.mark.parametrize("edge", ["\U00010000", "\U000103ff", "\U0010fc00", "\U0010ffff"])
def test_a_character_of_two_units_is_never_cut(edge: str) -> None:
    """Also the first and the last of those that UTF-16 writes as two."""
    for before in ("", "a"):
        text = before + edge * 80
        assert "".join(split(text)) == text
        assert all(piece.encode("utf-16-be", "surrogatepass") for piece in split(text))
        for piece in split(text):
            piece.encode()  # a half of a character could not be
