"""Tests of recipient lists: encodings, delimiters, headers, columns and invalid rows."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utskick.cli import csv_file
from utskick.cli.preview import write_rejected
from utskick.cli.recipients_csv import (
    EMAIL,
    SMS,
    ListKind,
    RecipientList,
    parse_recipients,
)
from utskick.domain.errors import Unreadable
from utskick.domain.phone_number import national_to_msisdn

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


@pytest.mark.parametrize(
    ("text", "kind", "columns"),
    [
        ("Mobil;Mobilnummer\n0701740605;0701740606\n", SMS, r"Mobil \(1\), Mobilnummer \(2\)"),
        ("Mobil;Namn;Mobil\n0701740605;A;0701740606\n", SMS, r"Mobil \(1\), Mobil \(3\)"),
        ("Hem;Jobb\n0701740605;0701740606\n", SMS, r"Hem \(1\), Jobb \(2\)"),
        ("Anna;0701740605;0701740606\n", SMS, "2, 3"),
        ("E-post,Mejl\na@example.se,b@example.se\n", EMAIL, r"E-post \(1\), Mejl \(2\)"),
        (f"Mobil;A;B\n0701740605;{PARTY};{PARTY}\n", SMS, "party=NUMBER"),
    ],
)
def test_two_columns_of_a_kind_are_a_question(text: str, kind: ListKind, columns: str) -> None:
    with pytest.raises(Unreadable, match=columns):
        parsed(text, kind)


def test_the_question_is_answered_with_a_number() -> None:
    assert numbers_of(parsed("Mobil;Mobil\n0701740605;0701740606\n", SMS, "2")) == ["+46701740606"]
    with pytest.raises(Unreadable, match=r"Mobil \(1\), Mobil \(2\)"):
        parsed("Mobil;Mobil\n0701740605;0701740606\n", SMS, "Mobil")


@pytest.mark.parametrize("column", ["0", "3", "9999999999999999999", "²", ""])
def test_a_column_beyond_the_file_is_no_column(column: str) -> None:
    with pytest.raises(Unreadable, match="no such column"):
        parsed("Namn;Mobil\nAnna;0701740605\n", SMS, column)


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
    with pytest.raises(
        Unreadable, match="no such column: the file has no column Bil; its columns are Mobil"
    ):
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
    assert national_to_msisdn(text) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["+46 070-174 06 05", "+460701740605", "+46(0)701740605", "0046 (0)70 174 06 05"],
        ["46701740605.0", "701740605.0", "46701740605,0", "4,6701740605E+10", "46701740605"],
        ["\u202d070\u2011174\u200b06\u202f05\u202c", "070\u00ad1740605", "\ufeff0701740605"],
    ],
)
def test_a_person_written_in_many_ways_is_one_person(texts: list[str]) -> None:
    found = parsed("Mobil\n0701740605\n" + "".join(f'"{text}"\n' for text in texts))
    assert (numbers_of(found), found.duplicates) == (["+46701740605"], len(texts))
    assert found.rejected == ()


@pytest.mark.parametrize(
    ("cell", "detail"),
    [
        ("4,67E+10", "its last digits are lost"),
        ("070174060", "a Swedish mobile number has nine digits after +46"),
        ("+467017406055", "a Swedish mobile number has nine digits after +46"),
        ("46701740605.5", "it has decimals"),
        ("0701740605/0701740606", "several numbers"),
        ("\u0660\u0661\u0662", "U+0660, U+0661, U+0662"),
        ("4791234567", "neither with a country code nor with 0"),
    ],
)
def test_the_reason_names_the_kind_and_no_number(cell: str, detail: str) -> None:
    (entry,) = parsed(f'Mobil\n"{cell}"\n').rejected
    assert detail in entry.reason
    assert cell not in entry.reason


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("\u200banna@example.se\u00a0", "anna@example.se"),
        ("anna@example.123", None),
        ("anna@127.0.0.1", None),
        ("anna@[127.0.0.1]", None),
        ("anna@example.se.", None),
        ('"anna b"@example.se', None),
        ("anna@localhost", "anna@localhost"),
        ("anna@exämple.se", "anna@exämple.se"),
        ("åsa@example.se", "åsa@example.se"),
        ("anna\u202e@example.se", None),
        ("anna@-example.se", None),
    ],
)
def test_addresses_that_nobody_can_have_are_rejected(address: str, read: str | None) -> None:
    found = parsed(f"mail\n{chr(34)}{address.replace(chr(34), chr(34) * 2)}{chr(34)}\n", EMAIL)
    assert numbers_of(found) == ([read] if read else [])


TEXT = "Namn;Mobil\r\nÅsa;0701740605\r\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
def test_wide_encodings_are_recognised_with_and_without_a_mark(encoding: str) -> None:
    assert numbers_of(parsed(TEXT.encode(encoding))) == ["+46701740605"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TEXT.encode("utf-32-le"), "zero byte on line 1"),
        (b"Mobil\n0701740605\n\x00\n", "zero byte on line 3"),
        ("Namn;Mobil\nÅsa Öberg;1\nÅke;2\n".encode() + b"Bj\xf6rn;3\n", "UTF-8.*line 4.*0xF6"),
        (b"\xef\xbb\xbfMobil\n\xe5\n", "UTF-8.*line 2.*0xE5"),
        (b"Mobil\nB\x81t\n", "Windows-1252.*line 2.*0x81"),
        ("Namn;Mobil\nBåt;1\n".encode("cp850"), "0x86 on line 2.*DOS code page 850"),
        ("Namn;Mobil\nBär;1\n".encode("mac-roman"), "0x8A on line 2.*Mac OS Roman"),
        (b"\xff\xfeM\x00\n\x00\x00\xd8a\x00", "UTF-16.*line 2"),
        (b"PK\x03\x04xl/", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel workbook"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_other_encodings_are_refused_by_byte_and_line(data: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        csv_file.read(data)


def test_words_in_quotation_marks_are_windows_1252() -> None:
    text = "Referens;Mobil\n”Båt” – O’Brien, Šimić š;0701740605\n"
    text = text.replace("ć", "c")
    assert parsed(text.encode("windows-1252")).valid[0].reference == "”Båt” – O’Brien, Šimic š"


#: Whatever a spreadsheet could take for a formula, in every place where a cell may begin.
RISKY = st.text("=+-@'\";,|\t ａ＝＋a1\n", max_size=10)
FORMULA = tuple("=+-@＝＋－＠")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(RISKY, min_size=1, max_size=3), min_size=1, max_size=4))
def test_a_file_of_rejected_rows_runs_nothing_and_reads_back_as_it_was(
    tmp_path_factory, cells
) -> None:
    path = tmp_path_factory.mktemp("rejected") / "fel.csv"
    rows = [[cell.strip() for cell in row] for row in cells]
    with csv_file.Rejections(path, ["line", "reason", "Namn"]) as file:
        file.write([number, "is not a phone number", *row] for number, row in enumerate(rows))
    text = path.read_text(encoding="utf-8-sig")
    for delimiter in ";,\t|":
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            assert not any(cell.strip(' \t\r\n"').startswith(FORMULA) for cell in line), text
    read = csv_file.read(path.read_bytes())
    assert [list(row.cells) for row in read.rows[1:]] == [row for row in rows if any(row)]


@pytest.mark.parametrize(
    "text", ["Namn;Mobil\n+Åsa;+467017\nBo;0701740605\n", "+467017\n0701740605\n"]
)
def test_a_corrected_file_of_rejected_rows_is_a_list(tmp_path, text: str) -> None:
    path = tmp_path / "fel.csv"
    write_rejected(path, parsed(text))
    corrected = path.read_text(encoding="utf-8-sig").replace("+467017", "+46701740606")
    assert "'+46701740606" in corrected
    found = parsed(corrected)
    assert numbers_of(found) == ["+46701740606"]
    # Also without the columns that were added.
    bare = "\n".join(line.split(";", 2)[2] for line in corrected.splitlines()[1:])
    assert numbers_of(parsed("Namn;Mobil\n" + bare if ";" in bare else bare)) == ["+46701740606"]
