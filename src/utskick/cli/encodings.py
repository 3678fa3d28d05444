"""Encodings of text files from people's own programs: recognised, or refused by name and place."""

from __future__ import annotations

import re
from typing import Final

from utskick.domain.errors import Unreadable

_BYTE_ORDER_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe\x00\x00", "utf-32", "UTF-32"),
    (b"\x00\x00\xfe\xff", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
#: First bytes of files that are no text, and what they are.
_OTHERS: Final = (
    (b"PK\x03\x04", "a spreadsheet (XLSX or ODS) or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (XLS)"),
    (b"%PDF-", "a PDF"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip file"),
)
_UTF8_PAIR: Final = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
#: What letters of other encodings are in Windows-1252, where they make no sense.
_MISREAD: Final = (
    (re.compile("(?<=[A-Za-z])[\u2020\u201e\u201d](?=[a-z])"), "the DOS code page 850"),
    (re.compile("(?<=[A-Za-z])[\u0152\u0160](?=[a-z])"), "Mac OS Roman"),
)
_ADVICE: Final = "save it as CSV (UTF-8)"


def decode(data: bytes, advice: str = _ADVICE) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    The byte order mark decides; without one, UTF-16 shows by its zero bytes, then UTF-8 is tried,
    then Windows-1252. Raises ``Unreadable`` with byte and line where the text is none of them.
    """
    for prefix, what in _OTHERS:
        if data.startswith(prefix):
            raise Unreadable(f"the file is {what}, not text; {advice}")
    for prefix, encoding, name in _BYTE_ORDER_MARKS:
        if data.startswith(prefix):
            return _decoded(data, encoding, name, advice), name
    if b"\x00" in data:
        return _of_two_bytes(data, advice), "UTF-16"
    try:
        return data.decode(), "UTF-8"
    except UnicodeDecodeError as fault:
        if len(_UTF8_PAIR.findall(data)) > 1 and _mostly_utf8(data):
            raise _misplaced(data, fault.start, ("utf-8", "UTF-8"), advice) from None
    text = _decoded(data, "windows-1252", "Windows-1252", advice)
    for pattern, name in _MISREAD:
        if found := pattern.search(text):
            place = len(text[: found.start()].encode("windows-1252"))
            line = text.count("\n", 0, found.start()) + 1
            raise Unreadable(
                f"the byte 0x{data[place]:02X} on line {line} is no letter in Windows-1252: the "
                f"file seems to be in {name}; {advice}"
            )
    return text, "Windows-1252"


def _decoded(data: bytes, encoding: str, name: str, advice: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        raise _misplaced(fault.object, fault.start, (encoding, name), advice) from None


def _misplaced(data: bytes, place: int, what: tuple[str, str], advice: str) -> Unreadable:
    encoding, name = what
    line = data[:place].decode(encoding, "ignore").count("\n") + 1
    return Unreadable(
        f"the file seems to be {name}, but its byte {place + 1} on line {line} "
        f"(0x{data[place]:02X}) is not; {advice}"
    )


def _mostly_utf8(data: bytes) -> bool:
    """Return whether more characters beyond ASCII are UTF-8 than are not."""
    rest = _UTF8_PAIR.sub(b"", data)
    return len(_UTF8_PAIR.findall(data)) > sum(byte >= 0x80 for byte in rest)


def _of_two_bytes(data: bytes, advice: str) -> str:
    """Return the text of UTF-16 without byte order mark, which has zeros at every other byte."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 == 0 and (not even) != (not odd):
        encoding = "utf-16-le" if odd else "utf-16-be"
        return _decoded(data, encoding, encoding.upper(), advice)
    place = data.index(0)
    line = data[:place].count(b"\n") + 1
    raise Unreadable(
        f"the file has a zero byte on line {line} (byte {place + 1}): it is neither text in UTF-8 "
        f"or Windows-1252, nor in UTF-16; {advice}"
    )
