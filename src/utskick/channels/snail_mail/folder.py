"""Storage in a local or mounted folder."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from utskick.channels.snail_mail.settings import FolderAccount
from utskick.channels.snail_mail.storage import (
    StorageAccessDenied,
    StorageFault,
    forbidden,
    full,
    gone,
    missing,
    taken,
)

T = TypeVar("T")

_BY_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), full),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), forbidden),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), missing),
    **dict.fromkeys((errno.EEXIST, errno.ENOTEMPTY), taken),
}


class Folder:
    """Both ``StorageLocation`` and ``Storage``, as there is no session."""

    def __init__(self, account: FolderAccount) -> None:
        self._root = account.path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Folder]:
        if not await _do(self._root.is_dir):
            raise StorageAccessDenied(
                "no-folder",
                "the configured folder does not exist; it is not created, as it may be an"
                " unmounted one",
            )
        yield self

    async def make(self, path: str) -> None:
        await _do(lambda: (self._root / path).mkdir(parents=True, exist_ok=True))

    async def write(self, path: str, data: bytes) -> None:
        await _do(lambda: _written(self._root / path, data))

    async def read(self, path: str) -> bytes | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            return await asyncio.to_thread((self._root / path).read_bytes)
        return None

    async def rename(self, old: str, new: str) -> None:
        await _do(lambda: _renamed(self._root / old, self._root / new))

    async def names(self, path: str) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return await asyncio.to_thread(_names, self._root / path)
        return []

    async def remove(self, path: str) -> None:
        await _do(lambda: _removed(self._root / path))


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [
            entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
        ]


def _written(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _renamed(old: Path, new: Path) -> None:
    """Rename durably.

    ``rename`` would replace an empty folder, so existence is checked first; nothing else creates
    folders of these names.
    """
    if new.exists():
        raise FileExistsError(errno.EEXIST, "taken")
    _synced(old)
    old.rename(new)
    try:
        _synced(new.parent)
    except OSError as fault:  # renamed, and perhaps not for good
        raise gone(fault) from fault


def _synced(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _removed(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def fault_of(fault: OSError) -> StorageFault:
    """Map the operating system's error to a storage fault."""
    known = _BY_ERRNO.get(fault.errno or 0)
    return known() if known else gone(fault)


async def _do(step: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(step)
    except OSError as fault:
        raise fault_of(fault) from fault
