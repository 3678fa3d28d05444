"""The peer's history as a file, read as a stream: JSON lines or CSV, plain or gzipped. Rows with
their line and the place reached."""

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
from utskick.cli.history_rows import COLUMNS, NEEDED, named
from utskick.domain.errors import Unreadable

_GZIP: Final = b"\x1f\x8b"
#: What a database writes for nothing.
_NOTHING: Final = frozenset({"", "\\N", "NULL"})
_LONGEST_CELL: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row: members, or why there are none."""

    line: int
    row: dict[str, Any] | None
    fault: str = ""


class HistoryFile:
    """``size`` and ``reached`` in bytes of the file on disk, for a progress bar."""

    def __init__(self, path: Path, raw: BinaryIO) -> None:
        self.size = path.stat().st_size
        self._raw = raw
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        self._data = (
            io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=raw)))
            if zipped
            else cast(io.BufferedReader, raw)
        )

    @property
    def reached(self) -> int:
        return self._raw.tell()

    def rows(self) -> Iterator[HistoryRow]:
        """Raises ``Unreadable`` where the file cannot be this at all."""
        beginning = self._data.peek(4)[:4].removeprefix(b"\xef\xbb\xbf").lstrip()
        try:
            yield from self._json_lines() if beginning[:1] in (b"{", b"[") else self._csv()
        except (gzip.BadGzipFile, EOFError) as fault:
            raise Unreadable("the compressed file is damaged or not whole") from fault

    def _json_lines(self) -> Iterator[HistoryRow]:
        for line, raw in enumerate(self._data, 1):
            text = raw.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else raw.strip()
            if not text:
                continue
            try:
                row = orjson.loads(text)
            except ValueError:
                yield HistoryRow(line, None, "is no JSON")
                continue
            if not isinstance(row, dict):
                raise Unreadable(
                    f"line {line} is no JSON object: the file must hold one object for each line, not one array"
                )
            members = named(tuple(row))
            yield HistoryRow(
                line,
                {
                    members[place]: value
                    for place, value in enumerate(row.values())
                    if place in members
                },
            )

    def _csv(self) -> Iterator[HistoryRow]:
        csv.field_size_limit(_LONGEST_CELL)
        text = io.TextIOWrapper(
            self._data, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        header = text.readline()
        delimiter = max(
            DELIMITERS,
            key=lambda candidate: len(
                named(tuple(next(csv.reader([header], delimiter=candidate), ())))
            ),
        )
        places = named(tuple(next(csv.reader([header], delimiter=delimiter), ())))
        if missing := [name for name in NEEDED if name not in places.values()]:
            raise Unreadable(
                f"the first row must name the columns; these are missing: {', '.join(_peers(name) for name in missing)}. "
                "docs/how-to/move-in.md shows how to write the file"
            )
        reader, begin = csv.reader(text, delimiter=delimiter, strict=True), 2
        try:
            for cells in reader:
                row = {
                    places[place]: cell
                    for place, cell in enumerate(cells)
                    if place in places and cell not in _NOTHING
                }
                if row:
                    yield HistoryRow(begin, row)
                begin = reader.line_num + 2
        except csv.Error as fault:
            raise Unreadable(
                f"the file cannot be read from line {begin} on: {fault}; a quotation mark may be missing"
            ) from None
        finally:
            text.detach()  # else the file would be closed with it


def _peers(member: str) -> str:
    """The peer's name for a column."""
    return next(name for name, found in COLUMNS.items() if found == member)


@contextmanager
def opened(path: Path) -> Iterator[HistoryFile]:
    """Raises ``Unreadable``."""
    try:
        raw = path.open("rb")
    except OSError as fault:
        raise Unreadable(f"{path} cannot be read: {fault.strerror}") from fault
    with raw:
        yield HistoryFile(path, raw)
