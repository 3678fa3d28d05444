"""Worker process that checks PDFs under limits of memory and CPU time.

It runs as a script and imports nothing of this package. PDFs are untrusted, and parsed only here.
Requests arrive on stdin, responses go to stdout, each as a line of JSON; a request is followed by
``size`` bytes of PDF. A PDF that exceeds the limits terminates the process by the kernel, which
nothing in the PDF can prevent; the parent (``preflight_client.py``) reports it as *too complex*.

Zones are checked by rendering (PDFium, 100 dpi, greyscale), not by bounding boxes of the content
streams: only ink counts on paper. A clipped image, white text, an annotation, a form field or a
pattern has no box that tells what is visible. The number of pages and other cheap properties are
checked first, and a PDF that is refused is not rendered.
"""

from __future__ import annotations

import io
import math
import re
import resource
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import pikepdf
import pypdfium2

#: Bytes of address space, including libraries. A PDF within ``size_limit`` needs far less.
MEMORY: Final = 200 * 1_048_576
_MM: Final = 72 / 25.4
_DOTS: Final = 100
#: ISO 216: A4 in millimetres, and the tolerance.
_A4, _TOLERANCE = (210.0, 297.0), 3.0
#: Shades below this are ink (0 black, 255 white); the grey of a scanned sheet is above.
_INK: Final = 200
_MARKS: Final = bytes(1 if shade < _INK else 0 for shade in range(256))
_MOST_OBJECTS: Final = 100_000
#: Maximum decoded bytes of a page's images: an A4 page at 600 dpi in three colours. PDFium omits
#: what it has no memory for, and would find no ink there, so larger images are refused. JPEG is
#: decoded line by line, and counts a tenth.
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
    rb"/(JavaScript|JS|Launch|ImportData|SubmitForm|XFA|RichMedia|EF|EmbeddedFile|FileAttachment"
    rb"|Movie|Sound|Rendition)\b"
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
class PreflightRules:
    """Maximum number of ``pages``, and the ``zones`` that must be empty.

    A zone is (name, x, y, width, height, on every page), in millimetres.
    """

    pages: int
    zones: Sequence[tuple[str, str, str, float, float, bool]]


def check(data: bytes, rules: PreflightRules) -> dict[str, Any]:
    """Check one PDF.

    Returns ``findings``: predicates that follow a field's name, and ``pages``: None if unreadable.
    """
    if b"%PDF-" not in data[:1024]:
        return {"findings": ["is not a PDF"], "pages": None}
    try:
        with pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True) as pdf:
            if pdf.is_encrypted:
                return {"findings": ["is encrypted"], "pages": None}
            pages = len(pdf.pages)
            findings = list(_structure(pdf, pages, rules))
    except pikepdf.PasswordError:
        return {"findings": ["is encrypted"], "pages": None}
    except (pikepdf.PdfError, pikepdf.QpdfRuntimeError) as fault:
        if "memory limit" in str(fault):
            raise MemoryError from fault
        return {"findings": ["is damaged and cannot be read"], "pages": None}
    return {"findings": findings or list(_zones(data, rules)), "pages": pages}


def _structure(pdf: pikepdf.Pdf, pages: int, rules: PreflightRules) -> Iterator[str]:
    if pages == 0:
        yield "has no pages"
    elif pages > rules.pages:
        yield f"has {pages} pages; the limit is {rules.pages}"
    else:
        yield from _formats(pdf)
        yield from _active(pdf)
        last = pages if any(zone[5] for zone in rules.zones) else 1
        for number in range(last):
            yield from _images(pdf.pages[number], number + 1)


def _formats(pdf: pikepdf.Pdf) -> Iterator[str]:
    for number, page in enumerate(pdf.pages, 1):
        left, bottom, right, top = (float(edge) for edge in page.cropbox)
        unit = float(page.obj.get("/UserUnit", 1)) / _MM
        width, height = abs(right - left) * unit, abs(top - bottom) * unit
        if int(page.rotation) % 180:
            width, height = height, width
        if not _is_a4(width, height) and (number == 1 or not _is_a4(height, width)):
            advice = ": the first page must be upright" if _is_a4(height, width) else ""
            yield f"page {number} is {width:.0f} x {height:.0f} mm, not A4 (210 x 297 mm){advice}"


def _is_a4(width: float, height: float) -> bool:
    return abs(width - _A4[0]) <= _TOLERANCE and abs(height - _A4[1]) <= _TOLERANCE


def _active(pdf: pikepdf.Pdf) -> Iterator[str]:
    """Find scripts and embedded files in every object of the file, reachable or not."""
    if len(pdf.objects) > _MOST_OBJECTS:
        yield f"has more than {_MOST_OBJECTS} objects"
        return
    kinds: set[str] = set()
    containers = (obj for obj in pdf.objects if isinstance(obj, pikepdf.Object))
    suspects = [pdf.trailer, *(obj for obj in containers if _SUSPECT.search(_serialised(obj)))]
    for suspect in suspects:
        kinds |= set(_active_in(suspect))
    if "script" in kinds:
        yield "contains a script or an action, which a printed letter must not have"
    if "file" in kinds:
        yield "contains an embedded file or medium"


def _serialised(obj: pikepdf.Object) -> bytes:
    return (obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj).unparse(resolved=True)


def _active_in(top: pikepdf.Object) -> Iterator[str]:
    """Search one object with its direct children; indirect objects are searched on their own."""
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
            waiting.extend(value for value in obj.values() if _is_direct(value))
        elif isinstance(obj, pikepdf.Array):
            waiting.extend(value for value in obj if _is_direct(value))


def _is_direct(value: Any) -> bool:
    return isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect


def _images(page: pikepdf.Page, number: int) -> Iterator[str]:
    size = sum(_decoded_size(image) for image in _images_of(page))
    if size > _PICTURES:
        yield (
            f"page {number} contains images of {size / 1_000_000:.0f} MB when decoded; the limit is"
            f" {_PICTURES / 1_000_000:.0f} MB"
        )


def _images_of(page: pikepdf.Page) -> Iterator[pikepdf.Stream]:
    """Iterate over the images of a page and its forms, each once, including their masks."""
    annotations = page.obj.get("/Annots")
    waiting: list[Any] = [page.obj]
    if isinstance(annotations, pikepdf.Array):
        waiting += [each for each in annotations if isinstance(each, pikepdf.Dictionary)]
    seen: set[Any] = set()
    resources = page.resources
    waiting.append(pikepdf.Dictionary(Resources=resources))
    while waiting:
        holder = waiting.pop()
        candidates = [
            *_values(holder, "/Resources", "/XObject"),
            *_values(holder, "/AP", "/N"),
            holder.get("/SMask"),
            holder.get("/Mask"),
        ]
        for candidate in candidates:
            if not isinstance(candidate, pikepdf.Stream) or candidate.objgen in seen:
                continue
            seen.add(candidate.objgen)
            waiting.append(candidate)
            if candidate.get("/Subtype") == pikepdf.Name.Image:
                yield candidate


def _values(holder: Any, *keys: str) -> list[Any]:
    for key in keys:
        holder = (
            holder.get(key) if isinstance(holder, pikepdf.Dictionary | pikepdf.Stream) else None
        )
    return list(holder.values()) if isinstance(holder, pikepdf.Dictionary) else [holder]


def _decoded_size(image: pikepdf.Stream) -> float:
    points = int(image.get("/Width", 0)) * int(image.get("/Height", 0))
    mask = bool(image.get("/ImageMask", False))
    bits = 1 if mask else int(image.get("/BitsPerComponent", 8))
    size = math.ceil(points * bits * (1 if mask else _colours(image)) / 8)
    filters = str(image.get("/Filter"))
    return size / (10 if "DCTDecode" in filters and "Flate" not in filters else 1)


def _colours(image: pikepdf.Stream) -> int:
    """Return the number of colour components, 4 if unknown."""
    space = image.get("/ColorSpace")
    name = str(space[0] if isinstance(space, pikepdf.Array) and len(space) else space)
    if name == "/ICCBased" and space is not None:
        return int(space[1].get("/N", 4))
    return _COLOURS.get(name, 4)


def _zones(data: bytes, rules: PreflightRules) -> Iterator[str]:
    if not rules.zones:
        return
    try:
        document = pypdfium2.PdfDocument(data)
        document.init_forms()
        last = len(document) if any(zone[5] for zone in rules.zones) else 1
        for number in range(1, last + 1):
            page = document[number - 1]
            for zone in rules.zones:
                if number == 1 or zone[5]:
                    yield from _in_zone(page, number, zone)
            page.close()
        document.close()
    except pypdfium2.PdfiumError:
        yield "is damaged and cannot be rendered"


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
    down = (
        f"{crop[3] / _MM + marked[0] * dot:.0f}-{crop[3] / _MM + (marked[-1] + 1) * dot:.0f} mm"
        " from the top"
    )
    yield (
        f"page {number}: printed content {across} and {down}, in the area that must be empty for"
        f" {name} ({wide:g} x {high:g} mm, {y} {x})"
    )


def _limit(seconds: float) -> None:
    """Set the CPU time limit from now, 0 for none; the kernel's signal ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _place(fault: Exception) -> str:
    """Return the type of an exception and where it was raised, without its words.

    They may quote the PDF.
    """
    frames = traceback.extract_tb(fault.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return " ".join([type(fault).__name__, "at", *places])


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Process requests until the input is closed."""
    while line := requests.readline():
        request = orjson.loads(line)
        data = requests.read(request["size"])
        _limit(request["seconds"])
        zones = [tuple(zone) for zone in request["zones"]]
        try:
            result = check(data, PreflightRules(request["pages"], zones))
        except Exception as fault:  # of this program, and never told as damage of the PDF
            if isinstance(fault, MemoryError | RecursionError):
                raise
            result = {"fault": _place(fault)}
        _limit(0)
        responses.write(orjson.dumps(result) + b"\n")
        responses.flush()


def main() -> None:
    """Set the limits and serve; running out of memory ends the process."""
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
