"""Print batches below the print house's inbox; no other file can be reached."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.print_house.pdf_pages import is_pdf

DONE: Final = "KLAR"
MANIFEST: Final = "manifest.json"
#: Maximum number of folders, and size of a file that is read into memory in bytes.
MAX_BATCHES: Final = 2000
MAX_FILE_SIZE: Final = 64 * 1_048_576


@dataclass(frozen=True, slots=True)
class Batch:
    """Folder of a print batch; ``refused`` is the reason if it was not printed."""

    name: str
    files: tuple[str, ...]
    at: datetime
    done: bool
    refused: str | None


class Batches:
    """Batches below ``inbox``, None without a print house.

    Requested names are only compared with names found on disk.
    """

    def __init__(self, inbox: Path | None = None, refused: Mapping[str, str] | None = None) -> None:
        self._inbox = inbox
        self._refused = refused if refused is not None else {}

    def all(self) -> list[Batch]:
        """Return all batches, the newest first."""
        found: list[Batch] = []
        for top, folders, files in os.walk(self._inbox) if self._inbox else ():
            folders[:] = [name for name in folders if not name.startswith(".")]
            if files and Path(top) != self._inbox and (batch := self._batch(Path(top))):
                found.append(batch)
            if len(found) >= MAX_BATCHES:
                break
        return sorted(found, key=lambda batch: batch.at, reverse=True)

    def find(self, name: str) -> Batch | None:
        folder = self._folder(name)
        return self._batch(folder) if folder else None

    def file(self, name: str, file: str) -> Path | None:
        """Return the path of a file of a batch, or None."""
        folder = self._folder(name)
        return (
            next(
                (
                    Path(entry.path)
                    for entry in _entries(folder)
                    if entry.name == file and _is_file(entry)
                ),
                None,
            )
            if folder
            else None
        )

    def read(self, name: str, file: str) -> bytes | None:
        path = self.file(name, file)
        try:
            return path.read_bytes() if path and path.stat().st_size <= MAX_FILE_SIZE else None
        except OSError:
            return None

    def sizes(self, name: str) -> dict[str, int]:
        """Return the sizes of the files of a batch in bytes."""
        folder = self._folder(name)
        return (
            {entry.name: _size(entry) for entry in _entries(folder) if _is_file(entry)}
            if folder
            else {}
        )

    def pdfs(self, name: str, names: Collection[str]) -> set[str]:
        """Return the files that begin like a PDF."""
        folder = self._folder(name)
        paths = (
            [Path(e.path) for e in _entries(folder) if e.name in names and _is_file(e)]
            if folder
            else []
        )
        return {path.name for path in paths if is_pdf(_first_bytes(path))}

    def letter(self, entry: Received) -> list[AttachedFile]:
        """Return the files of a letter, by the manifest; without one, the first from the ledger."""
        names = self._manifest_files(entry)
        found = [
            AttachedFile(name, "application/pdf", data)
            for name in names
            if (data := self.read(entry.reference or "", name)) is not None
        ]
        return found or (
            [AttachedFile(first_file_name(entry), "application/pdf", entry.raw)]
            if entry.raw
            else []
        )

    def _manifest_files(self, entry: Received) -> list[str]:
        data = self.read(entry.reference or "", MANIFEST) if entry.key else None
        try:
            letters = orjson.loads(data or b"{}")["letters"]
            return [
                str(file["file"])
                for letter in letters
                if letter["delivery"] == entry.key
                for file in letter["files"]
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return []

    def _folder(self, name: str) -> Path | None:
        """Find a folder part by part, so that neither ``..`` nor links can be followed."""
        folder = self._inbox
        for part in name.split("/"):
            entries = _entries(folder) if folder else []
            folder = next(
                (
                    Path(e.path)
                    for e in entries
                    if e.name == part and not part.startswith(".") and _is_folder(e)
                ),
                None,
            )
        return folder

    def _batch(self, folder: Path) -> Batch | None:
        assert self._inbox is not None
        files = sorted(entry.name for entry in _entries(folder) if _is_file(entry))
        done = DONE in files
        try:
            at = (folder / DONE if done else folder).stat().st_mtime
        except OSError:
            return None
        name = folder.relative_to(self._inbox).as_posix()
        return Batch(
            name, tuple(files), datetime.fromtimestamp(at, UTC), done, self._refused.get(name)
        )


def first_file_name(entry: Received) -> str:
    """Return the first file name; names are joined by commas, and may contain commas."""
    start, extension, _ = entry.text.partition(".pdf")
    return start + extension if extension else "brev.pdf"


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(8)
    except OSError:
        return b""


def _entries(folder: Path) -> list[Any]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_file(entry: Any) -> bool:
    return bool(entry.is_file(follow_symlinks=False)) and not entry.name.startswith(".")


def _is_folder(entry: Any) -> bool:
    return bool(entry.is_dir(follow_symlinks=False))


def _size(entry: Any) -> int:
    try:
        return int(entry.stat(follow_symlinks=False).st_size)
    except OSError:
        return 0
