"""Header fields, folded and encoded; each call yields exactly one field.

``email.message`` is not used: it encodes long message ids as encoded words, which breaks threading,
and its folding depends on the Python version, while every attempt must yield the same bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable

from utskick.channels.email.addresses import wire_address
from utskick.domain.validators import is_clean

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*\Z")

#: Characters of a value that needs no folding (RFC 5322 section 2.1.1: 78, less the field name).
_ROOM = 62
#: Bytes in one encoded word, at most 76 characters including the field name (RFC 2047 section 2).
_WORD = 39
#: Characters in one Q-encoded word, for the same reason.
_READABLE = 54
#: Characters of a quoted name, which cannot be folded everywhere; a line holds at most 998.
_LINE = 400


def field(name: str, value: str) -> bytes:
    """Build one field from a value that is already folded.

    Raises ``ValueError`` if a line of it is not a continuation line, which would be a bug.
    """
    if not all(
        is_clean(line) and (number == 0 or line.startswith(" "))
        for number, line in enumerate(value.split("\r\n"))
    ):
        raise ValueError(f"the value of header {name} contains another header line")
    return f"{name}: {value}\r\n".encode()


def words(text: str) -> str:
    """Encode unstructured text: unchanged if short ASCII, else as encoded words (RFC 2047).

    One word is preferred where it suffices, as some readers show a space between two words,
    contrary to section 6.2.
    """
    if len(text) <= _ROOM and _is_plain(text):
        return text
    readable = "".join(_q(ch) for ch in text)
    if len(readable) <= _READABLE:
        return f"=?utf-8?q?{readable}?="
    return "\r\n ".join(
        f"=?utf-8?b?{b64encode(piece.encode()).decode()}?="
        for piece in pieces(text, _WORD, lambda ch: len(ch.encode()))
    )


def _q(ch: str) -> str:
    """Q-encode one character (section 4.2), restricted to what section 5 (3) allows in a name."""
    if ch == " ":
        return "_"
    return ch if ch.isascii() and ch.isalnum() else "".join(f"={byte:02X}" for byte in ch.encode())


def _is_plain(text: str) -> bool:
    return _PLAIN.match(text) is not None and "=?" not in text


def mailbox(name: str | None, address: str) -> str:
    """Format ``"Name" <address>`` (RFC 5322 section 3.4), omitting a name equal to the address."""
    bare = wire_address(address)
    if not name or name in (address, bare):
        return bare
    display = _quoted_string(name) if len(name) <= _LINE and _is_plain(name) else words(name)
    return f"{display}\r\n <{bare}>"


def _quoted_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pieces(text: str, room: int, size: Callable[[str], int]) -> list[str]:
    """Split between characters, as RFC 2047 section 5 requires and RFC 2231 readers expect."""
    pieces, used = [""], 0
    for ch in text:
        if used + size(ch) > room:
            pieces.append("")
            used = 0
        pieces[-1] += ch
        used += size(ch)
    return pieces
