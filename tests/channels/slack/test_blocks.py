"""Where a long message is cut: rules that hold for every text."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.channels.slack.blocks import (
    FALLBACK,
    MOST_BLOCKS,
    SECTION,
    blocks,
    fallback,
    fits,
    split,
    units,
)

#: Texts thick with what must not be torn.
WORDS = st.sampled_from(
    [
        "hej",
        "å",
        "😀",
        "&amp;",
        "&lt;",
        "<@U1>",
        "<https://a.se|två ord>",
        "<#C1>",
        " ",
        "\n",
        "\n\n",
        "  ",
        "x" * 9,
    ]
)
TEXTS = st.lists(WORDS, max_size=80).map("".join)
LIMITS = st.integers(24, 60)


def unspaced(text: str) -> str:
    return re.sub(r"[ \n]", "", text)


@given(TEXTS, LIMITS)
def test_no_piece_is_longer_than_the_limit_and_none_is_blank(text: str, limit: int) -> None:
    for piece in split(text, limit):
        assert units(piece) <= limit
        assert piece.strip()


@given(TEXTS, LIMITS)
def test_nothing_but_space_is_lost_at_a_cut(text: str, limit: int) -> None:
    assert unspaced("".join(split(text, limit))) == unspaced(text)


@given(TEXTS, LIMITS)
def test_no_entity_link_or_mention_is_torn(text: str, limit: int) -> None:
    whole = re.compile(r"<[^<>\n]+>|&(?:amp|lt);")
    assert [
        found for piece in split(text, limit) for found in whole.findall(piece)
    ] == whole.findall(text)


@given(st.text(max_size=200), LIMITS)
def test_any_text_can_be_split(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert all(units(piece) <= limit for piece in pieces)
    assert sum(map(len, pieces)) <= len(text)


def test_a_text_of_one_section_is_left_as_it_is() -> None:
    text = "a" * SECTION
    assert split(text) == [text]
    assert split(text + "b") == [text, "b"]


def test_a_line_end_goes_before_a_space_and_a_space_before_a_letter() -> None:
    assert split("aaaaa\nbbb ccc", 10) == ["aaaaa", "bbb ccc"]
    assert split("aa\nbbbbb ccc", 10) == [
        "aa\nbbbbb",
        "ccc",
    ]  # a line end in the first half would waste too much
    assert split("aaaaa bbb ccc", 10) == ["aaaaa bbb", "ccc"]
    assert split("aaaaabbbbbccc", 10) == ["aaaaabbbbb", "ccc"]
    assert split("aaaaaaaa&amp;b", 10) == ["aaaaaaaa", "&amp;b"]


def test_characters_beyond_the_first_plane_count_twice() -> None:
    assert split("😀" * 6, 10) == ["😀" * 5, "😀"]


def test_a_link_longer_than_a_section_is_torn_all_the_same() -> None:
    assert split("<" + "x" * 30 + ">", 10) == ["<" + "x" * 9, "x" * 10, "x" * 10, "x>"]


def test_blocks_are_sections_of_mrkdwn() -> None:
    made = blocks("a" * SECTION + "b")
    assert [block["type"] for block in made] == ["section", "section"]
    assert made[1]["text"] == {"type": "mrkdwn", "text": "b"}


def test_the_fallback_of_a_long_message_says_that_there_is_more() -> None:
    assert fallback("kort") == "kort"
    text = fallback("ord " * 5000)
    assert text.endswith("ord…")
    assert FALLBACK - 10 < len(text) <= FALLBACK


@pytest.mark.parametrize(
    ("text", "well"),
    [("a" * SECTION * MOST_BLOCKS, True), ("a" * SECTION * MOST_BLOCKS + "b", False)],
)
def test_fifty_sections_fit_into_a_message(text: str, well: bool) -> None:
    assert fits(text) is well


def test_fifty_full_lines_that_need_a_section_each_and_one_more_do_not_fit() -> None:
    line = "a" * 1600
    assert fits("\n".join([line] * MOST_BLOCKS))
    assert not fits("\n".join([line] * (MOST_BLOCKS + 1)))


@pytest.mark.parametrize(
    "text", ["<a b>" * 200_000, "<" * 1_000_000, " " * 1_000_000, "&" * 1_000_000, "😀" * 250_000]
)
def test_a_hostile_text_costs_little_time(text: str) -> None:
    begun = process_time()
    fits(text)
    fits(text[: SECTION * MOST_BLOCKS])
    assert process_time() - begun < 4
