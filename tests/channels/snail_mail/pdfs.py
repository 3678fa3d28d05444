"""PDFs for tests: right ones, and all that is wrong with others."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import pikepdf
from pikepdf import Array, Dictionary, Name, String

MM = 72 / 25.4
A4 = (210.0, 297.0)


def saved(pdf: pikepdf.Pdf, **how: object) -> bytes:
    written = io.BytesIO()
    pdf.save(written, **how)
    return written.getvalue()


def letter(
    pages: int = 1,
    size: tuple[float, float] = A4,
    rotate: int = 0,
    ink: Callable[[int], bytes] | None = None,
) -> bytes:
    """``ink``: the content stream of each page, by its number."""
    pdf = pikepdf.new()
    for number in range(1, pages + 1):
        pdf.add_blank_page(page_size=(size[0] * MM, size[1] * MM))
        page = pdf.pages[-1]
        if rotate:
            page.Rotate = rotate
        page.Contents = pdf.make_stream(ink(number) if ink else box(30, 100, 100, 20))
    return saved(pdf)


def box(left: float, top: float, width: float, height: float, grey: float = 0.0) -> bytes:
    """A filled rectangle, in millimetres from the upper left corner of an A4 page."""
    return b"%f g %f %f %f %f re f\n" % (
        grey,
        left * MM,
        (A4[1] - top - height) * MM,
        width * MM,
        height * MM,
    )


def changed(
    change: Callable[[pikepdf.Pdf], object], data: bytes | None = None, **how: object
) -> bytes:
    with pikepdf.open(io.BytesIO(data or letter())) as pdf:
        change(pdf)
        return saved(pdf, **how)


def many_pages(count: int) -> bytes:
    """Written by hand, because it is faster."""
    kids = b" ".join(b"%d 0 R" % number for number in range(3, count + 3))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"
    return by_hand(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%b]>>" % (count, kids),
        *[page] * count,
    )


def by_hand(*bodies: bytes, trailer: bytes = b"") -> bytes:
    """Write objects 1, 2, … as they are; the first is the catalog (ISO 32000-1 section 7.5)."""
    written, places = [b"%PDF-1.4\n"], []
    at = len(written[0])
    for number, body in enumerate(bodies, 1):
        places.append(b"%010d 00000 n \n" % at)
        written.append(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        at += len(written[-1])
    size = len(bodies) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    return b"".join(
        [
            *written,
            head,
            *places,
            b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, at),
        ]
    )


def padded(size: int) -> bytes:
    """A page in a file of exactly so many bytes, for sizes of several digits."""
    catalog, tree = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"
    least = len(by_hand(catalog, tree, page, b"<<>>%"))
    made = by_hand(catalog, tree, page, b"<<>>%" + b"x" * (size - least))
    return by_hand(catalog, tree, page, b"<<>>%" + b"x" * (2 * size - least - len(made)))


def repeated(first: bytes, block: bytes, times: int) -> bytes:
    """The deflated form of ``first`` and of many equal blocks after it, of which only one has to be
    packed (RFC 1951 section 3.2)."""
    packer = zlib.compressobj(9)
    begun = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    once = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return begun + once * times + packer.flush()


def encrypted(user: str) -> bytes:
    return changed(lambda pdf: None, encryption=pikepdf.Encryption(owner="owner", user=user))


def _action(kind: str, **members: object) -> Dictionary:
    return Dictionary(S=Name("/" + kind), **members)


def opening_script(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OpenAction = _action("JavaScript", JS=String("app.alert(1)"))


def named_script(pdf: pikepdf.Pdf) -> None:
    tree = Dictionary(
        Names=Array([String("a"), _action("JavaScript", JS=pdf.make_stream(b"app.alert(1)"))])
    )
    pdf.Root.Names = Dictionary(JavaScript=pdf.make_indirect(tree))


def launching_link(pdf: pikepdf.Pdf) -> None:
    link = Dictionary(
        Type=Name.Annot,
        Subtype=Name.Link,
        Rect=[0, 0, 10, 10],
        A=_action("Launch", F=String("calc.exe")),
    )
    pdf.pages[0].Annots = Array([link])


def form_with_xfa(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AcroForm = Dictionary(XFA=pdf.make_stream(b"<xdp/>"), Fields=Array([]))


def hidden_script(pdf: pikepdf.Pdf) -> None:
    """Deep in direct objects of a page's own dictionary."""
    inner = Array([Array([Dictionary(A=_action("JavaScript", JS=String("x")))])])
    pdf.pages[0].obj.PieceInfo = Dictionary(X=Dictionary(Private=inner))


def embedded_file(pdf: pikepdf.Pdf) -> None:
    pdf.attachments["a.exe"] = pikepdf.AttachedFileSpec(pdf, b"MZ")


def file_annotation(pdf: pikepdf.Pdf) -> None:
    stream = pdf.make_stream(b"MZ", Type=Name.EmbeddedFile)
    pdf.pages[0].Annots = Array(
        [
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.FileAttachment,
                Rect=[0, 0, 9, 9],
                FS=Dictionary(Type=Name.Filespec, EF=Dictionary(F=stream)),
            )
        ]
    )


def unnamed_file(pdf: pikepdf.Pdf) -> None:
    """Without the types that it may leave out (ISO 32000-1 section 7.11.3)."""
    pdf.Root.AF = Array([Dictionary(F=String("a.exe"), EF=Dictionary(F=pdf.make_stream(b"MZ")))])


def harmless_words(pdf: pikepdf.Pdf) -> None:
    """What a search for words would take for a script."""
    pdf.docinfo.Title = String("Om /JavaScript, /JS och /EmbeddedFile (en kurs)")
    pdf.pages[0].Annots = Array(
        [
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Link,
                Rect=[0, 0, 9, 9],
                A=_action("URI", URI=String("https://example.se")),
            )
        ]
    )


def content_bomb() -> bytes:
    """About a megabyte that becomes hundreds of them."""

    def change(pdf: pikepdf.Pdf) -> None:
        stream = pdf.make_stream(b"")
        stream.write(repeated(b"", b"0 0 m 500 500 l S\n" * 55_000, 500), filter=Name.FlateDecode)
        pdf.pages[0].Contents = stream

    return changed(change, compress_streams=False)


def object_stream_bomb() -> bytes:
    """An object stream of two gigabytes of white space, packed twice."""
    packed = zlib.compress(repeated(b"1 0 ", b" " * 1_000_000, 2000), 9)
    head = b"%PDF-1.5\n"
    holder = (
        b"4 0 obj\n<</Type/ObjStm/N 1/First 4/Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n"
        % len(packed)
        + packed
        + b"\nendstream\nendobj\n"
    )
    rows = (
        b"\x00\x00\x00\x00\xff"
        + b"\x02\x00\x00\x04\x00"
        + b"\x00\x00\x00\x00\xff" * 2
        + b"\x01"
        + len(head).to_bytes(3, "big")
        + b"\x00"
    )
    at = len(head) + len(holder)
    rows += b"\x01" + at.to_bytes(3, "big") + b"\x00"
    table = (
        b"5 0 obj\n<</Type/XRef/Size 6/W[1 3 1]/Root 1 0 R/Length %d>>stream\n" % len(rows)
        + rows
        + b"\nendstream\nendobj\n"
    )
    return head + holder + table + b"startxref\n%d\n%%%%EOF\n" % at


def nested_forms() -> bytes:
    """Each form draws the next one ten times: 10^9 rectangles in a few kilobytes."""

    def change(pdf: pikepdf.Pdf) -> None:
        inner = pdf.make_stream(
            b"0 0 1 1 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 600, 850]
        )
        for _ in range(9):
            inner = pdf.make_stream(
                b"/X Do " * 10,
                Type=Name.XObject,
                Subtype=Name.Form,
                BBox=[0, 0, 600, 850],
                Resources=Dictionary(XObject=Dictionary(X=inner)),
            )
        pdf.pages[0].Resources = Dictionary(XObject=Dictionary(X=inner))
        pdf.pages[0].Contents = pdf.make_stream(b"/X Do")

    return changed(change)


def pixel_flood() -> bytes:
    """A picture of 40 000 x 40 000 points."""

    def change(pdf: pikepdf.Pdf) -> None:
        image = pdf.make_stream(
            b"",
            Type=Name.XObject,
            Subtype=Name.Image,
            Width=40_000,
            Height=40_000,
            BitsPerComponent=8,
            ColorSpace=Name.DeviceRGB,
        )
        image.write(repeated(b"", bytes(1_000_000), 100), filter=Name.FlateDecode)
        pdf.pages[0].Resources = Dictionary(XObject=Dictionary(X=image))
        pdf.pages[0].Contents = pdf.make_stream(b"q 500 0 0 800 0 0 cm /X Do Q")

    return changed(change, compress_streams=False)


def circular_pages() -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Pages.Kids = Array([pdf.Root.Pages])

    with pikepdf.open(io.BytesIO(letter())) as pdf:
        change(pdf)
        return saved(pdf)
