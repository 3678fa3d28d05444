"""What the pages of a PDF draw: images, to bound the memory of rendering, and fonts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pikepdf

from utskick.pdf.objects import (
    dictionary,
    elements,
    entry,
    flag,
    inherited,
    members,
    name,
    stream,
    whole,
)
from utskick.pdf.opening import QPDF_FAULTS, raise_if_memory

_COLOURS: Final = {
    "/DeviceGray": 1,
    "/CalGray": 1,
    "/Indexed": 1,
    "/Separation": 1,
    "/DeviceRGB": 3,
    "/CalRGB": 3,
    "/Lab": 3,
}
_NAME: Final = re.compile(rb"/([^\x00\t\n\x0c\r ()<>\[\]{}/%]+)")
_HEX: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
#: A font that is chosen, and what follows until the next one.
_CHOSEN: Final = re.compile(
    rb"/([^\x00\t\n\x0c\r ()<>\[\]{}/%]+)\s+[-+.\d]+\s+Tf(?P<rest>.*?)"
    rb"(?=/[^\x00\t\n\x0c\r ()<>\[\]{}/%]+\s+[-+.\d]+\s+Tf|\Z)",
    re.DOTALL,
)
_SHOWS: Final = re.compile(rb"(?:T[jJ]|['\"])(?![^\s\[(<])")


#: Characters of a font's name in a notice.
_LONGEST: Final = 60


class Drawn:
    """Images and fonts of one or several pages, each once. Forms and patterns are followed."""

    def __init__(self, most: float = math.inf) -> None:
        """``most``: bytes of decoded contents that are read; of more, all resources are taken."""
        self._most = most
        self.images: list[pikepdf.Stream] = []
        self.fonts: list[pikepdf.Dictionary] = []
        self._seen: set[tuple[int, int]] = set()

    def add_page(self, page: pikepdf.Page, annotations: Iterable[Any]) -> None:
        """Add what a page draws, with its annotations that are printed."""
        resources = inherited(page.obj, "/Resources")
        self._add(self._content(entry(page.obj, "/Contents")), resources)
        for annotation in annotations:
            self._add_stream(_appearance(annotation), resources)

    def _add(self, content: bytes | None, resources: Any) -> None:
        """Add what a content draws by its resources; all of them where it cannot be read."""
        waiting = [(content, resources)]
        while waiting:
            content, resources = waiting.pop()
            used = None if content is None else _names(content)
            for each in _used(entry(resources, "/XObject"), used):
                waiting += self._of_stream(each, resources)
            for each in _used(entry(resources, "/Pattern"), used):
                waiting += self._of_stream(each, resources)
            for each in _used(entry(resources, "/ExtGState"), used):
                waiting += self._of_stream(entry(each, "/SMask", "/G"), resources)
            fonts = None if content is None else _fonts(content)
            for each in _used(entry(resources, "/Font"), fonts):
                waiting += self._of_font(each, resources)

    def _add_stream(self, found: Any, resources: Any) -> None:
        for content, inner in self._of_stream(found, resources):
            self._add(content, inner)

    def _of_stream(self, found: Any, outer: Any) -> Iterator[tuple[bytes | None, Any]]:
        """Note an image, or yield the content of a form or pattern with its resources."""
        if not self._is_new(found) or (drawn := stream(found)) is None:
            return
        if name(entry(drawn, "/Subtype")) == "/Image":
            self.images.append(drawn)
            for mask in (entry(drawn, "/SMask"), entry(drawn, "/Mask")):
                yield from self._of_stream(mask, outer)
        else:
            own = entry(drawn, "/Resources")
            yield self._content(drawn), outer if own is None else own

    def _of_font(self, found: Any, outer: Any) -> Iterator[tuple[bytes | None, Any]]:
        font = dictionary(found)
        if font is None or not self._is_new(font):
            return
        if name(entry(font, "/Subtype")) != "/Type3":
            self.fonts.append(font)
            return
        own = entry(font, "/Resources")
        for glyph in members(entry(font, "/CharProcs")).values():
            yield from self._of_stream(glyph, outer if own is None else own)

    def _content(self, found: Any) -> bytes | None:
        """Return the bytes of a stream or an array of them, None where they cannot be decoded."""
        parts = [found] if isinstance(found, pikepdf.Stream) else list(elements(found))
        if self._most <= 0:
            return None
        try:
            content = b"\n".join(
                part.read_bytes() for part in parts if isinstance(part, pikepdf.Stream)
            )
        except QPDF_FAULTS as fault:
            raise_if_memory(fault)
            return None
        self._most -= len(content)
        return content

    def _is_new(self, found: Any) -> bool:
        """Return whether an object is drawn for the first time; direct ones always are."""
        if not isinstance(found, pikepdf.Object) or not found.is_indirect:
            return isinstance(found, pikepdf.Object)
        new = found.objgen not in self._seen
        self._seen.add(found.objgen)
        return new


def _names(content: bytes) -> set[bytes]:
    """Return every name in a content stream: a few more than those that are drawn."""
    return {_plain(found) for found in set(_NAME.findall(content))}


def _fonts(content: bytes) -> set[bytes]:
    """Return the names of fonts in which text is shown."""
    return {_plain(found[1]) for found in _CHOSEN.finditer(content) if _SHOWS.search(found["rest"])}


def _plain(found: bytes) -> bytes:
    """Decode the characters of a name that are written as numbers (7.3.5)."""
    return _HEX.sub(lambda code: bytes([int(code[1], 16)]), found)


def _used(resources: Any, used: set[bytes] | None) -> Iterator[Any]:
    for key, value in members(resources).items():
        if used is None or _plain(key[1:].encode(errors="surrogateescape")) in used:
            yield value


def _appearance(annotation: Any) -> Any:
    """Return the normal appearance of an annotation: a stream, or that of its state (12.5.5)."""
    normal = entry(annotation, "/AP", "/N")
    if isinstance(normal, pikepdf.Stream):
        return normal
    return entry(normal, name(entry(annotation, "/AS")) or "/Off")


def decoded_size(image: pikepdf.Stream) -> float:
    """Return the bytes that an image takes while it is rendered.

    JPEG is decoded line by line, and counts a tenth.
    """
    points = whole(entry(image, "/Width"), 0) * whole(entry(image, "/Height"), 0)
    mask = flag(entry(image, "/ImageMask"))
    bits = 1 if mask else whole(entry(image, "/BitsPerComponent"), 8)
    size = math.ceil(points * bits * (1 if mask else _colours(entry(image, "/ColorSpace"))) / 8)
    given = entry(image, "/Filter")
    filters = {name(each) for each in (given, *elements(given))}
    by_line = "/DCTDecode" in filters and "/FlateDecode" not in filters
    return size / (10 if by_line else 1)


def _colours(space: Any) -> int:
    """Return the number of colour components, 4 if unknown."""
    family, *parameters = [*elements(space), None] if isinstance(space, pikepdf.Array) else [space]
    if name(family) == "/ICCBased":
        return whole(entry(parameters[0], "/N"), 4) or 4
    return _COLOURS.get(name(family), 4)


def not_embedded(fonts: Iterable[pikepdf.Dictionary]) -> list[str]:
    """Return the names of fonts that the file lacks, in order, each once."""
    found: dict[str, None] = {}
    for font in fonts:
        for each in elements(entry(font, "/DescendantFonts")):
            _note(found, each, font)
        if name(entry(font, "/Subtype")) != "/Type0":
            _note(found, font, font)
    return list(found)


def _note(found: dict[str, None], holder: Any, font: pikepdf.Dictionary) -> None:
    descriptor = entry(holder, "/FontDescriptor")
    if any(
        stream(entry(descriptor, key)) is not None
        for key in ("/FontFile", "/FontFile2", "/FontFile3")
    ):
        return
    text = name(entry(font, "/BaseFont"))[1:].rpartition("+")[2]
    found["".join(ch if ch.isprintable() else "?" for ch in text[:_LONGEST]) or "?"] = None
