"""File and folder names, and the cells of the address list, of a hand-over."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from utskick.channels.snail_mail.settings import Encoding, HandoverLayout

#: Staging folder below the account's root; printing houses ignore names that begin with a dot.
STAGING: Final = ".utskick"
SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "manifest.json"
DONE: Final = "KLAR"
HEADER: Final = ("namn", "careOf", "adress", "lagenhet", "postnummer", "postort")

#: Maximum bytes of a name in UTF-8; file systems allow 255, and a number may be appended.
_LONGEST: Final = 150
_FORBIDDEN: Final = re.compile(r'["*<>?|/\\:]')
#: Device names reserved by Windows (Microsoft: Naming Files, Paths, and Namespaces).
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|\Z)", re.IGNORECASE)
#: OWASP, CSV Injection: first characters that a spreadsheet interprets as a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: Characters that Unicode normalisation does not decompose.
_LETTERS: Final = str.maketrans(
    {
        "Ł": "L",
        "ł": "l",
        "Đ": "D",
        "đ": "d",
        "Ħ": "H",
        "ħ": "h",
        "Ŧ": "T",
        "ŧ": "t",
        "ı": "i",
        "Œ": "OE",
        "œ": "oe",
        "ẞ": "SS",
        "Ŋ": "N",
        "ŋ": "n",
        "‘": "'",
        "’": "'",
        "‚": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "…": "...",
        "€": "EUR",
        "ə": "e",
        "Ə": "E",
        "ƒ": "f",
    }
)


def segment(text: str) -> str:
    """Return a safe path segment for ``text``: no separator, ``..``, hidden name or device name."""
    flat = unicodedata.normalize("NFC", text)
    plain = "".join(
        "_" if unicodedata.category(ch)[0] == "C" or ch in "\u2028\u2029" else ch for ch in flat
    )
    name = _shortened(_FORBIDDEN.sub("_", plain).strip().rstrip(" ."))
    if not name or name.startswith(".") or _DEVICES.match(name):
        name = "_" + name
    return name


def _shortened(name: str, room: int = _LONGEST) -> str:
    return name.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").rstrip(" .")


def file_name(text: str, extension: str) -> str:
    """Return ``segment`` of the text, with the extension exactly once."""
    stem = text[: -len(extension)] if text.lower().endswith(extension) else text
    return segment(stem) + extension


class Names:
    """Unique names within one folder, compared without regard to case, as on a share."""

    def __init__(self) -> None:
        self._taken = {name.casefold() for name in (SUMS, MANIFEST, DONE)}
        self._next: dict[str, int] = {}

    def give(self, wanted: str) -> str:
        """Reserve ``wanted``, or ``wanted-2``, ``wanted-3`` … (before the extension)."""
        name, number = wanted, self._next.get(wanted.casefold(), 1)
        stem, dot, extension = wanted.rpartition(".")
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{dot}{extension}"
        self._next[wanted.casefold()] = number
        self._taken.add(name.casefold())
        return name


def batch_folder(batch: str, sequence: int | None, sent_by: str | None) -> str:
    """Format ``[sentBy_]batchId[_sequence]``; the first hand-over of a batch has no number."""
    name = f"{sent_by}_{batch}" if sent_by else batch
    return segment(name if sequence in (None, 1) else f"{name}_{sequence}")


def transliterate(text: str, encoding: Encoding) -> str:
    """Replace characters that the encoding lacks.

    ``Š`` becomes ``S``, ``“`` becomes ``"``, and ``中`` becomes ``[U+4E2D]``.
    """
    return "".join(
        ch if _is_encodable(encoding, ch) else substitute(ch, encoding)
        for ch in unicodedata.normalize("NFC", text)
    )


def _is_encodable(encoding: Encoding, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def substitute(ch: str, encoding: Encoding = "iso-8859-1") -> str:
    """Return characters of the encoding that resemble ``ch``, else its code point in brackets."""
    decomposed = unicodedata.normalize("NFKD", ch.translate(_LETTERS))
    bare = "".join(part for part in decomposed if not unicodedata.combining(part))
    bare = bare.translate(_LETTERS)
    if bare and _is_encodable(encoding, bare):
        return bare
    # A combining mark is dropped: its base letter has already been written.
    return "" if unicodedata.combining(ch) else f"[U+{ord(ch):04X}]"


def cell(text: str, encoding: Encoding) -> str:
    """Format a CSV cell: formulas are disarmed with ``'``, quoting as in RFC 4180 section 2."""
    one_line = " ".join(transliterate(text, encoding).split())
    safe = "'" + one_line if one_line.startswith(_FORMULA) else one_line
    return '"' + safe.replace('"', '""') + '"' if any(ch in safe for ch in '",;') else safe


def address_list(rows: Iterable[Sequence[str]], layout: HandoverLayout) -> bytes:
    """Format the address list with its header."""
    end = "\r\n" if layout.line_end == "crlf" else "\n"
    lines = [
        ",".join((*HEADER, *layout.columns)),
        *(",".join(cell(text, layout.encoding) for text in row) for row in rows),
    ]
    return "".join(line + end for line in lines).encode(layout.encoding)


def sums(digests: Iterable[tuple[str, bytes]]) -> bytes:
    """Format (name, digest) pairs for ``sha256sum -c``."""
    return "".join(f"{digest.hex()}  {name}\n" for name, digest in digests).encode()
