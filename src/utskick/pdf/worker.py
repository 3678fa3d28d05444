"""Worker process that checks PDFs under limits of memory and CPU time.

It imports nothing of Utskick but ``utskick.pdf``. PDFs are untrusted, and parsed only here.
Requests arrive on stdin, responses go to stdout, each as a line of JSON; a request is followed by
``size`` bytes of PDF, a response with ``size`` by as many bytes. A PDF that exceeds the limits
terminates the process by the kernel, which nothing in the PDF can prevent; the parent
(``preflight.py``) reports it as *too complex*.

The number of pages and other cheap properties are checked first, and a PDF that is refused is not
rendered.
"""

from __future__ import annotations

import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import pikepdf
import pypdfium2

from utskick.pdf.active import MOST_OBJECTS, ActiveParts, active_parts
from utskick.pdf.drawn import Drawn, decoded_size, not_embedded
from utskick.pdf.opening import Opened, Unopenable, copy_of, open_pdf, raise_if_memory
from utskick.pdf.printing import PrintedPages, for_printing, printed_annotations, units_of
from utskick.pdf.rules import ACTIVE, Area, Frames, Rules, rules_of

#: Bytes of address space, including libraries. A PDF within ``size_limit`` needs far less.
MEMORY: Final = 200 * 1_048_576
#: ISO 216: A4 in millimetres, and the tolerance.
_A4, _TOLERANCE = (210.0, 297.0), 3.0
#: Maximum decoded bytes of a page's images: an A4 page at 600 dpi in three colours. PDFium omits
#: what it has no memory for, and would find no ink there, so larger images are refused.
_PICTURES: Final = 4960 * 7016 * 3 + 4_000_000
#: Decoded bytes of contents that are searched for fonts.
_SEARCHED: Final = 8_000_000
#: CPU seconds for each object, and for how many of them.
_EACH, _MANY = 0.000_05, 40_000
#: Maximum number of fonts that a notice names.
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Result:
    """``findings``: a code, "" for most, and a predicate that follows a field's name.

    ``notices``: code and values. ``copy``: what is sent is not the file itself. ``blank``: the
    window is empty. ``pages``: None if unreadable.
    """

    findings: list[tuple[str, str]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    pages: int | None = None
    copy: bool = False
    blank: bool = False


def check(data: bytes, rules: Rules) -> Result:
    """Check one PDF for paper or for a mailbox."""
    try:
        opened = open_pdf(data, _allow)
    except Unopenable as fault:
        return Result([("", str(fault))])
    try:
        with opened.pdf:
            return _checked(opened, data, rules)
    except (pikepdf.PdfError, pikepdf.QpdfRuntimeError) as fault:
        raise_if_memory(fault)
        return Result([("", "is damaged and cannot be read")])


def _checked(opened: Opened, data: bytes, rules: Rules) -> Result:
    pages = len(opened.pdf.pages)
    if findings := list(_countable(opened.pdf, pages, rules)):
        return Result(findings, pages=pages)
    parts = active_parts(opened.pdf)
    if findings := [*_unalterable(opened, parts, rules), *_interactive(parts, rules)]:
        return Result(findings, pages=pages)
    notices = list(_notices(opened, parts, rules))
    copied = needs_copy(opened, signed=parts.signed, paper=rules.paper)
    rendered = pages if any(every for _, every in rules.zones) else 1
    if rules.paper:
        findings = list(_images(opened.pdf, rendered))
    blank = False
    try:
        printed = PrintedPages(for_printing(opened, data, rendered), list(units_of(opened.pdf)))
    except pypdfium2.PdfiumError:
        return Result([("", "is damaged and cannot be rendered")], pages=pages)
    try:
        if len(printed) != pages:
            return Result([("", "is damaged: programs find different pages in it")], pages=pages)
        if rules.paper:
            findings = [*_formats(printed), *findings]
        if not findings:
            findings = list(_zones(printed, rendered, rules))
            blank = rules.window is not None and printed.ink(0, rules.window) is None
    except pypdfium2.PdfiumError:
        findings = [("", "is damaged and cannot be rendered")]
    finally:
        printed.close()
    return Result(findings, notices, pages, copied, blank)


def needs_copy(opened: Opened, *, signed: bool, paper: bool) -> bool:
    """Return whether a copy is sent: mended, and for paper decrypted. Never of a signed PDF."""
    return not signed and (opened.recovered or opened.untidy or (paper and opened.encrypted))


def _countable(pdf: pikepdf.Pdf, pages: int, rules: Rules) -> Iterator[tuple[str, str]]:
    if pages == 0:
        yield "", "has no pages"
    elif rules.pages is not None and pages > rules.pages:
        yield "", f"has {pages} pages; the limit is {rules.pages}"
    elif len(pdf.objects) > MOST_OBJECTS:
        yield "", f"has more than {MOST_OBJECTS} objects"


def _unalterable(opened: Opened, parts: ActiveParts, rules: Rules) -> Iterator[tuple[str, str]]:
    """Refuse a signed PDF that would have to be changed, and would be signed no longer."""
    if parts.signed and opened.recovered:
        yield (
            "",
            "is damaged and carries a signature: mending it would break the signature, so it must"
            " be produced anew",
        )
    elif parts.signed and opened.encrypted and rules.paper:
        yield (
            "",
            "is encrypted and carries a signature: decrypting it for print would break the"
            " signature, so it must be sent without encryption",
        )


def _interactive(parts: ActiveParts, rules: Rules) -> Iterator[tuple[str, str]]:
    if parts.dynamic_form:
        yield "", "is an XFA form without pages of its own: save or print it as an ordinary PDF"
    if rules.paper:
        return
    if parts.runs:
        yield ACTIVE, "contains a script that runs when it is opened, which mailboxes must not get"
    if parts.launches:
        yield ACTIVE, "contains an action that starts a program, which mailboxes must not get"


def _notices(opened: Opened, parts: ActiveParts, rules: Rules) -> Iterator[tuple[str, str]]:
    if needs_copy(opened, signed=parts.signed, paper=False):
        yield "pdf-repaired", ""
    if opened.encrypted:
        decrypted = rules.paper or opened.recovered or opened.untidy
        yield "pdf-decrypted" if decrypted and not parts.signed else "pdf-restricted", ""
    if parts.scripts:
        yield "pdf-interactive", ""
    if parts.files:
        yield "pdf-attached-files", ""
    fonts = _missing_fonts(opened.pdf)
    if fonts:
        more = f" (+{len(fonts) - _NAMED})" if len(fonts) > _NAMED else ""
        yield "pdf-fonts-not-embedded", ", ".join(fonts[:_NAMED]) + more


def _missing_fonts(pdf: pikepdf.Pdf) -> list[str]:
    drawn = Drawn(_SEARCHED)
    for page in pdf.pages:
        drawn.add_page(page, printed_annotations(page))
    return not_embedded(drawn.fonts)


def _images(pdf: pikepdf.Pdf, last: int) -> Iterator[tuple[str, str]]:
    for number, page in enumerate(list(pdf.pages)[:last], 1):
        drawn = Drawn()
        drawn.add_page(page, printed_annotations(page))
        size = sum(decoded_size(image) for image in drawn.images)
        if size > _PICTURES:
            yield (
                "",
                f"page {number} contains images of {size / 1_000_000:.0f} MB when decoded; the"
                f" limit is {_PICTURES / 1_000_000:.0f} MB",
            )


def _formats(printed: PrintedPages) -> Iterator[tuple[str, str]]:
    for index in range(len(printed)):
        width, height = printed.size(index)
        if _is_a4(width, height) or (index > 0 and _is_a4(height, width)):
            continue
        advice = ": the first page must be upright" if _is_a4(height, width) else ""
        yield (
            "",
            f"page {index + 1} is {width:.0f} x {height:.0f} mm, not A4 (210 x 297 mm){advice}",
        )


def _is_a4(width: float, height: float) -> bool:
    return abs(width - _A4[0]) <= _TOLERANCE and abs(height - _A4[1]) <= _TOLERANCE


def _zones(printed: PrintedPages, last: int, rules: Rules) -> Iterator[tuple[str, str]]:
    for index in range(last):
        for zone, every in rules.zones:
            box = printed.ink(index, zone) if index == 0 or every else None
            if box is not None:
                left, right, top, bottom = box
                yield (
                    "",
                    f"page {index + 1}: printed content {left:.0f}-{right:.0f} mm from the left and"
                    f" {top:.0f}-{bottom:.0f} mm from the top, in the area that must be empty for"
                    f" {zone.name} ({zone.width:g} x {zone.height:g} mm, {zone.y} {zone.x})",
                )


def copy(data: bytes, *, paper: bool) -> bytes | None:
    """Return the copy that is sent instead of a PDF, None where the PDF itself is sent."""
    try:
        opened = open_pdf(data, _allow)
    except Unopenable:
        return None
    with opened.pdf:
        signed = active_parts(opened.pdf).signed
        return copy_of(opened) if needs_copy(opened, signed=signed, paper=paper) else None


def picture(data: bytes, index: int, frames: Frames) -> bytes | None:
    """Return a PNG of a page as it is printed, None where there is no such page."""
    try:
        opened = open_pdf(data, _allow)
    except Unopenable:
        return None
    with opened.pdf:
        pages = len(opened.pdf.pages)
        if index >= pages:
            return None
        units = list(units_of(opened.pdf))
        printed = PrintedPages(for_printing(opened, data, pages), units)
    try:
        return printed.picture(index, frames)
    finally:
        printed.close()


def _limit(seconds: float) -> None:
    """Set the CPU time limit from now, 0 for none; the kernel's signal ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _allow(objects: int) -> None:
    """Allow more CPU time for many objects, as tagged documents of some pages have."""
    left, _ = signal.getitimer(signal.ITIMER_PROF)
    if left > 0:
        _limit(left + min(objects, _MANY) * _EACH)


def _answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Carry out a request. Return the members of the response, and its bytes."""
    if request["do"] == "check":
        result = check(data, rules_of(request["rules"]))
        return {"result": result}, b""
    if request["do"] == "copy":
        made = copy(data, paper=request["paper"])
    else:
        frames = [(Area(**area), colour) for area, colour in request["frames"]]
        made = picture(data, request["page"], frames)
    return {"size": None if made is None else len(made)}, made or b""


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
        made = b""
        try:
            response, made = _answer(request, data)
        except Exception as fault:  # of this program, and never told as damage of the PDF
            if isinstance(fault, MemoryError | RecursionError):
                raise
            response = {"fault": _place(fault)}
        _limit(0)
        responses.write(orjson.dumps(response) + b"\n")
        responses.write(made)
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
