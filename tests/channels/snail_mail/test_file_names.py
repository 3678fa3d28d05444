"""Names that cannot leave their folder, and cells that no spreadsheet calculates."""

from __future__ import annotations

import csv
import io
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.channels.snail_mail.file_names import (
    Names,
    address_list,
    batch_folder,
    cell,
    file_name,
    segment,
    sums,
    transliterate,
)
from utskick.channels.snail_mail.settings import HandoverLayout

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NASTY = st.one_of(
    TEXT,
    st.text("./\\:~ \t\r\n\x00\u202e\uff0f\u2024", max_size=12),
    st.sampled_from(["..", ".", "CON", "nul.txt", "COM1", "a/../../b", ".utskick"]),
)


@given(NASTY, NASTY, NASTY)
def test_no_name_leaves_its_folder(folder: str, department: str, file: str) -> None:
    path = "/".join(["root", segment(folder), segment(department), file_name(file, ".pdf")])
    assert posixpath.normpath(path) == path
    assert path.count("/") == 3
    for name in path.split("/")[1:]:
        assert name not in ("", ".", "..")
        assert not name.startswith(".")
        assert not name.endswith((" ", "."))
        assert not set(name) & set('"*<>?|/\\:\x00\r\n\t\u202e')
        assert len(name.encode()) <= 255
        assert name.split(".")[0].lower() not in ("con", "nul", "com1")


@given(
    st.lists(
        st.sampled_from(
            ["a.pdf", "A.PDF", "a-2.pdf", "a-3.pdf", "KLAR", "klar", "manifest.json", "b"]
        ),
        max_size=40,
    )
)
def test_every_name_is_given_once_whatever_its_case(wanted: list[str]) -> None:
    names = Names()
    given_names = [names.give(name) for name in wanted]
    assert len({name.casefold() for name in given_names}) == len(wanted)
    assert not {name.casefold() for name in given_names} & {"klar", "sha256sums", "manifest.json"}


def test_the_first_of_a_name_keeps_it() -> None:
    names = Names()
    assert [names.give("beslut.pdf") for _ in range(3)] == [
        "beslut.pdf",
        "beslut-2.pdf",
        "beslut-3.pdf",
    ]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("beslut.pdf", "beslut.pdf"),
        ("BESLUT.PDF", "BESLUT.pdf"),
        ("beslut", "beslut.pdf"),
        ("a/b.pdf", "a_b.pdf"),
        (".pdf", "_.pdf"),
        ("å\u0308.pdf", "å̈.pdf"),
    ],
)
def test_a_file_keeps_the_name_that_it_was_given(wanted: str, name: str) -> None:
    assert file_name(wanted, ".pdf") == name


def test_the_batchs_folder_is_todays() -> None:
    assert batch_folder("id", 1, "joe01doe") == "joe01doe_id"
    assert batch_folder("id", None, None) == "id"
    assert batch_folder("id", 2, "joe01doe") == "joe01doe_id_2"
    assert batch_folder("id", 2, "../x") == "_.._x_id_2"


@given(
    st.lists(st.lists(TEXT, min_size=6, max_size=6), max_size=5),
    st.sampled_from(["iso-8859-1", "windows-1252", "utf-8"]),
    st.sampled_from(["lf", "crlf"]),
)
def test_a_spreadsheet_reads_the_list_back_and_calculates_nothing(
    rows: list[list[str]], encoding: str, end: str
) -> None:
    written = address_list(
        rows, HandoverLayout.model_validate({"encoding": encoding, "line_end": end})
    ).decode(encoding)
    read = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert read[0] == ["namn", "careOf", "adress", "lagenhet", "postnummer", "postort"]
    assert len(read) == len(rows) + 1
    for row in read[1:]:
        assert len(row) == 6
        assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row)
    assert written.count("\n") == len(rows) + 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Åsa Öberg", "Åsa Öberg"),
        ("=1+1", "'=1+1"),
        (" \t=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("＝1", "'=1"),
        ("-5", "'-5"),
        ('a "b", c', '"a ""b"", c"'),
        ("a;b", '"a;b"'),
        ("a\r\nb", "a b"),
        ("null", "null"),
        ("", ""),
    ],
)
def test_a_cell_is_text(text: str, written: str) -> None:
    assert cell(text, "iso-8859-1") == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Šimić", "Simic"),
        ("Łódź", "Lódz"),
        ("Đorđe", "Dorde"),
        ("Åsa", "Åsa"),
        ("A\u030asa", "Åsa"),
        ("O’Neill", "O'Neill"),
        ("中", "[U+4E2D]"),
        ("?", "?"),
        ("😀", "[U+1F600]"),
    ],
)
def test_what_latin_1_cannot_hold_is_spelled_so_that_it_can_be_read(
    text: str, written: str
) -> None:
    assert transliterate(text, "iso-8859-1") == written
    assert transliterate(text, "utf-8").encode()


@given(TEXT)
def test_no_letter_becomes_a_question_mark(text: str) -> None:
    written = transliterate(text, "iso-8859-1")
    written.encode("iso-8859-1")
    assert written.count("?") <= text.count("?") + sum(text.count(ch) for ch in "？﹖⁇⁈⁉︖") * 2


def test_sums_are_those_of_sha256sum() -> None:
    assert sums([("a b.pdf", b"\x01" * 32)]) == b"01" * 32 + b"  a b.pdf\n"
