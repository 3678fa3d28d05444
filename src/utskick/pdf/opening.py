"""Opening a PDF: what needs a password, what is mended by qpdf, and what nobody can open."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Final

import pikepdf

from utskick.pdf.objects import entry, whole

#: White space of PDF (ISO 32000-1 section 7.2.2), which may stand before and after a file.
_SPACE: Final = b"\x00\t\n\x0c\r "
_HEADER: Final = b"%PDF-"
#: Viewers look for the header in so many bytes (ISO 32000-1 annex H.3.4.1).
_WITHIN: Final = 1024
_OBJECT: Final = re.compile(rb"\b\d+\s+\d+\s+obj\b")
_END: Final = re.compile(rb"startxref\s+\d+")


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


def open_pdf(data: bytes) -> Opened:
    """Open a PDF, mending what qpdf can mend without loss. Raises ``Unopenable``."""
    begin = data.find(_HEADER, 0, _WITHIN + len(_HEADER))
    if begin < 0:
        raise Unopenable("is not a PDF")
    untidy = begin > 0 or bool(data[_end(data) :].strip(_SPACE))
    try:
        return Opened(_strictly(data), False, untidy)
    except pikepdf.PasswordError:
        raise Unopenable("is encrypted: it cannot be opened without a password") from None
    except (pikepdf.PdfError, pikepdf.QpdfRuntimeError) as fault:
        raise_if_memory(fault)
    if _is_cut_off(data):
        raise Unopenable("is cut off: its end is missing")
    try:
        return Opened(_recovered(data), True, untidy)
    except pikepdf.PasswordError:
        raise Unopenable("is encrypted: it cannot be opened without a password") from None
    except (pikepdf.PdfError, pikepdf.QpdfRuntimeError) as fault:
        raise_if_memory(fault)
        if b"/Encrypt" in data:
            raise Unopenable("is encrypted in a way that few programs can open") from None
        raise Unopenable("is damaged and cannot be read") from None


def raise_if_memory(fault: Exception) -> None:
    """Raise ``MemoryError`` for a fault of qpdf that says so."""
    if "memory limit" in str(fault):
        raise MemoryError from fault


def _strictly(data: bytes) -> pikepdf.Pdf:
    pdf = pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True)
    # Pages and objects are read on use.
    len(pdf.pages)
    len(pdf.objects)
    return pdf


def _recovered(data: bytes) -> pikepdf.Pdf:
    """Rebuild the structure. Raises ``PdfError`` where pages or their contents are lost."""
    pdf = pikepdf.open(io.BytesIO(data), attempt_recovery=True, suppress_warnings=True)
    pages = len(pdf.pages)
    counted = whole(entry(pdf.Root, "/Pages", "/Count"), pages)
    if pages == 0 or pages != counted:
        raise pikepdf.PdfError("pages are lost")
    len(pdf.objects)
    pdf.get_warnings()
    for page in pdf.pages:
        contents = entry(page.obj, "/Contents")
        parts = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
        for part in parts:
            if isinstance(part, pikepdf.Stream):
                part.read_bytes()
    if any("error decoding stream" in str(warning) for warning in pdf.get_warnings()):
        raise pikepdf.PdfError("contents are lost")
    return pdf


def _end(data: bytes) -> int:
    """Return the position after the last end marker, or the length where there is none."""
    found = data.rfind(b"%%EOF")
    return len(data) if found < 0 else found + len(b"%%EOF")


def _is_cut_off(data: bytes) -> bool:
    """Return whether the end of the file is missing.

    Every file, and every update appended to it, ends with the place of its cross-reference table
    (ISO 32000-1 section 7.5.5), so that nothing that has objects after the last one is whole.
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
