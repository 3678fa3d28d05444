"""The child process that opens PDFs, under limits of memory and processor time. Run as a file: it
imports nothing of ours.

A PDF is a program that somebody else wrote, so it is read only here. Requests come on stdin,
answers go to stdout, each as a line of JSON; a request is followed by ``size`` bytes of PDF. A PDF
that is over the limits of memory or time ends the child: the kernel does it, so nothing in the PDF
can prevent it, and the parent (``inspection.py``) reads the silence as *too complex*.

The zones are looked at by rendering (PDFium, 100 dots an inch, greyscale), not by bounding boxes of
the content streams: only ink counts on paper. A clipped image, white text, an annotation, a form
field or a pattern has no box that would say what is seen there. The number of pages, and everything
else that is cheap, is read first, and nothing is rendered of a PDF that is refused already.
"""

from __future__ import annotations

import io
import math
import re
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import orjson
import pikepdf
import pypdfium2

#: Bytes of address space: libraries and all. What a PDF of ``size_limit`` needs besides is far
#: below.
MEMORY: Final = 200 * 1_048_576
_MM: Final = 72 / 25.4
_DOTS: Final = 100
#: ISO 216: A4, and how far a page may be from it (millimetres).
_A4, _TOLERANCE = (210.0, 297.0), 3.0
#: Darker than this is ink (0 black, 255 white): the grey of a scanned sheet is not.
_INK: Final = 200
_MARKS: Final = bytes(1 if shade < _INK else 0 for shade in range(256))
_MOST_OBJECTS: Final = 100_000
#: Bytes of pictures, unpacked: an A4 page of 600 dots an inch in three colours. PDFium *leaves out*
#: what it has no room for, and would find
#: no ink there; so what would not fit into ``MEMORY`` is refused by its size. JPEG is unpacked line
#: by line, and counts by a tenth.
_PICTURES: Final = 4960 * 7016 * 3 + 4_000_000
_COLOURS: Final = {
    "/DeviceGray": 1,
    "/CalGray": 1,
    "/Indexed": 1,
    "/Separation": 1,
    "/DeviceRGB": 3,
    "/CalRGB": 3,
    "/Lab": 3,
}

_SUSPECT: Final = re.compile(
    rb"/(JavaScript|JS|Launch|ImportData|SubmitForm|XFA|RichMedia|EF|EmbeddedFile|FileAttachment|Movie|Sound|Rendition)\b"
)
_SCRIPT_ACTIONS: Final = {
    "/JavaScript",
    "/Launch",
    "/ImportData",
    "/SubmitForm",
    "/Rendition",
    "/Movie",
    "/Sound",
}
_FILES: Final = {
    "/EmbeddedFile",
    "/FileAttachment",
    "/RichMedia",
    "/Movie",
    "/Sound",
    "/Screen",
    "/3D",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at: ``pages`` at most, and the ``zones`` (name, x, y, width, height, every
    page) that must be empty."""

    pages: int
    zones: Sequence[tuple[str, str, str, float, float, bool]]


def look(data: bytes, looked: Looked) -> dict[str, Any]:
    """``findings``: sentences that follow on a field's name; ``pages``: None where it cannot be
    read."""
    if b"%PDF-" not in data[:1024]:
        return {"findings": ["is no PDF"], "pages": None}
    try:
        with pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True) as pdf:
            if pdf.is_encrypted:
                return {"findings": ["is encrypted"], "pages": None}
            pages = len(pdf.pages)
            findings = list(_structure(pdf, pages, looked))
    except pikepdf.PasswordError:
        return {"findings": ["is encrypted"], "pages": None}
    except (pikepdf.PdfError, ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
        if "memory limit" in str(fault):
            raise MemoryError from fault
        return {"findings": ["is damaged and cannot be read"], "pages": None}
    return {"findings": findings or list(_zones(data, looked)), "pages": pages}


def _structure(pdf: pikepdf.Pdf, pages: int, looked: Looked) -> Iterator[str]:
    if pages == 0:
        yield "has no pages"
    elif pages > looked.pages:
        yield f"has {pages} pages, and the limit is {looked.pages}"
    else:
        yield from _formats(pdf)
        yield from _active(pdf)
        last = pages if any(zone[5] for zone in looked.zones) else 1
        yield from (
            said for number in range(last) for said in _pictures(pdf.pages[number], number + 1)
        )


def _formats(pdf: pikepdf.Pdf) -> Iterator[str]:
    for number, page in enumerate(pdf.pages, 1):
        left, bottom, right, top = (float(edge) for edge in page.cropbox)
        unit = float(page.obj.get("/UserUnit", 1)) / _MM
        width, height = abs(right - left) * unit, abs(top - bottom) * unit
        if int(page.rotation) % 180:
            width, height = height, width
        if not _is_a4(width, height) and (number == 1 or not _is_a4(height, width)):
            said = ": the first page must be upright" if _is_a4(height, width) else ""
            yield f"page {number} is {width:.0f} x {height:.0f} mm, not A4 (210 x 297 mm){said}"


def _is_a4(width: float, height: float) -> bool:
    return abs(width - _A4[0]) <= _TOLERANCE and abs(height - _A4[1]) <= _TOLERANCE


def _active(pdf: pikepdf.Pdf) -> Iterator[str]:
    """Scripts and embedded files, wherever they hang: every object of the file is looked at,
    reachable or not."""
    if len(pdf.objects) > _MOST_OBJECTS:
        yield f"has more than {_MOST_OBJECTS} objects"
        return
    found: set[str] = set()
    suspects = [pdf.trailer, *(obj for obj in pdf.objects if _SUSPECT.search(_written(obj)))]
    for suspect in suspects:
        found |= set(_active_in(suspect))
    if "script" in found:
        yield "holds a script or an action that a printed letter has no use for"
    if "file" in found:
        yield "holds an embedded file or medium"


def _written(obj: pikepdf.Object) -> bytes:
    return (obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj).unparse(resolved=True)


def _active_in(top: pikepdf.Object) -> Iterator[str]:
    """What one object says itself; what it refers to is looked at by itself."""
    waiting: list[Any] = [top]
    while waiting:
        obj = waiting.pop()
        if isinstance(obj, pikepdf.Stream):
            obj = obj.stream_dict
        if isinstance(obj, pikepdf.Dictionary):
            keys = set(obj.keys())
            names = {
                str(value)
                for key in ("/S", "/Type", "/Subtype")
                if isinstance(value := obj.get(key), pikepdf.Name)
            }
            if keys & {"/JS", "/XFA"} or (names & _SCRIPT_ACTIONS and "/S" in keys):
                yield "script"
            if "/EF" in keys or names & _FILES:
                yield "file"
            waiting.extend(value for value in obj.values() if _is_held(value))
        elif isinstance(obj, pikepdf.Array):
            waiting.extend(value for value in obj if _is_held(value))


def _is_held(value: Any) -> bool:
    return isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect


def _pictures(page: pikepdf.Page, number: int) -> Iterator[str]:
    size = sum(_unpacked(picture) for picture in _drawn(page))
    if size > _PICTURES:
        yield f"page {number} holds pictures of {size / 1_000_000:.0f} MB when unpacked, and the limit is {_PICTURES / 1_000_000:.0f} MB"


def _drawn(page: pikepdf.Page) -> Iterator[pikepdf.Stream]:
    """The pictures of a page and of the forms that it draws, each once, with their masks."""
    waiting: list[Any] = [page.obj, *(page.obj.get("/Annots") or [])]
    seen: set[Any] = set()
    resources = page.resources
    waiting.append(pikepdf.Dictionary(Resources=resources))
    while waiting:
        holder = waiting.pop()
        found = [
            *_values(holder, "/Resources", "/XObject"),
            *_values(holder, "/AP", "/N"),
            holder.get("/SMask"),
            holder.get("/Mask"),
        ]
        for drawn in found:
            if not isinstance(drawn, pikepdf.Stream) or drawn.objgen in seen:
                continue
            seen.add(drawn.objgen)
            waiting.append(drawn)
            if drawn.get("/Subtype") == pikepdf.Name.Image:
                yield drawn


def _values(holder: Any, *keys: str) -> list[Any]:
    for key in keys:
        holder = (
            holder.get(key) if isinstance(holder, pikepdf.Dictionary | pikepdf.Stream) else None
        )
    return list(holder.values()) if isinstance(holder, pikepdf.Dictionary) else [holder]


def _unpacked(picture: pikepdf.Stream) -> float:
    points = int(picture.get("/Width", 0)) * int(picture.get("/Height", 0))
    space = picture.get("/ColorSpace")
    name = str(space[0] if isinstance(space, pikepdf.Array) and len(space) else space)
    mask = bool(picture.get("/ImageMask", False))
    bits = 1 if mask else int(picture.get("/BitsPerComponent", 8))
    colours = (
        1
        if mask
        else int(space[1].get("/N", 4))
        if name == "/ICCBased" and space is not None
        else _COLOURS.get(name, 4)
    )
    filters = str(picture.get("/Filter"))
    return math.ceil(points * bits * colours / 8) / (
        10 if "DCTDecode" in filters and "Flate" not in filters else 1
    )


def _zones(data: bytes, looked: Looked) -> Iterator[str]:
    if not looked.zones:
        return
    try:
        document = pypdfium2.PdfDocument(data)
        document.init_forms()
        last = len(document) if any(zone[5] for zone in looked.zones) else 1
        for number in range(1, last + 1):
            page = document[number - 1]
            for zone in looked.zones:
                if number == 1 or zone[5]:
                    yield from _in_zone(page, number, zone)
            page.close()
        document.close()
    except pypdfium2.PdfiumError:
        yield "is damaged and cannot be shown"


def _in_zone(
    page: pypdfium2.PdfPage, number: int, zone: tuple[str, str, str, float, float, bool]
) -> Iterator[str]:
    name, x, y, wide, high, _ = zone
    width, height = page.get_width(), page.get_height()
    left, top = (
        (width - wide * _MM if x == "right" else 0.0),
        (height - high * _MM if y == "bottom" else 0.0),
    )
    crop = (left, height - top - high * _MM, width - left - wide * _MM, top)
    if min(crop) < -1e-6:
        crop = (max(crop[0], 0.0), max(crop[1], 0.0), max(crop[2], 0.0), max(crop[3], 0.0))
    bitmap = page.render(scale=_DOTS / 72, crop=crop, grayscale=True, may_draw_forms=True)
    rows = bytes(bitmap.buffer).translate(_MARKS)
    stride, columns, lines = bitmap.stride, bitmap.width, bitmap.height
    bitmap.close()
    marked = [
        line for line in range(lines) if b"\x01" in rows[line * stride : line * stride + columns]
    ]
    if not marked:
        return
    spans = [rows[line * stride : line * stride + columns] for line in marked]
    first, last = min(span.find(1) for span in spans), max(span.rfind(1) for span in spans) + 1
    dot = 25.4 / _DOTS
    across = f"{crop[0] / _MM + first * dot:.0f}-{crop[0] / _MM + last * dot:.0f} mm from the left"
    down = f"{crop[3] / _MM + marked[0] * dot:.0f}-{crop[3] / _MM + (marked[-1] + 1) * dot:.0f} mm from the top"
    yield f"page {number}: something is printed {across} and {down}, which must be left empty for {name} ({wide:g} x {high:g} mm, {y} {x})"


def _limit(seconds: float) -> None:
    """Processor time from now; the kernel's signal ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Until the other side closes."""
    while line := asked.readline():
        request = orjson.loads(line)
        data = asked.read(request["size"])
        _limit(request["seconds"])
        answer = look(data, Looked(request["pages"], [tuple(zone) for zone in request["zones"]]))
        _limit(0)
        told.write(orjson.dumps(answer) + b"\n")
        told.flush()


def main() -> None:
    """A PDF that needs too much memory ends the process as one that needs too much time does."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pikepdf.settings.set_qpdf_limits(
        flate_max_memory=48 * 1_048_576, run_length_max_memory=48 * 1_048_576
    )
    sys.stdout.buffer.write(b'{"ready":true}\n')
    sys.stdout.buffer.flush()
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except (MemoryError, RecursionError):
        sys.exit(3)


if __name__ == "__main__":
    main()
