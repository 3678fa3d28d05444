"""CSV files: rows read with detected encoding and delimiter, and rejected rows written."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from utskick.cli.encodings import decode
from utskick.domain.errors import Unreadable

#: In order of preference where several delimiters fit: Swedish Excel writes semicolons.
DELIMITERS: Final = (";", "\t", ",")
#: The first columns of a file of rejected rows.
REJECTED: Final = ("line", "reason")
_REJECTED_HEADER: Final = re.compile(r'"?line"?([;,\t])"?reason\b')
#: Where a spreadsheet may begin to read a formula: at the beginning of a cell, also of one that
#: another delimiter makes (CWE-1236, OWASP "CSV Injection").
_FORMULA: Final = re.compile(r"((?:\A|[;,|\t\r\n\"])[\s\"]*'*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_GUARDED: Final = re.compile(r"((?:\A|[;,|\t\r\n\"])[\s\"]*'*)'(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
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
    """Parse a CSV file; raise ``Unreadable`` with the line number where parsing failed.

    Of a file of rejected rows (``Rejections``) it returns the rows as they were: without line and
    reason, and without the marks that keep a spreadsheet from running a cell.
    """
    text, encoding = decode(data)
    first, _, rest = text.partition("\n")
    skipped = 0
    if len(first.strip()) == 5 and first.lower().startswith(
        "sep="
        # Excel's own declaration of the delimiter
    ):
        text, delimiter, skipped = rest, first[4], 1
    elif own := _REJECTED_HEADER.match(text):
        delimiter = own[1]
    else:
        delimiter = find_delimiter(text)
    rows = tuple(_rows(text, delimiter, skipped))
    if rows and rows[0].cells[:2] == REJECTED:
        rows = tuple(
            Row(row.line, tuple(map(unguarded, row.cells[2:])))
            for row in rows
            if any(row.cells[2:])
        )
    return CsvRows(rows, encoding, delimiter)


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
            "quotation mark may be missing"
        ) from None


def guarded(cell: object) -> object:
    """Return text with an apostrophe before everything that a spreadsheet would run."""
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


def unguarded(cell: str) -> str:
    """Return the text that ``guarded`` was given."""
    return _GUARDED.sub(r"\1", cell)


class Rejections:
    """Context manager that writes rejected rows as CSV for Swedish Excel, which runs none of it.

    Only the user may read the file. Corrected, it can be read again. Raises ``Unreadable`` if it
    cannot be written.
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
            self._rows.writerows([guarded(cell) for cell in row] for row in rows)

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
