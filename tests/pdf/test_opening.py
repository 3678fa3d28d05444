"""What is opened, mended and refused: passwords, broken structure, signatures, missing parts."""

from __future__ import annotations

import io

import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name, String

from tests.channels.snail_mail import pdfs
from tests.channels.snail_mail.pdfs import changed, letter
from tests.pdf.seen import (
    codes,
    in_mailbox,
    on_paper,
    owned,
    shifted,
    signed,
    texts,
    with_rights,
)
from utskick.pdf.worker import copy

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"

#: Files that qpdf or a reader can mend, by what is wrong with them.
BROKEN = {
    "byte order mark before": b"\xef\xbb\xbf" + letter(),
    "comment of a web server after": letter() + b"<!-- 0.3 s -->\n" * 200,
    "few bytes after": letter() + b"\nx",
    "headers of HTTP before": b"HTTP/1.1 200 OK\r\n\r\n" + letter(),
    "lines ended by FTP": pdfs.by_hand(
        CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", PAGE
    ).replace(b"\n", b"\r\n"),
    "newline before": b"\r\n" + letter(),
    "no startxref": letter()[: letter().rindex(b"startxref")] + b"%%EOF\n",
    "offsets": shifted(letter()),
    "wrong count": pdfs.by_hand(CATALOG, b"<</Type/Pages/Count 7/Kids[3 0 R]>>", PAGE),
    "wrong startxref": letter().replace(b"startxref\n", b"startxref\n9"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_can_be_mended_is_mended_and_noted(name: str) -> None:
    data = BROKEN[name]
    for found, paper in ((on_paper(data), True), (in_mailbox(data), False)):
        assert codes(found) == ["pdf-repaired"]
        assert (found.pages, found.copy) == (1, True)
        made = copy(data, paper=paper)
        assert made is not None
        assert made == copy(data, paper=paper), "the same bytes at every attempt"
        assert made.startswith(b"%PDF-")
        with pikepdf.open(io.BytesIO(made), attempt_recovery=False) as pdf:
            assert (len(pdf.pages), pdf.check_pdf_syntax()) == (1, [])


@pytest.mark.parametrize("white", [b"\n", b"\r\n\r\n", b"\x00" * 20, b"  \t"])
def test_white_space_after_the_end_is_nothing(white: bytes) -> None:
    assert codes(on_paper(letter() + white)) == []
    assert copy(letter() + white, paper=True) is None


@pytest.mark.parametrize(
    "cut",
    [
        letter(4)[:-14],
        letter(4)[: letter(4).rindex(b"xref\n0")],
        letter() + b"\n9 0 obj\n<</Type/Page",
        changed(lambda pdf: None, letter(3), linearize=True)[:-300],
    ],
    ids=["in the end", "before the table", "in an update", "after the first page"],
)
def test_what_is_cut_off_is_refused(cut: bytes) -> None:
    for found in (on_paper(cut), in_mailbox(cut)):
        assert texts(found) == ["is cut off: its end is missing"]


def test_a_page_that_is_not_there_is_not_left_out() -> None:
    lost = pdfs.by_hand(CATALOG, b"<</Type/Pages/Count 2/Kids[3 0 R 9 0 R]>>", PAGE)
    for found in (on_paper(lost), in_mailbox(lost)):
        assert texts(found) == ["is damaged and cannot be read"]
    spare = pdfs.by_hand(CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R 9 0 R]>>", PAGE)
    assert codes(on_paper(spare)) == [], "it names more than it has, and counts right"


def test_a_mended_file_whose_contents_are_lost_is_refused() -> None:
    def garble(pdf: pikepdf.Pdf) -> None:
        stream = pdf.make_stream(b"")
        stream.write(b"not deflated at all", filter=Name.FlateDecode)
        pdf.pages[0].Contents = stream

    garbled = changed(garble, compress_streams=False)
    assert texts(on_paper(shifted(garbled))) == ["is damaged and cannot be read"]


@pytest.mark.parametrize("strength", ["RC4", "AES-128", "AES-256"])
def test_an_owners_password_is_taken_off_for_paper_and_left_for_mailboxes(strength: str) -> None:
    revision = {"RC4": 3, "AES-128": 4, "AES-256": 6}[strength]
    how = pikepdf.Encryption(
        owner="o", user="", R=revision, aes=revision > 3, metadata=revision > 3
    )
    data = changed(lambda pdf: None, encryption=how)
    paper, mailbox = on_paper(data), in_mailbox(data)
    assert (codes(paper), paper.copy) == (["pdf-decrypted"], True)
    assert (codes(mailbox), mailbox.copy) == (["pdf-restricted"], False)
    made = copy(data, paper=True)
    assert made is not None
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert not pdf.is_encrypted
    assert copy(data, paper=False) is None


def test_a_password_to_open_it_is_refused_on_both_ways() -> None:
    for found in (on_paper(pdfs.encrypted("hemligt")), in_mailbox(pdfs.encrypted("hemligt"))):
        assert texts(found) == ["is encrypted: it cannot be opened without a password"]


def test_an_unknown_way_of_encryption_is_told_as_such() -> None:
    odd = b"/Encrypt<</Filter/Adobe.PubSec/V 4>>/ID[<00><00>]"
    data = pdfs.by_hand(CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", PAGE, trailer=odd)
    assert texts(in_mailbox(data)) == ["is encrypted in a way that few programs can open"]


def test_a_signed_pdf_is_never_altered() -> None:
    whole = changed(signed)
    assert codes(on_paper(whole)) == []
    # It is signed with what stands around it.
    for around in (b"\xef\xbb\xbf" + whole, whole + b"\nx"):
        assert codes(on_paper(around)) == codes(in_mailbox(around)) == []
        assert copy(around, paper=True) is None
    for found in (on_paper(shifted(whole)), in_mailbox(shifted(whole))):
        (told,) = texts(found)
        assert told.startswith("is damaged and carries a signature: mending it would break")
    assert codes(in_mailbox(owned(whole))) == ["pdf-restricted"]
    (told,) = texts(on_paper(owned(whole)))
    assert told.startswith("is encrypted and carries a signature: decrypting it")


def test_rights_for_a_reader_are_no_signature() -> None:
    data = changed(with_rights)
    assert codes(on_paper(owned(data))) == ["pdf-decrypted"]
    assert codes(on_paper(shifted(data))) == ["pdf-repaired"]


def test_names_in_any_encoding_are_read() -> None:
    """Fonts of East Asian systems have names in GBK or Shift-JIS; a name may be any bytes."""
    font = b"<</Type/Font/Subtype/TrueType/BaseFont/#ba#da#cc#e5/#fa /x>>"
    page = PAGE.replace(b"/Resources<<>>", b"/Resources<</Font<</F#fa 4 0 R>>>>/Contents 5 0 R")
    text = b"BT /F#fa 12 Tf 100 500 Td (Hej) Tj ET"
    data = pdfs.by_hand(
        CATALOG,
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        page,
        font,
        b"<</Length %d>>stream\n%b\nendstream" % (len(text), text),
    )
    found = on_paper(data)
    assert codes(found) == ["pdf-fonts-not-embedded"]


def test_many_objects_are_no_reason_to_give_up() -> None:
    """A tagged document of fifty pages has twenty thousand of them."""

    def tag(pdf: pikepdf.Pdf) -> None:
        kids = [pdf.make_indirect(Dictionary(S=Name.P, K=number)) for number in range(20_000)]
        pdf.Root.StructTreeRoot = Dictionary(K=Array(kids))

    mode = pikepdf.ObjectStreamMode.generate
    assert codes(on_paper(changed(tag, letter(40), object_stream_mode=mode))) == []


def interactive_form(pdf: pikepdf.Pdf) -> None:
    action = Dictionary(S=Name.JavaScript, JS=String("AFNumber_Format(2)"))
    widget = Dictionary(
        Type=Name.Annot,
        Subtype=Name.Widget,
        FT=Name.Tx,
        T=String("a"),
        Rect=[100, 500, 200, 520],
        F=4,
        AA=Dictionary(F=action),
    )
    pdf.pages[0].Annots = Array([pdf.make_indirect(widget)])
    pdf.Root.AcroForm = Dictionary(Fields=pdf.pages[0].Annots)


def orphan(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].obj.PieceInfo = Dictionary(
        A=pdf.make_indirect(Dictionary(S=Name.JavaScript, JS=String("x")))
    )


@pytest.mark.parametrize(
    "change", [interactive_form, orphan, pdfs.hidden_script], ids=lambda f: f.__name__
)
def test_scripts_that_a_person_sets_off_are_taken_on_both_ways(change) -> None:
    assert codes(on_paper(changed(change))) == ["pdf-interactive"]
    assert codes(in_mailbox(changed(change))) == ["pdf-interactive"]


def page_script(pdf: pikepdf.Pdf) -> None:
    action = Dictionary(S=Name.URI, URI=String("https://example.se"))
    action.Next = Array([Dictionary(S=Name.JavaScript, JS=String("x"))])
    pdf.pages[0].AA = Dictionary(O=action)


@pytest.mark.parametrize(
    "change",
    [pdfs.launching_link, pdfs.named_script, pdfs.opening_script, page_script],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_runs_by_itself_goes_on_paper_only(change, packed: bool) -> None:
    mode = pikepdf.ObjectStreamMode
    data = changed(change, object_stream_mode=mode.generate if packed else mode.disable)
    assert codes(on_paper(data)) == ["pdf-interactive"]
    ((code, text),) = in_mailbox(data).findings
    assert code == "active-content"
    assert text.endswith("which mailboxes must not get")


@pytest.mark.parametrize(
    "change",
    [pdfs.embedded_file, pdfs.file_annotation, pdfs.unnamed_file],
    ids=lambda f: f.__name__,
)
def test_embedded_files_are_taken_with_a_notice(change) -> None:
    assert codes(on_paper(changed(change))) == ["pdf-attached-files"]
    assert codes(in_mailbox(changed(change))) == ["pdf-attached-files"]


def test_an_xfa_form_is_taken_only_with_pages_of_its_own() -> None:
    def static(pdf: pikepdf.Pdf) -> None:
        interactive_form(pdf)
        pdf.Root.AcroForm.XFA = pdf.make_stream(b"<xdp/>")

    def waiting(pdf: pikepdf.Pdf) -> None:
        static(pdf)
        pdf.Root.NeedsRendering = True

    assert codes(on_paper(changed(static))) == ["pdf-interactive"]

    def left_to_the_viewer(pdf: pikepdf.Pdf) -> None:
        pdf.Root.NeedsRendering = True

    for change in (pdfs.form_with_xfa, left_to_the_viewer, waiting):
        for found in (on_paper(changed(change)), in_mailbox(changed(change))):
            (told,) = texts(found)
            assert told.startswith("is an XFA form without pages of its own")


def test_what_pdfium_cannot_draw_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise pypdfium2.PdfiumError("x")

    monkeypatch.setattr("utskick.pdf.worker.PrintedPages", fail)
    assert texts(on_paper(letter())) == ["is damaged and cannot be rendered"]
