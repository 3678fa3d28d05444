"""What was rejected, as a file to open and mend."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from utskick.domain.errors import Unreadable


class Rejections:
    """``with``. CSV as Excel opens it here, readable for nobody else. Raises ``Unreadable`` where
    it cannot be written."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        with self._told():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file, delimiter=";")
        self.write([columns])

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        with self._told():
            self._rows.writerows(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._told():
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Only of the file's own faults: what goes wrong beside the writing is somebody else's."""
        try:
            yield
        except OSError as fault:
            raise Unreadable(f"{self._path} cannot be written: {fault.strerror}") from fault
