"""Names and cells: what folders and files are called, and how the address list and the manifests
are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from utskick.channels.snail_mail.settings import Encoding, HandoverLayout

#: Where a hand-over is prepared, below the account's root; a printing house looks at nothing that
#: begins with a dot.
DESK: Final = ".utskick"
SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "manifest.json"
DONE: Final = "KLAR"
HEADER: Final = ("namn", "careOf", "adress", "lagenhet", "postnummer", "postort")

#: Bytes in UTF-8 of one name; file systems allow 255, and numbers are put behind.
_LONGEST: Final = 150
_FORBIDDEN: Final = re.compile(r'["*<>?|/\\:]')
#: Names of devices, which Windows gives no files (Microsoft: Naming Files, Paths, and Namespaces).
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|\Z)", re.IGNORECASE)
#: OWASP, CSV Injection: what a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: Letters that Unicode does not take apart; everything else that the encoding lacks is shown as its
#: number.
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
    """One name of a path that says what ``text`` says and can be nothing else: no separator, no
    ``..``, nothing hidden, no device."""
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
    """``segment`` with the extension, once."""
    stem = text[: -len(extension)] if text.lower().endswith(extension) else text
    return segment(stem) + extension


class Names:
    """The names of one folder, each given once. Case makes no difference: on a share, it makes none
    either."""

    def __init__(self) -> None:
        self._taken = {name.casefold() for name in (SUMS, MANIFEST, DONE)}
        self._next: dict[str, int] = {}

    def give(self, wanted: str) -> str:
        """``wanted``, or ``wanted-2``, ``wanted-3`` … before the extension."""
        name, number = wanted, self._next.get(wanted.casefold(), 1)
        stem, dot, extension = wanted.rpartition(".")
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{dot}{extension}"
        self._next[wanted.casefold()] = number
        self._taken.add(name.casefold())
        return name


def batch_folder(batch: str, sequence: int | None, sent_by: str | None) -> str:
    """``[sentBy_]batchId[_sequence]``; the first hand-over of a batch has no number, as today."""
    name = f"{sent_by}_{batch}" if sent_by else batch
    return segment(name if sequence in (None, 1) else f"{name}_{sequence}")


def transliterated(text: str, encoding: Encoding) -> str:
    """What the encoding cannot hold, written so that it can be read: ``Š`` → ``S``, ``ł`` → ``l``,
    ``“`` → ``"``, else ``[U+4E2D]``."""
    return "".join(
        ch if _holds(encoding, ch) else spelled(ch, encoding)
        for ch in unicodedata.normalize("NFC", text)
    )


def _holds(encoding: Encoding, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def spelled(ch: str, encoding: Encoding = "iso-8859-1") -> str:
    """One character by others that the encoding has, or by its number."""
    apart = unicodedata.normalize("NFKD", ch.translate(_LETTERS))
    bare = "".join(part for part in apart if not unicodedata.combining(part)).translate(_LETTERS)
    if bare and _holds(encoding, bare):
        return bare
    # A mark that stands alone says nothing without its letter, which has been written.
    return "" if unicodedata.combining(ch) else f"[U+{ord(ch):04X}]"


def cell(text: str, encoding: Encoding) -> str:
    """A cell that no spreadsheet calculates (a ``'`` is put before it), quoted where RFC 4180
    section 2 wants it."""
    one_line = " ".join(transliterated(text, encoding).split())
    safe = "'" + one_line if one_line.startswith(_FORMULA) else one_line
    return '"' + safe.replace('"', '""') + '"' if any(ch in safe for ch in '",;') else safe


def address_list(rows: Iterable[Sequence[str]], layout: HandoverLayout) -> bytes:
    """The address list with its header."""
    end = "\r\n" if layout.line_end == "crlf" else "\n"
    lines = [
        ",".join((*HEADER, *layout.columns)),
        *(",".join(cell(text, layout.encoding) for text in row) for row in rows),
    ]
    return "".join(line + end for line in lines).encode(layout.encoding)


def sums(digests: Iterable[tuple[str, bytes]]) -> bytes:
    """As ``sha256sum -c`` reads it: (name, digest)."""
    return "".join(f"{digest.hex()}  {name}\n" for name, digest in digests).encode()
