"""History of another system as a stream of rows: JSON lines or CSV, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson

from utskick.cli.csv_file import DELIMITERS
from utskick.cli.history_rows import COLUMNS, REQUIRED, column_members
from utskick.domain.errors import Unreadable

_GZIP: Final = b"\x1f\x8b"
#: Representations of NULL in database exports.
_NULLS: Final = frozenset({"", "\\N", "NULL"})
_MAX_CELL: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """Row of the file: its members, or the reason why it cannot be read."""

    line: int
    row: dict[str, Any] | None
    fault: str = ""


class HistoryFile:
    """Open history file; ``size`` and ``position`` are bytes of the file on disk."""

    def __init__(self, path: Path, raw: BinaryIO) -> None:
        self.size = path.stat().st_size
        self._raw = raw
        compressed = raw.read(2) == _GZIP
        raw.seek(0)
        self._data = (
            io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=raw)))
            if compressed
            else cast(io.BufferedReader, raw)
        )

    @property
    def position(self) -> int:
        return self._raw.tell()

    def rows(self) -> Iterator[HistoryRow]:
        """Yield the rows; raise ``Unreadable`` if the file is neither JSON lines nor CSV."""
        start = self._data.peek(4)[:4].removeprefix(b"\xef\xbb\xbf").lstrip()
        try:
            yield from self._json_lines() if start[:1] in (b"{", b"[") else self._csv()
        except (gzip.BadGzipFile, EOFError) as fault:
            raise Unreadable("the compressed file is damaged or incomplete") from fault

    def _json_lines(self) -> Iterator[HistoryRow]:
        for line, raw in enumerate(self._data, 1):
            text = raw.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else raw.strip()
            if not text:
                continue
            try:
                row = orjson.loads(text)
            except ValueError:
                yield HistoryRow(line, None, "is not JSON")
                continue
            if not isinstance(row, dict):
                raise Unreadable(
                    f"line {line} is not a JSON object: the file must contain one object per "
                    "line, not an array"
                )
            members = column_members(tuple(row))
            yield HistoryRow(
                line,
                {
                    members[index]: value
                    for index, value in enumerate(row.values())
                    if index in members
                },
            )

    def _csv(self) -> Iterator[HistoryRow]:
        csv.field_size_limit(_MAX_CELL)
        text = io.TextIOWrapper(
            self._data, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        header = text.readline()
        delimiter = max(
            DELIMITERS,
            key=lambda candidate: len(
                column_members(tuple(next(csv.reader([header], delimiter=candidate), ())))
            ),
        )
        positions = column_members(tuple(next(csv.reader([header], delimiter=delimiter), ())))
        if missing := [name for name in REQUIRED if name not in positions.values()]:
            raise Unreadable(
                "the first row must name the columns; these are missing: "
                f"{', '.join(_column_name(name) for name in missing)}. "
                "docs/how-to/move-in.md shows how to write the file"
            )
        reader, first_line = csv.reader(text, delimiter=delimiter, strict=True), 2
        try:
            for cells in reader:
                row = {
                    positions[index]: cell
                    for index, cell in enumerate(cells)
                    if index in positions and cell not in _NULLS
                }
                if row:
                    yield HistoryRow(first_line, row)
                first_line = reader.line_num + 2
        except csv.Error as fault:
            raise Unreadable(
                f"the file cannot be parsed from line {first_line} on: {fault}; a quotation "
                "mark may be missing"
            ) from None
        finally:
            text.detach()  # otherwise the file would be closed with it


def _column_name(member: str) -> str:
    """Return the other system's column name for a member."""
    return next(name for name, found in COLUMNS.items() if found == member)


@contextmanager
def open_history(path: Path) -> Iterator[HistoryFile]:
    """Open a history file; raise ``Unreadable`` if that fails."""
    try:
        raw = path.open("rb")
    except OSError as fault:
        raise Unreadable(f"{path} cannot be read: {fault.strerror}") from fault
    with raw:
        yield HistoryFile(path, raw)
