"""Journal of what this node accepted, outside the database: ids, by which a loss can be listed.

It is a help and no promise: a line is written after the commit and not flushed to the disk, and the
oldest lines go when there are many.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from utskick.domain.message import NumberedRequest

log = structlog.get_logger(__name__)

#: Bytes of a file, of which there are two; and lines between two looks at its size.
_MOST: Final = 16 * 1024 * 1024
_LOOK: Final = 1000


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A request that was answered with 201. ``batch_id``: as it was answered."""

    at: datetime
    municipality_id: str
    channel: str
    batch_id: UUID
    recipients: int


class AcceptanceJournal:
    """The journal in a folder; several processes may append to it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "accepted.csv"
        self._file: io.TextIOWrapper | None = None
        self._lines = 0
        self._broken = False

    def note(self, numbered: NumberedRequest) -> None:
        """Append a request that was accepted. A file that cannot be written is logged once."""
        if self._broken:
            return
        try:
            if self._file is None or self._lines % _LOOK == 0:
                self._open()
            self._lines += 1
            assert self._file is not None
            self._file.write(
                f"{numbered.created_at.isoformat()},{numbered.caller.municipality_id},"
                f"{numbered.channel},{numbered.batch_id},{len(numbered.ids)}\n"
            )
        except OSError as fault:
            self._broken = True
            log.warning("acceptance-journal-not-written", fault=type(fault).__name__)

    def _open(self) -> None:
        """Open the file, after moving one that has become long out of the way."""
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > _MOST:
            os.replace(self._path, self._path.with_suffix(".1.csv"))
        # Line by line: what was accepted before a kill -9 is in the file.
        self._file = self._path.open("a", buffering=1, encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def since(self, moment: datetime) -> Iterator[AcceptedBatch]:
        """Yield what was accepted since. A broken last line is left out."""
        for path in (self._path.with_suffix(".1.csv"), self._path):
            if path.exists():
                with path.open(encoding="utf-8") as lines:
                    for row in csv.reader(lines):
                        if (found := _read(row)) is not None and found.at >= moment:
                            yield found


def _read(row: list[str]) -> AcceptedBatch | None:
    try:
        at, municipality_id, channel, batch_id, count = row
        return AcceptedBatch(
            datetime.fromisoformat(at), municipality_id, channel, UUID(batch_id), int(count)
        )
    except ValueError:
        return None


async def unknown_to(connection: Any, found: list[AcceptedBatch]) -> list[AcceptedBatch]:
    """Return those that the database does not have."""
    rows = await connection.fetch(
        "SELECT id, municipality_id FROM batches WHERE id = ANY($1::uuid[])",
        [each.batch_id for each in found],
    )
    known = {(row["id"], row["municipality_id"]) for row in rows}
    return [each for each in found if (each.batch_id, each.municipality_id) not in known]
