"""Character encoding of an HTML document: what it says of itself, as browsers read it.

Source: HTML standard, section 13.2.3 ("determining the character encoding"); Encoding standard.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

import webencodings
from tinyhtml5.inputstream import EncodingParser

#: Longest first, as the mark of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Bytes in which a declaration is looked for. The standard requires 1024; browsers heed a later
#: ``meta`` too, and the heads that word processors write are longer.
_HEAD: Final = 16_384
#: Bytes in which UTF-16 without a byte order mark is recognised.
_SAMPLE: Final = 256
_XML: Final = re.compile(rb"<\?xml[^>]*?\sencoding\s*+=\s*+[\"']([!-~]{1,40}?)[\"']")
_FALLBACK: Final = "windows-1252"


class UndecodableHtml(ValueError):
    """Bytes that are no text in the encoding of the document; names encoding, byte and offset.

    ``readable``: the document with U+FFFD for what is undecodable.
    """

    def __init__(self, message: str, readable: str) -> None:
        super().__init__(message)
        self.readable = readable


def decode_html(data: bytes) -> str:
    """Return the document as text, without a byte order mark. Raises ``UndecodableHtml``.

    In order: byte order mark; UTF-16 by its zero bytes; the ``meta`` or XML declaration; UTF-8;
    windows-1252. Bytes beyond ASCII that are valid UTF-8 are read as UTF-8 even where another
    encoding is declared: such a document was converted and kept its declaration, as text in another
    encoding is practically never valid UTF-8.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], name, "its byte order mark", len(mark))
    wide = _zero_bytes(data)
    if wide is not None:
        return _decode(data, wide, "its zero bytes")
    declared = _declared(data)
    if declared is None:
        return _undeclared(data)
    if declared.name != "utf-8" and not data.isascii() and _is_utf8(data):
        return data.decode()
    return _decode(data, declared.name, "its declaration")


def decode_html_leniently(data: bytes) -> str:
    """Return the document as text; U+FFFD for what is undecodable."""
    try:
        return decode_html(data)
    except UndecodableHtml as fault:
        return fault.readable


def _declared(data: bytes) -> webencodings.Encoding | None:
    """Return the encoding that the document declares in ASCII, None if it is none known."""
    head = data[:_HEAD]
    named = _XML.match(head.lstrip())
    found = webencodings.lookup(named[1].decode("ascii")) if named else None
    if found is None and b"charset" in head.lower():
        found = EncodingParser(head).get_encoding()
    # What could be read as ASCII is not UTF-16 (HTML standard, section 13.2.3.2).
    return webencodings.UTF8 if found and found.name.startswith("utf-16") else found


def _zero_bytes(data: bytes) -> str | None:
    """Recognise UTF-16 of mostly Latin text: every other byte is zero, the others are not."""
    sample = data[:_SAMPLE]
    first, second = sample[::2], sample[1::2]
    for name, zeros, others in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if zeros.count(0) * 4 > len(zeros) * 3 and not others.count(0):
            return name
    return None


def _undeclared(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        faults = text.count("\ufffd")
        if sum(ch > "\x7f" for ch in text) - faults > faults:
            # Mostly UTF-8: read as anything else, every such letter would be wrong.
            return _decode(data, "utf-8", "most of its bytes")
    return _decode(data, _FALLBACK, "not being utf-8")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(data: bytes, name: str, reason: str, before: int = 0) -> str:
    """Decode strictly. ``before``: bytes of the document that precede ``data``."""
    found = webencodings.lookup(name)
    codec = found.codec_info if found is not None else codecs.lookup(name)
    try:
        return codec.decode(data, "strict")[0].removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        raise UndecodableHtml(
            f"must be text in {name} (by {reason}), but the byte 0x{data[fault.start]:02X}"
            f" at offset {fault.start + before} is not",
            codec.decode(data, "replace")[0].removeprefix("\ufeff"),
        ) from fault
