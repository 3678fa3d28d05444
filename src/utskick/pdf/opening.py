"""Opening a PDF: what needs a password, what is mended by qpdf, and what nobody can open."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pikepdf
import pypdfium2

from utskick.pdf.objects import elements, entry, whole

#: White space of PDF (ISO 32000-1 section 7.2.2), which may stand before and after a file.
_SPACE: Final = b"\x00\t\n\x0c\r "
_HEADER: Final = b"%PDF-"
#: Viewers look for the header in so many bytes (ISO 32000-1 annex H.3.4.1).
_WITHIN: Final = 1024
_OBJECT: Final = re.compile(rb"\b\d+\s+\d+\s+obj\b")
_END: Final = re.compile(rb"startxref\s+\d+|%%EOF")
#: What pikepdf raises for what qpdf cannot read; a message that quotes a PDF may be no UTF-8.
QPDF_FAULTS: Final = (pikepdf.PdfError, pikepdf.QpdfRuntimeError, UnicodeDecodeError)

Sized = Callable[[int], None]


class Unopenable(Exception):
    """A PDF that nobody can open; the text is a predicate that follows a field's name."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open PDF.

    ``recovered``: its structure was broken, and was rebuilt from its objects. ``untidy``: there are
    bytes before its header or after its end. ``encrypted``: with an owner's password only.
    """

    pdf: pikepdf.Pdf
    recovered: bool
    untidy: bool

    @property
    def encrypted(self) -> bool:
        return self.pdf.is_encrypted


def open_pdf(data: bytes, sized: Sized | None = None) -> Opened:
    """Open a PDF, mending what can be mended without loss. Raises ``Unopenable``.

    ``sized``: called with the number of objects, before they are read.
    """
    sized = sized or _ignored
    begin = data.find(_HEADER, 0, _WITHIN + len(_HEADER))
    if begin < 0:
        raise Unopenable("is not a PDF")
    if _is_cut_off(data):
        raise Unopenable("is cut off: its end is missing")
    untidy = begin > 0 or bool(data[_end(data) :].strip(_SPACE))
    try:
        pdf, miscounted = _strictly(data, sized)
        return Opened(pdf, miscounted, untidy)
    except pikepdf.PasswordError:
        raise Unopenable("is encrypted: it cannot be opened without a password") from None
    except QPDF_FAULTS as fault:
        raise_if_memory(fault)
    for mend in (_recovered, _rewritten):
        try:
            return Opened(mend(data, sized), True, untidy)
        except pikepdf.PasswordError:
            raise Unopenable("is encrypted: it cannot be opened without a password") from None
        except (*QPDF_FAULTS, pypdfium2.PdfiumError) as fault:
            raise_if_memory(fault)
    if b"/Encrypt" in data:
        raise Unopenable("is encrypted in a way that few programs can open")
    raise Unopenable("is damaged and cannot be read")


def _ignored(_objects: int) -> None:
    pass


def raise_if_memory(fault: Exception) -> None:
    """Raise ``MemoryError`` for a fault of qpdf that says so."""
    if "memory limit" in str(fault):
        raise MemoryError from fault


def _strictly(data: bytes, sized: Sized) -> tuple[pikepdf.Pdf, bool]:
    """Open a PDF whose structure is right. Return whether only its number of pages was wrong."""
    return _opened(data, sized, recovery=False)


def _recovered(data: bytes, sized: Sized) -> pikepdf.Pdf:
    """Rebuild the structure. Raises ``PdfError`` where pages or their contents are lost."""
    pdf, _ = _opened(data, sized, recovery=True)
    if not pdf.pages:
        raise pikepdf.PdfError("pages are lost")
    pdf.get_warnings()
    for page in pdf.pages:
        contents = entry(page.obj, "/Contents")
        for part in (contents, *elements(contents)):
            if isinstance(part, pikepdf.Stream):
                part.read_bytes()
    if any("error decoding stream" in str(warning) for warning in pdf.get_warnings()):
        raise pikepdf.PdfError("contents are lost")
    return pdf


def _opened(data: bytes, sized: Sized, *, recovery: bool) -> tuple[pikepdf.Pdf, bool]:
    """Open a PDF with all its objects. Return whether its tree of pages had to be corrected.

    Raises ``PdfError`` where pages are missing.
    """
    pdf = pikepdf.open(io.BytesIO(data), attempt_recovery=recovery, suppress_warnings=True)
    sized(whole(entry(pdf.trailer, "/Size"), 0))
    pages = len(pdf.pages)
    len(pdf.objects)
    if pages == 0 or _page_count(data) in (pages, None):
        return pdf, False
    if whole(entry(pdf.Root, "/Pages", "/Count"), pages) == pages:
        # qpdf has left out pages that are not there, and corrected the number.
        raise pikepdf.PdfError("pages are lost")
    # PDFium and others go by the number. A change of the pages makes qpdf write the tree anew.
    pdf.Root.Pages.Count = pages
    pdf.add_blank_page(page_size=(595, 842))
    del pdf.pages[-1]
    return pdf, True


def _page_count(data: bytes) -> int | None:
    """Return the number of pages by the page tree's own word, None where PDFium cannot tell."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return None
    try:
        return len(document)
    finally:
        document.close()


def _rewritten(data: bytes, sized: Sized) -> pikepdf.Pdf:
    """Open what PDFium writes of a PDF that qpdf cannot read, with all its pages."""
    document = pypdfium2.PdfDocument(data)
    try:
        pages, written = len(document), io.BytesIO()
        document.save(written)
    finally:
        document.close()
    pdf = _recovered(written.getvalue(), sized)
    if len(pdf.pages) != pages:
        raise pikepdf.PdfError("pages are lost")
    return pdf


def _end(data: bytes) -> int:
    """Return the position after the last end marker, or the length where there is none."""
    found = data.rfind(b"%%EOF")
    return len(data) if found < 0 else found + len(b"%%EOF")


def _is_cut_off(data: bytes) -> bool:
    """Return whether the end of the file is missing.

    Every file, and every update appended to it, ends with the place of its cross-reference table
    and a marker (ISO 32000-1 section 7.5.5), so that nothing with objects after the last of them is
    whole.
    """
    ends = list(_END.finditer(data))
    return not ends or _OBJECT.search(data, ends[-1].end()) is not None


def copy_of(opened: Opened) -> bytes:
    """Write the PDF anew: without encryption, with a right structure. The same for the same PDF."""
    written = io.BytesIO()
    opened.pdf.save(
        written,
        deterministic_id=True,
        compress_streams=False,
        stream_decode_level=pikepdf.StreamDecodeLevel.none,
        object_stream_mode=pikepdf.ObjectStreamMode.preserve,
    )
    return written.getvalue()
