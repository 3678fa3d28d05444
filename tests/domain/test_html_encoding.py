"""HTML in the encodings that word processors, editors and programs write."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.html_encoding import UndecodableHtml, decode_html, decode_html_leniently

TEXT = "Räksmörgås på Åsö"
EURO = f"{TEXT} 10 €"
POLISH = "Łódź, żółć äö 10 €"
PAGE = "<html><head><meta {}></head><body><p>{}</p></body></html>"


def page(declaration: str, text: str = EURO) -> str:
    return PAGE.format(declaration, text)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("declared", ["charset=windows-1252", "name=x", "charset=utf-16"])
def test_a_byte_order_mark_and_zero_bytes_come_before_the_declaration(
    mark: bytes, encoding: str, declared: str
) -> None:
    written = page(declared)
    assert decode_html(mark + written.encode(encoding)) == written


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("charset=iso-8859-15", "iso-8859-15"),
        ("charset='ISO-8859-1'", "cp1252"),
        ('charset="latin1"', "cp1252"),
        ("charset=us-ascii", "cp1252"),
        ("charset=windows-1250", "cp1250"),
        ('http-equiv=Content-Type content="text/html; charset=windows-1252"', "cp1252"),
        ('content="text/html;charset=macintosh" http-equiv="content-type"', "mac-roman"),
        ("charset=utf-8", "utf-8"),
        ("charset=utf-16le", "utf-8"),
        ("charset=klingon", "utf-8"),
        ("charset=klingon", "cp1252"),
        ("name=x", "cp1252"),
        ("name=x", "utf-8"),
    ],
)
def test_the_document_says_what_it_is_in(declaration: str, encoding: str) -> None:
    written = page(declaration, POLISH if encoding == "cp1250" else EURO)
    assert decode_html(written.encode(encoding)) == written


def test_an_xml_declaration_counts() -> None:
    written = f'<?xml version="1.0" encoding="iso-8859-15"?>\n<html><body>{EURO}</body></html>'
    assert decode_html(written.encode("iso-8859-15")) == written


def test_a_declaration_after_a_long_head_counts() -> None:
    written = f"<html><head><style>{'p{margin:0} ' * 400}</style>" + page("charset=iso-8859-15")
    assert decode_html(written.encode("iso-8859-15")) == written


def test_a_declaration_in_a_comment_does_not_count() -> None:
    written = "<!-- <meta charset=iso-8859-15> -->" + page("charset=windows-1250", POLISH)
    assert decode_html(written.encode("cp1250")) == written


def test_utf_8_that_kept_the_declaration_of_its_template_is_utf_8() -> None:
    written = page("charset=windows-1252")
    assert decode_html(written.encode()) == written


def test_a_stateful_encoding_of_ascii_bytes_is_decoded() -> None:
    written = page("charset=iso-2022-jp", "日本語")
    assert decode_html(written.encode("iso2022_jp")) == written


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            page("charset=utf-8", "Sm").encode() + b"\xf6rg\xe5s",
            "must be text in utf-8 (by its declaration), but the byte 0xF6 at offset 68 is not",
        ),
        (
            codecs.BOM_UTF8 + "Åsö ".encode() + b"\xe5\n",
            "must be text in utf-8 (by its byte order mark), but the byte 0xE5 at offset 9 is not",
        ),
        (
            codecs.BOM_UTF16_LE + "Hej".encode("utf-16-le") + b"\x00",
            "must be text in utf-16-le (by its byte order mark),"
            " but the byte 0x00 at offset 8 is not",
        ),
        (
            f"{TEXT} ".encode() + b"\xe5",
            "must be text in utf-8 (by most of its bytes), but the byte 0xE5 at offset 24 is not",
        ),
        (
            b"<p>\x81\xe5",
            "must be text in windows-1252 (by not being utf-8),"
            " but the byte 0x81 at offset 3 is not",
        ),
        (
            page("charset=shift_jis", "").encode() + b"\x81",
            "must be text in shift_jis (by its declaration), but the byte 0x81 at offset 70 is not",
        ),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_place(data: bytes, told: str) -> None:
    with pytest.raises(UndecodableHtml) as fault:
        decode_html(data)
    assert str(fault.value) == told
    assert "\ufffd" in decode_html_leniently(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_text_or_told(data: bytes) -> None:
    try:
        text = decode_html(data)
    except UndecodableHtml:
        assert isinstance(decode_html_leniently(data), str)
    else:
        assert decode_html_leniently(data) == text


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1b"), max_size=80),
    st.sampled_from(["utf-8-sig", "utf-16", "utf-8"]),
)
def test_unicode_comes_back_as_it_was_written(text: str, encoding: str) -> None:
    written = f"<p>{text}"
    assert decode_html(written.encode(encoding)) == written
