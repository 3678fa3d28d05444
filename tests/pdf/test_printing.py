"""What is printed: annotations and fields by their flags, layers, units, boxes, rotation, images."""

from __future__ import annotations

from collections.abc import Callable

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Name, String

from tests.channels.snail_mail import pdfs
from tests.channels.snail_mail.pdfs import MM, box, changed, letter
from tests.pdf.seen import PAPER, WINDOW, on_paper, texts
from utskick.pdf.rules import Rules
from utskick.pdf.worker import check, picture

HIDDEN, PRINT, NO_VIEW, LOCKED = 2, 4, 32, 128
#: Flags (12.5.3), and whether it is printed, whatever a screen shows.
FLAGS = {
    0: False,
    PRINT: True,
    HIDDEN: False,
    HIDDEN | PRINT: False,
    NO_VIEW: False,
    NO_VIEW | PRINT: True,
    NO_VIEW | PRINT | LOCKED: True,
    HIDDEN | NO_VIEW | PRINT: False,
}


def stamp(flags: int) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        drawn = pdf.make_stream(
            b"0 g 0 0 80 20 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 80, 20]
        )
        annotation = Dictionary(
            Type=Name.Annot,
            Subtype=Name.Stamp,
            Rect=[400, 30, 480, 50],
            F=flags,
            AP=Dictionary(N=drawn),
        )
        pdf.pages[0].Annots = Array([pdf.make_indirect(annotation)])

    return change


def field(flags: int, *, appearance: bool) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        widget = Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            T=String("a"),
            V=String("KONTROLL"),
            DA=String("/Helv 12 Tf 0 g"),
            Rect=[400, 30, 560, 50],
            F=flags,
        )
        if appearance:
            drawn = b"0 g 0 0 80 20 re f"
            shape = {"Type": Name.XObject, "Subtype": Name.Form}
            widget.AP = Dictionary(N=pdf.make_stream(drawn, BBox=Array([0, 0, 160, 20]), **shape))
        pdf.pages[0].Annots = Array([pdf.make_indirect(widget)])
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        pdf.Root.AcroForm = Dictionary(
            Fields=pdf.pages[0].Annots,
            DA=String("/Helv 12 Tf 0 g"),
            DR=Dictionary(Font=Dictionary(Helv=font)),
            NeedAppearances=not appearance,
        )

    return change


@pytest.mark.parametrize("flags", sorted(FLAGS))
@pytest.mark.parametrize("kind", ["field", "field without appearance", "stamp"])
def test_flags_say_what_is_printed(kind: str, flags: int) -> None:
    made = {
        "field": field(flags, appearance=True),
        "field without appearance": field(flags, appearance=False),
        "stamp": stamp(flags),
    }[kind]
    told = texts(on_paper(changed(made)))
    assert len(told) == FLAGS[flags]
    assert all("in the area that must be empty" in text for text in told)


def test_links_without_print_flag_are_no_reason_to_rewrite() -> None:
    assert not on_paper(changed(pdfs.harmless_words)).copy


@pytest.mark.parametrize("printed", [False, True])
def test_layers_count_as_they_are_printed(printed: bool) -> None:
    """Optional content whose state differs between screen and print (8.11.4.4)."""

    def layer(pdf: pikepdf.Pdf) -> None:
        on, off = Name.ON, Name.OFF
        usage = Dictionary(
            View=Dictionary(ViewState=off if printed else on),
            Print=Dictionary(PrintState=on if printed else off),
        )
        group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("l"), Usage=usage))
        events = [
            Dictionary(Event=event, OCGs=Array([group]), Category=Array([event]))
            for event in (Name.View, Name.Print)
        ]
        pdf.Root.OCProperties = Dictionary(
            OCGs=Array([group]), D=Dictionary(AS=Array(events), Order=Array([group]))
        )
        pdf.pages[0].Resources = Dictionary(Properties=Dictionary(L=group))
        drawn = b"/OC /L BDC " + box(100, 280, 40, 5) + b" EMC"
        pdf.pages[0].Contents = pdf.make_stream(drawn)

    assert len(texts(on_paper(changed(layer)))) == printed


def test_a_unit_of_its_own_scales_page_and_zones() -> None:
    """UserUnit (14.11.2): an A4 page of half as many units."""

    def halve(ink: bytes) -> bytes:
        def change(pdf: pikepdf.Pdf) -> None:
            page = pdf.pages[0]
            page.MediaBox = Array([0, 0, 210 * MM / 2, 297 * MM / 2])
            page.obj.UserUnit = 2
            page.Contents = pdf.make_stream(b"0.5 0 0 0.5 0 0 cm " + ink)

        return changed(change)

    assert texts(on_paper(halve(box(30, 60, 40, 5)))) == []
    (told,) = texts(on_paper(halve(box(100, 280, 40, 5))))
    assert "content 100-140 mm from the left and 280-285 mm from the top" in told
    assert not check(halve(box(30, 60, 40, 5)), Rules(window=WINDOW)).blank
    assert check(halve(box(30, 160, 40, 5)), Rules(window=WINDOW)).blank


@pytest.mark.parametrize(
    ("media", "crop", "size"),
    [
        ((0, 0, 595, 842), (-50, -50, 700, 900), None),
        ((0, 0, 595, 842), (0, 0, 420, 595), "148 x 210"),
        ((-100, -100, 700, 950), (0, 0, 595, 842), None),
        ((595, 842, 0, 0), None, None),
        ((0, 0, 612, 792), (0, 0, 612, 1000), "216 x 279"),
    ],
)
def test_the_size_is_the_crop_box_within_the_media_box(media, crop, size) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].MediaBox = Array(media)
        if crop is not None:
            pdf.pages[0].CropBox = Array(crop)

    told = texts(on_paper(changed(change)))
    assert told == ([] if size is None else [f"page 1 is {size} mm, not A4 (210 x 297 mm)"])


def image(pdf: pikepdf.Pdf, width: int = 12_000) -> pikepdf.Stream:
    """Of 432 MB when decoded, with 12 000 points of width."""
    made = pdf.make_stream(
        b"",
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width,
        Height=12_000,
        BitsPerComponent=8,
        ColorSpace=Name.DeviceRGB,
    )
    made.write(pdfs.repeated(b"", bytes(1_000_000), 10), filter=Name.FlateDecode)
    return made


def form(pdf: pikepdf.Pdf, content: bytes, resources: Dictionary | None) -> pikepdf.Stream:
    more = {} if resources is None else {"Resources": resources}
    box_ = Array([0, 0, 600, 850])
    return pdf.make_stream(content, Type=Name.XObject, Subtype=Name.Form, BBox=box_, **more)


def drawn_directly(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].Resources = Dictionary(XObject=Dictionary(I=image(pdf)))
    pdf.pages[0].Contents = pdf.make_stream(b"/I Do")


def drawn_by_another_spelling(pdf: pikepdf.Pdf) -> None:
    drawn_directly(pdf)
    pdf.pages[0].Contents = pdf.make_stream(b"/#49%x\nDo")


def drawn_by_a_form(pdf: pikepdf.Pdf) -> None:
    inner = form(pdf, b"/I Do", Dictionary(XObject=Dictionary(I=image(pdf))))
    pdf.pages[0].Resources = Dictionary(XObject=Dictionary(F=inner))
    pdf.pages[0].Contents = pdf.make_stream(b"/F Do")


def drawn_by_a_form_with_the_pages_resources(pdf: pikepdf.Pdf) -> None:
    inner = form(pdf, b"/I Do", None)
    pdf.pages[0].Resources = Dictionary(XObject=Dictionary(F=inner, I=image(pdf)))
    pdf.pages[0].Contents = pdf.make_stream(b"/F Do")


def drawn_by_a_pattern(pdf: pikepdf.Pdf) -> None:
    pattern = pdf.make_stream(
        b"/I Do",
        PatternType=1,
        PaintType=1,
        TilingType=1,
        BBox=Array([0, 0, 10, 10]),
        XStep=10,
        YStep=10,
        Resources=Dictionary(XObject=Dictionary(I=image(pdf))),
    )
    pdf.pages[0].Resources = Dictionary(Pattern=Dictionary(P=pattern))
    pdf.pages[0].Contents = pdf.make_stream(b"/Pattern cs /P scn 0 0 600 850 re f")


def drawn_as_a_mask(pdf: pikepdf.Pdf) -> None:
    small = image(pdf, 10)
    small.SMask = image(pdf)
    pdf.pages[0].Resources = Dictionary(XObject=Dictionary(I=small))
    pdf.pages[0].Contents = pdf.make_stream(b"/I Do")


def drawn_as_soft_mask(pdf: pikepdf.Pdf) -> None:
    inner = form(pdf, b"/I Do", Dictionary(XObject=Dictionary(I=image(pdf))))
    state = Dictionary(SMask=Dictionary(S=Name.Luminosity, G=inner))
    pdf.pages[0].Resources = Dictionary(ExtGState=Dictionary(G=state))
    pdf.pages[0].Contents = pdf.make_stream(b"/G gs 0 0 600 850 re f")


def drawn_as_a_glyph(pdf: pikepdf.Pdf) -> None:
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.Type3,
        FontBBox=Array([0, 0, 1, 1]),
        FontMatrix=Array([1, 0, 0, 1, 0, 0]),
        CharProcs=Dictionary(a=pdf.make_stream(b"1 0 d0 /I Do")),
        Encoding=Dictionary(Differences=Array([97, Name.a])),
        FirstChar=97,
        LastChar=97,
        Widths=Array([1]),
        Resources=Dictionary(XObject=Dictionary(I=image(pdf))),
    )
    pdf.pages[0].Resources = Dictionary(Font=Dictionary(F=font))
    pdf.pages[0].Contents = pdf.make_stream(b"BT /F 12 Tf (a) Tj ET")


def drawn_by_a_stamp(pdf: pikepdf.Pdf) -> None:
    stamp(PRINT)(pdf)
    resources = Dictionary(XObject=Dictionary(I=image(pdf)))
    pdf.pages[0].Annots[0].AP = Dictionary(N=form(pdf, b"/I Do", resources))


@pytest.mark.parametrize(
    "change",
    [
        drawn_as_a_glyph,
        drawn_as_a_mask,
        drawn_as_soft_mask,
        drawn_by_a_form,
        drawn_by_a_form_with_the_pages_resources,
        drawn_by_a_pattern,
        drawn_by_a_stamp,
        drawn_by_another_spelling,
        drawn_directly,
    ],
    ids=lambda f: f.__name__,
)
def test_an_image_counts_wherever_it_is_drawn(change) -> None:
    told = texts(on_paper(changed(change, compress_streams=False)))
    assert told[0] == "page 1 contains images of 432 MB when decoded; the limit is 108 MB"


def test_an_image_that_is_not_drawn_does_not_count() -> None:
    """Programs give all pages the images of all pages; a screen's stamp is not printed."""

    def only_named(pdf: pikepdf.Pdf) -> None:
        drawn_directly(pdf)
        pdf.pages[0].Contents = pdf.make_stream(box(30, 100, 10, 10))

    def only_on_screen(pdf: pikepdf.Pdf) -> None:
        drawn_by_a_stamp(pdf)
        pdf.pages[0].Annots[0].F = 0

    for change in (only_named, only_on_screen):
        assert texts(on_paper(changed(change, compress_streams=False))) == []


def test_a_font_that_is_named_but_not_used_is_no_notice() -> None:
    def named(content: bytes) -> bytes:
        def change(pdf: pikepdf.Pdf) -> None:
            fonts = {
                name: Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name("/" + base))
                for name, base in (("/F1", "Helvetica"), ("/F2", "Courier"))
            }
            pdf.pages[0].Resources = Dictionary(Font=Dictionary(fonts))
            pdf.pages[0].Contents = pdf.make_stream(content)

        return changed(change)

    plain = b"BT /F1 12 Tf 14.4 TL ET "
    assert on_paper(named(plain)).notices == []
    shown = named(plain + b"BT /F2 9 Tf [(He) -20 (j)]TJ ET")
    assert on_paper(shown).notices == [("pdf-fonts-not-embedded", "Courier")]


def test_a_picture_shows_the_page_as_it_is_printed() -> None:
    from io import BytesIO

    from PIL import Image

    data = changed(stamp(NO_VIEW | PRINT))
    made = picture(data, 0, [(WINDOW, "#0000ff")])
    assert made is not None
    with Image.open(BytesIO(made)) as shown:
        assert shown.size == (827, 1170)
        dots = 100 / 25.4
        assert shown.getpixel((round(150 * dots), round(283 * dots))) == (0, 0, 0)
        assert shown.getpixel((round(WINDOW.left * dots) + 5, round(WINDOW.top * dots))) == (
            0,
            0,
            255,
        )
    assert picture(data, 1, []) is None


#: How a value may stand in a file: itself, an object of its own, one behind a null, or absent.
HOW = st.sampled_from(["absent", "dangling", "direct", "indirect", "null", "wrong"])
KEYS = ("MediaBox", "CropBox", "Rotate", "UserUnit", "Annots", "Resources", "Contents", "Parent")


@settings(max_examples=300, deadline=None)
@given(
    how=st.fixed_dictionaries({key: HOW for key in KEYS if key not in ("MediaBox", "Parent")}),
    media=st.sampled_from(["direct", "elements", "indirect", "inherited"]),
    turns=st.sampled_from([0, 360, -360, 720, 0.0, 360.0]),
    real=st.booleans(),
)
def test_values_are_read_however_they_stand(
    how: dict[str, str], media: str, turns: float, real: bool
) -> None:
    """Direct, indirect, null, dangling or of a wrong type: a page of A4 is one, and no variant is a
    fault of ours."""
    objects: list[bytes] = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b""]

    def placed(body: bytes) -> bytes:
        objects.append(body)
        return b"%d 0 R" % len(objects)

    def stands(key: str, body: bytes, wrong: bytes) -> bytes:
        text = {
            "absent": None,
            "dangling": b"999 0 R",
            "direct": body,
            "indirect": placed(body),
            "null": placed(b"null"),
            "wrong": wrong,
        }[how[key]]
        return b"" if text is None else b"/%b %b" % (key.encode(), text)

    size = b"[0 0 595.0 842.0]" if real else b"[0 0 595 842]"
    if media == "elements":
        size = b"[%b %b %b %b]" % tuple(placed(n) for n in (b"0", b"0", b"595", b"842"))
    box_ = placed(size) if media == "indirect" else size
    stream = placed(b"<</Length %b>>stream\n0 g\nendstream" % placed(b"3"))
    annotation = b"[null 999 0 R %b 7]" % placed(b"<</Subtype/Link/Rect[0 0 1 1]/F 0>>")
    page = [
        b"" if media == "inherited" else b"/MediaBox " + box_,
        stands("CropBox", b"[0 0 595 842]", b"(x)"),
        stands("Rotate", str(turns).encode(), b"/No"),
        stands("UserUnit", b"1.0" if real else b"1", b"(x)"),
        stands("Annots", annotation, b"/No"),
        stands("Resources", b"<</XObject null/Font<</F null>>/Pattern[]>>", b"3"),
        stands(
            "Contents", stream if how["Contents"] != "indirect" else b"[%b null]" % stream, b"3"
        ),
    ]
    shared = b"/MediaBox " + box_ if media == "inherited" else b""
    objects[1] = b"<</Type/Pages/Count 1/Kids[3 0 R]%b>>" % shared
    objects[2] = b"<</Type/Page/Parent 2 0 R%b>>" % b"".join(page)
    found = check(pdfs.by_hand(*objects), PAPER)
    assert (texts(found), found.notices, found.pages) == ([], [], 1)


@settings(max_examples=60, deadline=None)
@given(
    turn=st.integers(-9, 9).map(lambda n: n * 90),
    real=st.booleans(),
    inherited=st.booleans(),
    indirect=st.booleans(),
)
def test_any_quarter_turn_is_one(turn: int, real: bool, inherited: bool, indirect: bool) -> None:
    """Rotate: multiples of 90, also negative, above 360, real, inherited (Table 30)."""
    number = str(float(turn) if real else turn).encode()
    rotate = b"/Rotate " + (b"4 0 R" if indirect else number)
    wide = turn % 180 != 0
    size = b"[0 0 842 595]" if wide else b"[0 0 595 842]"
    data = pdfs.by_hand(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]%b>>" % (rotate if inherited else b""),
        b"<</Type/Page/Parent 2 0 R/MediaBox %b/Resources<<>>%b>>"
        % (size, b"" if inherited else rotate),
        number,
    )
    assert texts(on_paper(data)) == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 1000))
def test_garbage_is_never_a_fault_of_ours(garbage: bytes, at: int) -> None:
    data = letter(2)
    at = at * len(data) // 1000
    for made in (b"%PDF-1.7\n" + garbage, data[:at] + garbage[:40] + data[at:]):
        found = on_paper(made)
        assert found.pages is None or found.pages >= 0
