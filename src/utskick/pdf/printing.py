"""Pages as they are printed, drawn by PDFium: their size, what is in a zone, and as a picture.

Zones are checked by rendering (100 dpi, greyscale), not by bounding boxes of the content streams:
only ink counts on paper. A clipped image, white text, an annotation, a form field or a pattern has
no box that tells what is visible.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pikepdf
import pypdfium2

from utskick.pdf.objects import elements, entry, name, number, whole
from utskick.pdf.opening import Opened, copy_of
from utskick.pdf.rules import Area, Frames

_POINTS_OF_MM: Final = 72 / 25.4
_DOTS: Final = 100
#: Shades below this are ink (0 black, 255 white); the grey of a scanned sheet is above.
_INK: Final = 200
_MARKS: Final = bytes(1 if shade < _INK else 0 for shade in range(256))
#: Annotation flags (ISO 32000-1 section 12.5.3).
_HIDDEN, _PRINT, _NO_VIEW = 1 << 1, 1 << 2, 1 << 5
#: Annotations without an appearance of which nothing is drawn.
_WITHOUT_INK: Final = {"/Link", "/Popup"}


def printed_annotations(page: pikepdf.Page) -> list[pikepdf.Dictionary]:
    """Return the annotations of a page that are printed, whatever a screen shows of them."""
    found = [
        each
        for each in elements(entry(page.obj, "/Annots"))
        if isinstance(each, pikepdf.Dictionary)
    ]
    return [each for each in found if _is_printed(each)]


def _is_printed(annotation: pikepdf.Dictionary) -> bool:
    flags = whole(entry(annotation, "/F"), 0)
    return bool(flags & _PRINT) and not flags & _HIDDEN


def _may_have_ink(annotation: Any) -> bool:
    return entry(annotation, "/AP") is not None or (
        name(entry(annotation, "/Subtype")) not in _WITHOUT_INK
    )


def for_printing(opened: Opened, data: bytes, pages: int) -> bytes:
    """Return the PDF for PDFium, in which the first ``pages`` show what is printed of them.

    PDFium draws form fields by what a screen shows. Here only annotations and fields are left that
    are printed, and these are visible.
    """
    changed = opened.recovered or opened.encrypted
    for number_ in range(pages):
        changed |= _show_printed(opened.pdf.pages[number_])
    return copy_of(opened) if changed else data


def _show_printed(page: pikepdf.Page) -> bool:
    """Leave the annotations that are printed on a page. Return whether that changed it."""
    found = list(elements(entry(page.obj, "/Annots")))
    with_ink = [each for each in found if _may_have_ink(each)]
    printed = [each for each in printed_annotations(page) if _may_have_ink(each)]
    unseen = [each for each in printed if whole(entry(each, "/F"), 0) & _NO_VIEW]
    if len(printed) == len(with_ink) and not unseen:
        return False
    for each in unseen:
        each.F = _PRINT
    page.obj.Annots = pikepdf.Array(printed)
    return True


class PrintedPages:
    """An open PDF in PDFium. ``units``: of each page, points of one unit of its space."""

    def __init__(self, data: bytes, units: Sequence[float]) -> None:
        """Open a PDF. Raises ``pypdfium2.PdfiumError`` where PDFium cannot open it."""
        self._document = pypdfium2.PdfDocument(data)
        self._document.init_forms()
        self._units = units

    def __len__(self) -> int:
        return len(self._document)

    def close(self) -> None:
        self._document.close()

    def size(self, index: int) -> tuple[float, float]:
        """Return width and height in millimetres of what is printed, turned as it is shown.

        That is the crop box within the media box.
        """
        width, height = self._document.get_page_size(index)
        unit = self._units[index] / _POINTS_OF_MM
        return width * unit, height * unit

    def ink(self, index: int, area: Area) -> tuple[float, float, float, float] | None:
        """Return the box around the ink in an area, or None.

        Left, right, top and bottom, in millimetres from the left and top edge of the page.
        """
        width, height = self.size(index)
        left, top = area.corner(width, height)
        crop = [left, height - top - area.height, width - left - area.width, top]
        crop = [max(edge, 0.0) for edge in crop]
        page = self._document[index]
        try:
            bitmap = self._render(page, index, crop, grayscale=True)
            rows = bytes(bitmap.buffer).translate(_MARKS)
            stride, columns, lines = bitmap.stride, bitmap.width, bitmap.height
            bitmap.close()
        finally:
            page.close()
        spans = {
            line: span
            for line in range(lines)
            if b"\x01" in (span := rows[line * stride : line * stride + columns])
        }
        if not spans:
            return None
        first = min(span.find(1) for span in spans.values())
        last = max(span.rfind(1) for span in spans.values()) + 1
        dot = 25.4 / _DOTS
        return (
            crop[0] + first * dot,
            crop[0] + last * dot,
            crop[3] + min(spans) * dot,
            crop[3] + (max(spans) + 1) * dot,
        )

    def _render(
        self, page: pypdfium2.PdfPage, index: int, crop: Sequence[float], *, grayscale: bool
    ) -> pypdfium2.PdfBitmap:
        """Render a page without the margins ``crop``, in millimetres, as it is printed."""
        unit = self._units[index]
        return page.render(
            scale=_DOTS / 72 * unit,
            crop=tuple(edge * _POINTS_OF_MM / unit for edge in crop),
            grayscale=grayscale,
            may_draw_forms=True,
            optimize_mode="print",
        )

    def picture(self, index: int, frames: Frames) -> bytes:
        """Return a PNG of a page, with a frame in a colour around each area."""
        from PIL import ImageDraw

        page = self._document[index]
        try:
            bitmap = self._render(page, index, (0, 0, 0, 0), grayscale=False)
            image = bitmap.to_pil().convert("RGB")
            bitmap.close()
        finally:
            page.close()
        width, height = self.size(index)
        drawing, dots = ImageDraw.Draw(image), _DOTS / 25.4
        for area, colour in frames:
            left, top = area.corner(width, height)
            corners = (left, top, left + area.width, top + area.height)
            drawing.rectangle([edge * dots for edge in corners], outline=colour, width=2)
        written = io.BytesIO()
        image.save(written, "PNG", optimize=True)
        return written.getvalue()


def units_of(pdf: pikepdf.Pdf) -> Iterator[float]:
    """Iterate over the pages' units of user space, in points (ISO 32000-1 section 8.3.2.3)."""
    for page in pdf.pages:
        unit = number(entry(page.obj, "/UserUnit"), 1.0)
        yield unit if unit > 0 else 1.0
