"""Tests of the demo's samples: the lists and the PDF attachment."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest

from utskick.cli import csv_file
from utskick.cli.demo import samples
from utskick.cli.demo.ledger_readers import contents_of
from utskick.cli.demo.samples import pdf_page
from utskick.cli.recipients_csv import EMAIL, SMS, ListKind, parse_recipients
from utskick.sandbox.faults import ProviderFault, magic


@pytest.mark.parametrize("kind", [SMS, EMAIL], ids=["sms", "email"])
def test_a_list_holds_a_thousand_people_with_party_and_reference(kind: ListKind) -> None:
    listing = parse_recipients(
        csv_file.read(files("utskick.cli.demo").joinpath(f"{kind.channel}.csv").read_bytes()), kind
    )
    assert (len(listing.valid), listing.duplicates, listing.rejected) == (1000, 0, ())
    assert len({r.party_id for r in listing.valid}) == 1000
    assert all(r.reference for r in listing.valid)


def test_the_lists_are_of_the_same_people() -> None:
    assert [r.party_id for r in samples.recipients(SMS)] == [
        r.party_id for r in samples.recipients(EMAIL)
    ]


def test_every_kind_of_misbehaviour_that_ends_in_time_is_among_them() -> None:
    found = Counter(
        rule.fault
        for kind in (SMS, EMAIL)
        for r in samples.recipients(kind)
        if (rule := magic(r.destination))
    )
    assert set(found) == set(ProviderFault) - {ProviderFault.LOGIN, ProviderFault.FULL}
    endless = [r for r in samples.recipients(SMS) if r.destination[-2:] in ("05", "14")]
    assert endless == []
    assert [r for r in samples.recipients(EMAIL) if "+down@" in r.destination] == []


def test_every_pdf_object_is_at_the_offset_in_the_table() -> None:
    page = pdf_page(["Åäö (1) \\ €"])
    assert page.startswith(b"%PDF-1.4")
    assert page.endswith(b"%%EOF\n")
    start = int(re.search(rb"startxref\n(\d+)\n", page)[1])  # type: ignore[index]
    assert page[start:].startswith(b"xref\n0 6\n")
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n \n", page), 1):
        assert page[int(place) :].startswith(b"%d 0 obj\n" % number)
    length = int(re.search(rb"/Length (\d+)", page)[1])  # type: ignore[index]
    assert page.split(b"stream\n")[1][length:].startswith(b"\nend")
    assert "(Åäö \\(1\\) \\\\ €) Tj".encode("windows-1252") in page


def test_a_mail_is_read_as_its_reader_sees_it() -> None:
    from email import message_from_bytes
    from email.policy import SMTPUTF8

    raw = (
        b"Subject: =?utf-8?q?=C3=A5?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
        b"boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        b"quoted-printable\r\n\r\n=C3=A4\r\nb=\r\n\r\n--x\r\n"
        b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n"
        b"hej\r\n--x--\r\n"
    )
    found = contents_of(message_from_bytes(raw, policy=SMTPUTF8))
    assert (found.subject, found.text, found.html) == ("å", "ä\nb", None)
    assert [name for name, _ in found.files] == ["a.txt"]
