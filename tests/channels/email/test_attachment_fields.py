"""Files as readers find them: their type, their encoding and their name."""

from __future__ import annotations

import codecs
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.wire import draft
from utskick.channels.email.attachment_fields import ascii_name, media_type
from utskick.channels.email.mime import AttachmentCache, compose, measured
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id

SWEDISH = "Namn;Ort\r\nÅsa;Åre\r\n"


def part(name: str, kind: str | None = None, data: bytes = b"x") -> EmailMessage:
    sent = compose(
        replace(draft(), attachments=(Attachment.of(name, kind, data),)),
        new_id(),
        AttachmentCache(),
    )
    _, file = message_from_bytes(sent.data, policy=policy.default).iter_parts()
    assert isinstance(file, EmailMessage)
    return file


@pytest.mark.parametrize(
    ("given_type", "data", "expected"),
    [
        ("text/csv", SWEDISH.encode(), "text/csv; charset=utf-8"),
        ("text/csv", SWEDISH.encode("utf-8-sig"), "text/csv; charset=utf-8"),
        ("text/csv", SWEDISH.encode("cp1252"), "text/csv"),
        ("text/csv", SWEDISH.encode("utf-16"), "text/csv; charset=utf-16"),
        (
            "text/plain",
            codecs.BOM_UTF16_BE + SWEDISH.encode("utf-16-be"),
            "text/plain; charset=utf-16",
        ),
        ("text/plain", SWEDISH.encode("utf-32"), "text/plain; charset=utf-32"),
        ("text/plain", SWEDISH.encode("utf-16-le"), "text/plain"),
        ("text/plain", b"Hej", "text/plain; charset=utf-8"),
        ("text/plain", b"", "text/plain; charset=utf-8"),
        ("text/plain", "日本".encode("iso2022_jp"), "text/plain"),
        ("text/calendar; method=REQUEST", b"BEGIN", "text/calendar; method=REQUEST; charset=utf-8"),
        ("TEXT/VCARD", "Åsa".encode(), "TEXT/VCARD; charset=utf-8"),
        ("text/html", "<p>Åsa".encode(), "text/html; charset=utf-8"),
        ('text/csv; Charset="iso-8859-1"', b"a", 'text/csv; Charset="iso-8859-1"'),
        ("text/csv;charset=us-ascii", b"a", "text/csv;charset=us-ascii"),
        ("text/rtf", b"{\\rtf1", "text/rtf"),
        ("application/json", b"{}", "application/json"),
        ("application/xml", "<å/>".encode(), "application/xml"),
    ],
)
def test_a_text_names_the_encoding_that_it_is_in(
    given_type: str, data: bytes, expected: str
) -> None:
    assert media_type(Attachment.of("x", given_type, data)) == expected
    file = part("x", given_type, data)
    assert file.get_payload(decode=True) == data
    if "charset=utf" in expected:
        read = data.decode(expected.rpartition("=")[2])
        assert file.get_content().replace("\n", "\r\n").replace("\r\r", "\r") == read


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        ("beslut.pdf", "beslut.pdf"),
        ("Beslut (2) den 3, A+B & C.pdf", "Beslut (2) den 3, A+B & C.pdf"),
        ("Räksmörgås på Åsö.pdf", "Raksmorgas_pa_Aso.pdf"),
        (normalize("NFD", "Räksmörgås.pdf"), "Raksmorgas.pdf"),
        ("Łódź – Ægir ßø.pdf", "Lodz_-_AEgir_sso.pdf"),
        ("قرار.pdf", "attachment.pdf"),
        ("🐻.pdf", "attachment.pdf"),
        ("🐻", "attachment"),
        ('"citat" \\ snett.pdf', "citat_snett.pdf"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\Users\\anna\\beslut.pdf", "C_Users_anna_beslut.pdf"),
        ("..", "attachment"),
        (".htaccess", "attachment.htaccess"),
        ("a" * 300 + ".pdf", "a" * 48 + ".pdf"),
        ("å" * 900 + ".pdf", "a" * 48 + ".pdf"),
        ("arkiv.tar.gz", "arkiv.tar.gz"),
        ("nr 5. två", "nr_5._tva"),
        ("=?utf-8?q?x?=.pdf", "utf-8_q_x.pdf"),
        ("100 %; a*b'c.pdf", "100_a_b_c.pdf"),
    ],
)
def test_a_name_has_a_fallback_in_ascii_and_is_itself(name: str, fallback: str) -> None:
    file = part(name, "application/pdf")
    assert file.get_filename() == normalize("NFC", name)
    assert file["Content-Type"].params["name"] == ascii_name(name) == fallback


@pytest.mark.parametrize("name", ["Mitt beslut.pdf", "Räksmörgås.pdf", "å" * 200 + ".pdf"])
def test_older_readers_too_see_the_name_itself(name: str) -> None:
    old: Message = message_from_bytes(part(name).as_bytes(), policy=policy.compat32)
    assert str(old.get_filename()) == name


def test_a_name_that_the_type_gives_is_left() -> None:
    file = part("å.pdf", 'application/pdf; name="a.pdf"')
    assert file["Content-Type"].params["name"] == "a.pdf"


@given(st.text(max_size=200))
def test_a_fallback_is_a_safe_name(name: str) -> None:
    fallback = ascii_name(name)
    assert fallback.isascii()
    assert 1 <= len(fallback) <= 60
    assert not set(fallback) & set('/\\"<>:|?*%=;\r\n\x00')
    assert fallback.strip(". ")


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40),
    st.sampled_from([None, "text/csv", "text/plain; format=flowed", "message/rfc822"]),
    st.binary(max_size=200),
    st.sampled_from([None, "", "Hej å"]),
)
def test_a_message_is_measured_as_it_is_composed(
    name: str, kind: str | None, data: bytes, message: str | None
) -> None:
    files = (Attachment.of(name, kind, data), Attachment.of("å", kind, data * 2))
    for attached in ((), files[:1], files):
        mail = replace(draft(message=message), attachments=attached)
        key = new_id()
        composed = compose(mail, key, AttachmentCache()).data
        assert measured(mail, key, AttachmentCache(0)) == len(composed)
        assert max(map(len, composed.split(b"\r\n"))) <= 998
