"""Where a hand-over is written: the little that a folder, an SFTP server and an SMB share have to
be able to do alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason

T = TypeVar("T")


class StorageFault(Exception):
    """The target cannot do it now: full, gone, slow. What was asked may have been done, where the
    answer was lost."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = Reason(code, sentence)

    def outcome(self) -> Outcome:
        return Deferred(self.reason)


class StorageAccessDenied(StorageFault):
    """The target will not do it for this account: login, host key, rights, a path that is not
    there."""

    def outcome(self) -> Outcome:
        return Misconfigured(self.reason)


class Missing(StorageFault):
    """What should be renamed or read is not there."""


class NameTaken(StorageFault):
    """There is something of the new name already."""


def full() -> StorageFault:
    return StorageFault("target-full", "the printing house's place for files is full")


def gone(fault: BaseException) -> StorageFault:
    return StorageFault(
        "unreachable",
        f"the printing house cannot be reached, or the connection was lost ({type(fault).__name__})",
    )


def forbidden() -> StorageAccessDenied:
    return StorageAccessDenied(
        "refused-access", "the printing house does not let the account write there"
    )


def missing() -> Missing:
    return Missing("target-missing", "a folder is not there any more")


def taken() -> NameTaken:
    return NameTaken("target-taken", "there is a folder of this name already")


class Storage(Protocol):
    """Paths are relative to the account's root, with ``/``. All raise ``StorageFault``; ``write``
    and ``rename`` are durable on return."""

    async def make(self, path: str) -> None:
        """A folder and those above it; one that is there is fine."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """A new file."""
        ...

    async def read(self, path: str) -> bytes | None:
        """A small file whole; None when it is not there."""
        ...

    async def rename(self, old: str, new: str) -> None:
        """A folder, at once as a whole. Raises ``Missing`` and ``NameTaken``; never replaces
        anything."""
        ...

    async def names(self, path: str) -> list[str]:
        """What is in a folder, the folders among them with ``/`` at the end; nothing when it is not
        there."""
        ...

    async def remove(self, path: str) -> None:
        """A file, or a folder that is empty; what is not there is fine."""
        ...


class StorageLocation(Protocol):
    """How to get at an account's target."""

    def open(self) -> AbstractAsyncContextManager[Storage]:
        """Logs in. Raises ``StorageFault``."""
        ...


class _Patient:
    """A target whose every step must end within so many seconds."""

    def __init__(self, target: Storage, seconds: float) -> None:
        self._target = target
        self._seconds = seconds

    async def make(self, path: str) -> None:
        await self._within(self._target.make(path))

    async def write(self, path: str, data: bytes) -> None:
        await self._within(self._target.write(path, data))

    async def read(self, path: str) -> bytes | None:
        return await self._within(self._target.read(path))

    async def rename(self, old: str, new: str) -> None:
        await self._within(self._target.rename(old, new))

    async def names(self, path: str) -> list[str]:
        return await self._within(self._target.names(path))

    async def remove(self, path: str) -> None:
        await self._within(self._target.remove(path))

    async def _within(self, step: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await step
        except TimeoutError as fault:
            raise StorageFault("no-answer", "the printing house did not answer in time") from fault


async def remove_all(target: Storage, path: str) -> None:
    """A folder with all that is in it."""
    for name in await target.names(path):
        if name.endswith("/"):
            await remove_all(target, f"{path}/{name[:-1]}")
        else:
            await target.remove(f"{path}/{name}")
    await target.remove(path)


@asynccontextmanager
async def patient(place: StorageLocation, seconds: float) -> AsyncIterator[Storage]:
    async with place.open() as target:
        yield _Patient(target, seconds)
