"""CSV files: rows read with detected encoding and delimiter, and rejected rows written."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from utskick.domain.errors import Unreadable

#: In order of preference where several delimiters fit: Swedish Excel writes semicolons.
DELIMITERS: Final = (";", "\t", ",")
_BYTE_ORDER_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SAMPLE: Final = 200


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a file; ``line`` is the number of its first line, counted from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Rows of a file without the blank ones; cells are stripped of surrounding blanks."""

    rows: tuple[Row, ...]
    encoding: str
    delimiter: str


class InvalidRow(Exception):
    """A row that cannot be used; the text of the exception is the reason."""


def read(data: bytes) -> CsvRows:
    """Parse a CSV file; raise ``Unreadable`` with the line number where parsing failed."""
    text, encoding = decode(data)
    first, _, rest = text.partition("\n")
    skipped = 0
    if len(first.strip()) == 5 and first.lower().startswith(
        "sep="
        # Excel's own declaration of the delimiter
    ):
        text, delimiter, skipped = rest, first[4], 1
    else:
        delimiter = find_delimiter(text)
    return CsvRows(tuple(_rows(text, delimiter, skipped)), encoding, delimiter)


def decode(data: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    The byte order mark decides; without one, UTF-8 is tried, then Windows-1252.
    """
    declared = next((name for prefix, name in _BYTE_ORDER_MARKS if data.startswith(prefix)), None)
    for encoding in [declared] if declared else ["utf-8", "windows-1252"]:
        try:
            return data.decode(encoding), "UTF-8" if encoding.startswith(
                "utf-8"
            ) else encoding.title()
        except UnicodeDecodeError:
            continue
    raise Unreadable("the file is neither UTF-8 nor Windows-1252 text; save it as CSV (UTF-8)")


def find_delimiter(text: str) -> str:
    """Return the delimiter that splits most of the first rows into the same number of cells."""
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
    first_line = 1
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                yield Row(first_line + skipped, stripped)
            first_line = reader.line_num + 1
    except csv.Error as fault:
        raise Unreadable(
            f"the file cannot be parsed from line {first_line + skipped} on: {fault}; a "
            "quotation prefix may be missing"
        ) from None


class Rejections:
    """Context manager that writes rejected rows as CSV for Swedish Excel.

    Only the user may read the file. Raises ``Unreadable`` if it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        with self._translated():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file, delimiter=";")
        self.write([columns])

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        with self._translated():
            self._rows.writerows(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._translated():
            self._file.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of this file only; other exceptions pass through."""
        try:
            yield
        except OSError as fault:
            raise Unreadable(f"{self._path} cannot be written: {fault.strerror}") from fault
