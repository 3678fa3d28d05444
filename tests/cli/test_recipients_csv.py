"""Tests of recipient lists: encodings, delimiters, headers, columns and invalid rows."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utskick.cli import csv_file
from utskick.cli.recipients_csv import (
    EMAIL,
    SMS,
    ListKind,
    RecipientList,
    parse_recipients,
    read_number,
)
from utskick.domain.errors import Unreadable

PARTY = "49d709a3-621a-4e06-8eb2-8abb774b1bc7"

#: Letters that UTF-8 and Windows-1252 can both encode, and characters that CSV must quote.
CELLS = st.text("abcåäöÅÄÖé ,;\t\"'-", max_size=12)
NUMBERS = st.integers(0, 99).map(lambda n: f"+467017406{n:02d}")
WRITTEN = st.sampled_from(
    [
        lambda n: n,
        lambda n: "0" + n[3:],
        lambda n: f"0{n[3:5]}-{n[5:8]} {n[8:10]} {n[10:]}",
        lambda n: "00" + n[1:],
    ]
)


def parsed(text: str | bytes, kind: ListKind = SMS, *column: str) -> RecipientList:
    return parse_recipients(
        csv_file.read(text.encode() if isinstance(text, str) else text), kind, column
    )


def numbers_of(recipients: RecipientList) -> list[str]:
    return [recipient.destination for recipient in recipients.valid]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, NUMBERS, WRITTEN), min_size=1, max_size=12),
    delimiter=st.sampled_from(";,\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "windows-1252", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_every_number_is_found_however_the_list_was_saved(
    rows, delimiter, encoding, line_end
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["Namn", "Mobil", "Ort"])
    writer.writerows([name, write(number), "Örebro"] for name, number, write in rows)
    found = parsed(text.getvalue().encode(encoding))
    assert numbers_of(found) == list(dict.fromkeys(number for _, number, _ in rows))
    assert found.duplicates == len(rows) - len(found.valid)
    assert found.rejected == ()


@pytest.mark.parametrize(
    "name",
    [
        "Mobil",
        "MOBILNUMMER",
        "Telefon",
        "phone",
        "Number",
        "nummer",
        "Mobil-nummer",
        "mobile_number",
    ],
)
def test_a_column_of_numbers_is_known_by_its_name(name: str) -> None:
    assert numbers_of(parsed(f"Namn;Kundnr;{name}\nAnna;0701740699;070-174 06 05\n")) == [
        "+46701740605"
    ]


@pytest.mark.parametrize("name", ["E-post", "email", "E-mail", "mail", "Epostadress"])
def test_a_column_of_addresses_is_known_by_its_name(name: str) -> None:
    assert numbers_of(parsed(f"Namn,{name},Telefon\nAnna,anna@example.se,0701740605\n", EMAIL)) == [
        "anna@example.se"
    ]


def test_a_mobile_number_is_preferred_to_a_telephone() -> None:
    assert numbers_of(parsed("Telefon;Mobil\n08-123 456 78;0701740605\n")) == ["+46701740605"]


def test_without_a_header_columns_are_known_by_their_content() -> None:
    found = parsed(f"Anna;85230;{PARTY};0701740605\nBo;85231;;070-174 06 06\n")
    assert [(r.destination, r.party_id) for r in found.valid] == [
        ("+46701740605", PARTY),
        ("+46701740606", None),
    ]
    assert found.header == ()


def test_one_bare_column_is_a_list() -> None:
    assert numbers_of(parsed("0701740605\n0701740606\n")) == ["+46701740605", "+46701740606"]


def test_party_and_reference_come_along() -> None:
    found = parsed(f"partyId,Referens,Mobil\n{PARTY.upper()},väg 7,0701740605\n")
    assert [(r.party_id, r.reference) for r in found.valid] == [(PARTY, "väg 7")]


@pytest.mark.parametrize("column", ["Hem", "2", "mobil=Hem", "nummer=2"])
def test_the_user_may_name_the_column(column: str) -> None:
    assert numbers_of(parsed("Mobil;Hem\n0701740605;0701740606\n", SMS, column)) == ["+46701740606"]


def test_an_unknown_column_is_reported_by_name() -> None:
    with pytest.raises(Unreadable, match="no column named Bil"):
        parsed("Mobil\n0701740605\n", SMS, "Bil")


def test_a_list_without_numbers_is_reported_with_its_columns() -> None:
    with pytest.raises(Unreadable, match="its columns are Namn, Ort"):
        parsed("Namn;Ort\nAnna;Sundsvall\n")


def test_an_empty_file_is_reported() -> None:
    with pytest.raises(Unreadable, match="empty"):
        parsed("\n \n")


def test_rejected_rows_keep_their_line_and_say_why() -> None:
    found = parsed(
        'Namn;Mobil;partyId\nAnna;0701740605;\n"två\nrader";hej;\n\nBo;;\n'
        "Cy;0701740607;inget-uuid\n"
    )
    assert [(entry.row.line, entry.reason) for entry in found.rejected] == [
        (3, "is not a phone number"),
        (6, "the number is missing"),
        (7, "partyId not a valid UUID"),
    ]


def test_a_short_row_is_rejected_and_the_rest_is_read() -> None:
    found = parsed("Namn;Mobil\nAnna\nBo;0701740605\n")
    assert numbers_of(found) == ["+46701740605"]
    assert [entry.row.line for entry in found.rejected] == [2]


def test_a_reason_never_repeats_what_stands_in_the_row() -> None:
    found = parsed("E-post\nanna svensson@example.se\nanna@@example.se\n", EMAIL)
    assert len(found.rejected) == 2
    assert not any("anna" in entry.reason for entry in found.rejected)


def test_the_same_number_for_two_people_is_two_messages_and_for_one_is_one() -> None:
    other = PARTY.replace("4", "5")
    found = parsed(f"Mobil;partyId\n0701740605;{PARTY}\n+46701740605;{PARTY}\n0701740605;{other}\n")
    assert (len(found.valid), found.duplicates) == (2, 1)


def test_addresses_that_differ_in_the_case_of_their_domain_are_one() -> None:
    found = parsed("mail\nanna@example.se\nanna@EXAMPLE.se\nAnna@example.se\n", EMAIL)
    assert (numbers_of(found), found.duplicates) == (["anna@example.se", "Anna@example.se"], 1)


def test_excels_own_line_about_the_delimiter_is_obeyed() -> None:
    found = parsed("sep=,\r\nNamn,Mobil\r\nAnna,0701740605\r\nBo,fel\r\n")
    assert numbers_of(found) == ["+46701740605"]
    assert [entry.row.line for entry in found.rejected] == [4]


def test_windows_letters_are_read_as_they_were_written() -> None:
    assert [
        r.reference
        for r in parsed("Referens;Mobil\nÅÄÖ é;0701740605\n".encode("windows-1252")).valid
    ] == ["ÅÄÖ é"]


def test_an_unclosed_quotation_mark_is_reported_with_its_line() -> None:
    with pytest.raises(Unreadable, match="line 3"):
        parsed('Namn;Mobil\nAnna;0701740605\n"Bo;0701740606\nCy;0701740607\n')


@pytest.mark.parametrize(
    "text", ["0700-KATT", "4,67E+10", "070-174 06 05 ankn 3", "85230", "", "+", "anna@example.se"]
)
def test_what_is_no_number_is_not_made_into_one(text: str) -> None:
    assert read_number(text) is None
