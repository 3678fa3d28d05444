"""The message as its reader gets it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.wire import NOON, draft
from utskick.channels.email.mime import AttachmentCache, ComposedMail, compose
from utskick.domain.attachment import Attachment
from utskick.domain.html_text import is_blank
from utskick.domain.ids import new_id

KEY = new_id()
SWEDISH = 'Åäö € "citat" 🐻'
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


def html(markup: str) -> str:
    return b64encode(markup.encode()).decode()


def mail(*attachments: Attachment, to: str = "anna@example.com", **content: Any) -> ComposedMail:
    return compose(replace(draft(to, **content), attachments=attachments), KEY, AttachmentCache())


def read(sent: ComposedMail) -> EmailMessage:
    return message_from_bytes(sent.data, policy=policy.SMTPUTF8)


def shape(message: EmailMessage) -> Any:
    parts = [shape(part) for part in message.iter_parts()] if message.is_multipart() else []
    return (message.get_content_type(), parts) if parts else message.get_content_type()


def test_swedish_and_an_emoji_survive_everywhere() -> None:
    sender = {"name": SWEDISH, "address": "noreply@sundsvall.se", "replyTo": "svar@sundsvall.se"}
    message = read(
        mail(
            Attachment.of(f"{SWEDISH}.pdf", None, PDF),
            subject=SWEDISH,
            message=SWEDISH,
            _sender=sender,
        )
    )
    assert message["Subject"] == SWEDISH
    assert message["From"].addresses[0].display_name == SWEDISH
    assert message["From"].addresses[0].addr_spec == "noreply@sundsvall.se"
    assert message["Reply-To"] == "svar@sundsvall.se"
    text, file = message.iter_parts()
    assert text.get_payload(decode=True) == SWEDISH.encode()
    assert file.get_filename() == f"{SWEDISH}.pdf"


def test_only_the_levels_that_are_needed() -> None:
    file = Attachment.of("a.pdf", None, PDF)
    both = ("multipart/alternative", ["text/plain", "text/html"])
    assert shape(read(mail())) == "text/plain"
    assert shape(read(mail(htmlMessage=html("<p>Hej")))) == both
    assert shape(read(mail(file))) == ("multipart/mixed", ["text/plain", "application/pdf"])
    assert shape(read(mail(file, htmlMessage=html("<p>Hej")))) == (
        "multipart/mixed",
        [both, "application/pdf"],
    )
    assert shape(read(mail(file, message=""))) == ("multipart/mixed", ["application/pdf"])


def test_html_alone_is_given_a_text() -> None:
    message = read(
        mail(message=None, htmlMessage=html('<p>Hej <a href="https://sundsvall.se">där</a></p>'))
    )
    text, markup = message.iter_parts()
    assert text.get_payload(decode=True) == "Hej [där](https://sundsvall.se)\r\n".encode()
    assert "där</a>" in markup.get_content()


def test_html_without_words_goes_alone() -> None:
    assert shape(read(mail(message="", htmlMessage=html('<img src="x">')))) == "text/html"


@pytest.mark.parametrize(
    "message", ["", " \r\n", "\xa0", "\u200b\ufeff", "\u2800\u3164", "\t\u200d\ufe0f"]
)
def test_a_text_in_which_nothing_can_be_seen_is_replaced(message: str) -> None:
    text, _ = read(mail(message=message, htmlMessage=html("<p>Hej"))).iter_parts()
    assert text.get_payload(decode=True) == b"Hej\r\n"
    assert shape(read(mail(message=message, htmlMessage=html("<img src=x>")))) == "text/html"
    alone = read(mail(message=message)).get_payload(decode=True)
    assert alone == message.encode()


def test_neither_body_is_an_empty_text() -> None:
    message = read(mail(message=None))
    assert message.get_content_type() == "text/plain"
    assert message.get_payload(decode=True) == b""


def test_html_that_is_no_utf_8_is_read_as_browsers_do() -> None:
    message = read(mail(htmlMessage=b64encode("<p>räksmörgås €".encode("windows-1252")).decode()))
    assert "räksmörgås €" in list(message.iter_parts())[1].get_content()


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("iso-8859-15", "iso-8859-15"), ("windows-1250", "cp1250"), ("unicode", "utf-16")],
)
def test_html_is_sent_as_utf_8_whatever_it_was_written_in(declared: str, encoding: str) -> None:
    said = "10 € äter Łódź" if encoding == "cp1250" else "10 € på räkmacka"
    page = f"<html><head><meta charset={declared}></head><body>{said}"
    sent = mail(message=None, htmlMessage=b64encode(page.encode(encoding)).decode())
    text, markup = read(sent).iter_parts()
    assert text.get_payload(decode=True) == f"{said}\r\n".encode()
    assert markup["Content-Type"].params["charset"] == "utf-8"
    assert said in markup.get_content()


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("a.pdf", "application/pdf", PDF),
        ("a.txt", "text/plain", b"one\ntwo\rthree\r\n.\nfour"),
        ("a.csv", 'text/csv; charset="iso-8859-1"', "å;ä\n".encode("latin-1")),
        ("a.eml", "message/rfc822", b"Subject: x\n\nhej\n"),
        ("a", "multipart/mixed; boundary=x", b"--x"),
        ("tom.txt", "text/plain", b""),
    ],
)
def test_an_attachment_keeps_its_bytes(name: str, kind: str, data: bytes) -> None:
    _, file = read(mail(Attachment.of(name, kind, data))).iter_parts()
    assert file.get_payload(decode=True) == data
    assert file.get_filename() == name


@pytest.mark.parametrize(
    ("given", "data", "shown"),
    [
        ("text/csv; charset=utf-8", b"a;b", "text/csv"),
        (None, PDF, "application/pdf"),
        ("pdf", PDF, "application/pdf"),
        ("a/b c", b"\x89PNG\r\n\x1a\n", "image/png"),
        ('text/plain; a="x\\', b"?", "application/octet-stream"),
        (None, b"?", "application/octet-stream"),
        ("message/rfc822", b"?", "application/octet-stream"),
    ],
)
def test_an_attachment_is_of_the_type_it_was_given_or_looks_like(
    given: str | None, data: bytes, shown: str
) -> None:
    _, file = read(mail(Attachment.of("x", given, data))).iter_parts()
    assert file.get_content_type() == shown


def test_the_same_delivery_is_the_same_bytes_on_every_attempt() -> None:
    content = {"htmlMessage": html("<p>Hej"), "subject": SWEDISH}
    assert mail(Attachment.of("a.pdf", None, PDF), **content) == mail(
        Attachment.of("a.pdf", None, PDF), **content
    )


def test_the_message_is_named_after_its_delivery() -> None:
    message = read(mail())
    assert message["Message-ID"] == f"<{KEY}@sundsvall.se>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOON


def test_headers_of_the_caller_are_sent_by_their_own_names() -> None:
    ids = [f"<{'a' * 400}@x.se>", "<b@y.se>"]
    data = mail(
        headers={
            "MESSAGE_ID": ["<own@x.se>"],
            "IN_REPLY_TO": ids[1:],
            "References": ids,
            "Auto-Submitted": ["auto-generated"] * 2,
        }
    ).data
    raw = message_from_bytes(data, policy=policy.compat32)
    assert raw.get_all("Message-ID") == ["<own@x.se>"]
    assert raw["In-Reply-To"] == "<b@y.se>"
    assert raw["References"].split() == ids
    assert raw.get_all("Auto-Submitted") == ["auto-generated"]


def test_ways_to_unsubscribe_are_one_header_each() -> None:
    https = "<https://sundsvall.se/avsluta?id=" + "a" * 800 + ">"
    data = mail(
        headers={
            "LIST_UNSUBSCRIBE": ["<mailto:a@b.se?subject=x>", https, https],
            "List-Unsubscribe-Post": ["List-Unsubscribe=One-Click"],
        }
    ).data
    raw = message_from_bytes(data, policy=policy.default)
    assert raw.get_all("List-Unsubscribe") == [f"<mailto:a@b.se?subject=x>, {https}"]
    assert raw.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data


def test_domains_travel_in_ascii_and_local_parts_as_they_are() -> None:
    sent = mail(to="åke@räksmörgås.se", _sender={"name": "X", "address": "info@åre.se"})
    assert sent.sender == "info@xn--re-xia.se"
    assert sent.recipient == "åke@xn--rksmrgs-5wao1o.se"
    assert sent.international
    assert read(sent)["To"] == "åke@xn--rksmrgs-5wao1o.se"
    assert b"@xn--re-xia.se>" in sent.data


@pytest.mark.parametrize("name", ["å" * 200 + ".pdf", "a" * 200, "%41*'\"; ~.pdf", " a "])
def test_a_long_or_strange_file_name_is_folded_and_whole(name: str) -> None:
    sent = mail(Attachment.of(name, None, PDF), subject=name, message="x")
    _, file = read(sent).iter_parts()
    assert file["Content-Disposition"].params["filename"] == name
    assert read(sent)["Subject"] == name
    assert max(len(line) for line in sent.data.split(b"\r\n")) <= 78


def test_a_name_that_repeats_the_address_is_left_out() -> None:
    assert read(mail(_sender={"name": "a@b.se", "address": "a@b.se"}))["From"] == "a@b.se"


def test_a_shared_attachment_is_encoded_once_and_within_bounds() -> None:
    encoded = AttachmentCache(limit=3000)
    first, second = (Attachment.of(name, None, name.encode() * 1000) for name in ("a", "b"))
    part = encoded.part(first)
    assert encoded.part(first) is part
    encoded.part(second)
    encoded.part(Attachment.of("c", None, b"c" * 1000))
    assert encoded.part(first) is not part
    large = Attachment.of("l", None, b"l" * 9000)
    assert encoded.part(large) is not encoded.part(large)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_byte_for_byte(text: str) -> None:
    data = mail(message=text, htmlMessage=html("<p>x")).data
    normal = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()
    single = mail(message=text).data
    assert next(iter(message_from_bytes(data, policy=policy.SMTP).iter_parts())).get_payload(
        decode=True
    ) == normal or is_blank(text)
    assert message_from_bytes(single, policy=policy.SMTP).get_payload(decode=True) == normal
    for made in (data, single):
        assert b"\n" not in made.replace(b"\r\n", b"")
        assert b"\r" not in made.replace(b"\r\n", b"")
        assert max(len(line) for line in made.split(b"\r\n")) <= 78
        assert made.isascii()
