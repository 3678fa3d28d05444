"""Interface of hand-over storage: the operations shared by folder, SFTP and SMB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar
from uuid import uuid4

from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason
from utskick.outgoing.http_client import FORBIDDEN

T = TypeVar("T")


class StorageFault(Exception):
    """A temporary fault that the storage reported: the operation was not carried out."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = Reason(code, sentence)

    def outcome(self, concerns: Concern = Concern.ACCOUNT) -> Outcome:
        """Return the outcome of an attempt that failed by this fault."""
        return Deferred(self.reason, concerns=concerns)


class StorageLost(StorageFault):
    """No answer: the operation may have been carried out, and can be looked up."""


class StorageAccessDenied(StorageFault):
    """A permanent fault of the account: login, host key, permissions or path."""

    def outcome(self, concerns: Concern = Concern.ACCOUNT) -> Outcome:
        return Misconfigured(self.reason, concerns)


class Missing(StorageFault):
    """The file or folder does not exist."""


class NameTaken(StorageFault):
    """The new name already exists."""


def full() -> StorageFault:
    return StorageFault("target-full", "the printing house's storage is full")


def gone(fault: BaseException) -> StorageLost:
    return StorageLost(
        "unreachable",
        "the printing house cannot be reached, or the connection was lost"
        f" ({type(fault).__name__})",
    )


def silent() -> StorageLost:
    return StorageLost("no-answer", "the printing house did not respond in time")


def failed() -> StorageFault:
    return StorageFault(
        "target-fault", "the printing house's server could not write or rename a file"
    )


def forbidden() -> StorageAccessDenied:
    return StorageAccessDenied(
        "refused-access", "the printing house does not allow the account to write there"
    )


def forbidden_address() -> StorageAccessDenied:
    return StorageAccessDenied(FORBIDDEN.reason.code, FORBIDDEN.reason.sentence)


def no_folder() -> StorageAccessDenied:
    return StorageAccessDenied(
        "no-folder", "the configured folder does not exist at the printing house"
    )


def missing() -> Missing:
    return Missing("target-missing", "the folder no longer exists")


def taken() -> NameTaken:
    return NameTaken("target-taken", "a folder of this name already exists")


class Storage(Protocol):
    """File operations. Paths are relative to the account's root, separated by ``/``.

    All raise ``StorageFault``; ``write`` and ``rename`` are durable on return.
    """

    async def make(self, path: str) -> None:
        """Create a folder and its parents, unless they exist."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Write a new file."""
        ...

    async def read(self, path: str) -> bytes | None:
        """Read a small file; None if it does not exist."""
        ...

    async def rename(self, old: str, new: str) -> None:
        """Rename a folder atomically, never replacing. Raises ``Missing`` and ``NameTaken``."""
        ...

    async def names(self, path: str) -> list[str]:
        """List a folder, subfolders with a trailing ``/``; empty if it does not exist."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file or an empty folder, if it exists."""
        ...


class StorageLocation(Protocol):
    """Where an account's storage is."""

    def open(self) -> AbstractAsyncContextManager[Storage]:
        """Log in. Raises ``StorageFault``."""
        ...


class _TimedStorage:
    """Storage whose every operation has a time-out in seconds."""

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
            raise silent() from fault


async def remove_all(target: Storage, path: str) -> None:
    """Remove a folder with its contents."""
    for name in await target.names(path):
        if name.endswith("/"):
            await remove_all(target, f"{path}/{name[:-1]}")
        else:
            await target.remove(f"{path}/{name}")
    await target.remove(path)


async def probe(target: Storage, name: str) -> None:
    """Make a folder beginning with this name, write a file there, rename and remove it.

    Raises ``StorageFault``.
    """
    folder = f"{name}-{uuid4().hex}"
    await target.make(folder)
    try:
        await target.write(f"{folder}/probe", b"utskick\n")
        await target.rename(folder, f"{folder}-renamed")
        folder = f"{folder}-renamed"
    finally:
        await remove_all(target, folder)


@asynccontextmanager
async def with_timeouts(location: StorageLocation, seconds: float) -> AsyncIterator[Storage]:
    """Open the storage with a time-out for each operation."""
    async with location.open() as target:
        yield _TimedStorage(target, seconds)
