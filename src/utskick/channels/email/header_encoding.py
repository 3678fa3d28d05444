"""Header fields, folded and encoded, each exactly one field with one value.

Written here, not by ``email.message``: that one encodes a long message id as words (so that no
reader finds the thread), and its folding changes with the version of Python, where ours must give
the same bytes on every attempt.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

from utskick.channels.email.addresses import wire_address
from utskick.domain.validators import is_clean

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*\Z")
_SIMPLE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}\Z")

#: Characters of a line that need not be folded (RFC 5322 section 2.1.1: 78, without the name of the
#: field).
_ROOM = 62
#: Bytes in one encoded word: with the name of the field on the same line at most 76 characters (RFC
#: 2047 section 2).
_WORD = 39
#: Characters in one that is written readably, for the same reason.
_READABLE = 54
#: Characters of a quoted name, which cannot be folded everywhere, well within the 998 of a line.
_LINE = 400
#: Characters in one section of a parameter (RFC 2231 section 3).
_SECTION = 50


def field(name: str, value: str) -> bytes:
    """One field. ``value`` is folded already; a line in it that is no continuation is a bug, and
    ends here."""
    if not all(
        is_clean(line) and (number == 0 or line.startswith(" "))
        for number, line in enumerate(value.split("\r\n"))
    ):
        raise ValueError(f"the header {name} would be more than one")
    return f"{name}: {value}\r\n".encode()


def words(text: str) -> str:
    """Free text: as it stands where one short line of ASCII holds it, else as encoded words (RFC
    2047).

    One word where one will do: some readers show the seam between two as a space, against section
    6.2.
    """
    if len(text) <= _ROOM and _is_plain(text):
        return text
    readable = "".join(_q(ch) for ch in text)
    if len(readable) <= _READABLE:
        return f"=?utf-8?q?{readable}?="
    return "\r\n ".join(
        f"=?utf-8?b?{b64encode(piece.encode()).decode()}?="
        for piece in _pieces(text, _WORD, lambda ch: len(ch.encode()))
    )


def _q(ch: str) -> str:
    """Section 4.2, with the characters that section 5 (3) allows in a name."""
    if ch == " ":
        return "_"
    return ch if ch.isascii() and ch.isalnum() else "".join(f"={byte:02X}" for byte in ch.encode())


def _is_plain(text: str) -> bool:
    return _PLAIN.match(text) is not None and "=?" not in text


def mailbox(name: str | None, address: str) -> str:
    """``"Name" <address>`` (RFC 5322 section 3.4); a name that only repeats the address is left
    out."""
    bare = wire_address(address)
    if not name or name in (address, bare):
        return bare
    shown = _quoted_string(name) if len(name) <= _LINE and _is_plain(name) else words(name)
    return f"{shown}\r\n <{bare}>"


def _quoted_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def disposition(file_name: str) -> str:
    """``attachment`` with the name of the file; what is no simple name is written as RFC 2231 has
    it, in sections."""
    if _SIMPLE_NAME.match(file_name):
        return f'attachment;\r\n filename="{file_name}"'
    sections = _pieces(file_name, _SECTION, lambda ch: len(_percent(ch)))
    if len(sections) == 1:
        return f"attachment;\r\n filename*=utf-8''{_percent(file_name)}"
    lines = [f"filename*{number}*={_percent(section)}" for number, section in enumerate(sections)]
    lines[0] = lines[0].replace("=", "=utf-8''", 1)
    return "attachment;\r\n " + ";\r\n ".join(lines)


def _percent(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E")


def _pieces(text: str, room: int, size: Callable[[str], int]) -> list[str]:
    """Cut between characters, never within one: RFC 2047 section 5 forbids it, and readers of RFC
    2231 stumble over it."""
    pieces, used = [""], 0
    for ch in text:
        if used + size(ch) > room:
            pieces.append("")
            used = 0
        pieces[-1] += ch
        used += size(ch)
    return pieces
