"""A CSV file as rows of cells: its encoding and its delimiter are found out, its line numbers are
kept."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from utskick.domain.errors import Unreadable

#: In the order of preference where a file can be read with either: Swedish Excel writes semicolons.
DELIMITERS: Final = (";", "\t", ",")
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SAMPLE: Final = 200


@dataclass(frozen=True, slots=True)
class Row:
    """``line``: where it begins in the file, from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Rows without the empty ones; cells without the spaces around them."""

    rows: tuple[Row, ...]
    encoding: str
    delimiter: str


def read(data: bytes) -> CsvRows:
    """Raises ``Unreadable`` with the line where reading stopped."""
    text, encoding = decode(data)
    first, _, rest = text.partition("\n")
    skipped = 0
    if len(first.strip()) == 5 and first.lower().startswith(
        "sep="
    ):  # Excel's own way to name the delimiter
        text, delimiter, skipped = rest, first[4], 1
    else:
        delimiter = find_delimiter(text)
    return CsvRows(tuple(_rows(text, delimiter, skipped)), encoding, delimiter)


def decode(data: bytes) -> tuple[str, str]:
    """(text, name of the encoding): as its byte order mark says, else UTF-8, else Windows-1252."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for encoding in [marked] if marked else ["utf-8", "windows-1252"]:
        try:
            return data.decode(encoding), "UTF-8" if encoding.startswith(
                "utf-8"
            ) else encoding.title()
        except UnicodeDecodeError:
            continue
    raise Unreadable("the file is neither UTF-8 nor Windows-1252 text; save it as CSV (UTF-8)")


def find_delimiter(text: str) -> str:
    """The one that cuts most of the first rows into the same number of cells, and into most of
    them."""
    scored = [
        (_score(text, candidate), -order, candidate) for order, candidate in enumerate(DELIMITERS)
    ]
    return max(scored)[2]


def _score(text: str, delimiter: str) -> tuple[float, int]:
    sample = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        widths = Counter(len(row) for row in islice(sample, _SAMPLE) if any(row))
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    width, rows = widths.most_common(1)[0]
    return (round(rows / widths.total(), 1), width) if width > 1 else (0.0, 0)


def _rows(text: str, delimiter: str, skipped: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                yield Row(begin + skipped, stripped)
            begin = reader.line_num + 1
    except csv.Error as fault:
        raise Unreadable(
            f"the file cannot be read from line {begin + skipped} on: {fault}; a quotation mark may be missing"
        ) from None
