"""SFTP storage: SSH File Transfer Protocol version 3, draft-ietf-secsh-filexfer-02.

OpenSSH's extension ``fsync`` is used where the server has it.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import asyncssh

from utskick.channels.snail_mail.settings import SftpAccount, host_keys, login_key
from utskick.channels.snail_mail.storage import (
    Missing,
    StorageAccessDenied,
    StorageFault,
    StorageLost,
    failed,
    forbidden,
    forbidden_address,
    full,
    gone,
    missing,
    no_folder,
    silent,
    taken,
)
from utskick.outgoing.address_guard import ForbiddenAddress
from utskick.outgoing.dialing import dial

T = TypeVar("T")
#: Bytes of one write request, which every server takes (draft section 3; OpenSSH ends the
#: connection at a packet over 256 KiB). Up to 128 requests are outstanding at once.
_BLOCK: Final = 32_768
_FULL: Final = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_FORBIDDEN: Final = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_MISSING: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_GONE: Final = (
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.Error,
    OSError,
    EOFError,
)


class Sftp:
    """``StorageLocation`` of an SFTP account: one connection for each hand-over."""

    def __init__(self, account: SftpAccount) -> None:
        self._account = account
        # The library's log lines contain user and file names.
        asyncssh.set_log_level(logging.ERROR)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_SftpSession]:
        connection = await self._connect()
        try:
            async with asyncio.timeout(self._account.connect_timeout):
                client = await _mapped(connection.start_sftp_client())
            yield _SftpSession(client, self._account.path)
        except TimeoutError as fault:
            raise silent() from fault
        finally:
            connection.abort()
            with suppress(*_GONE):
                await connection.wait_closed()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        """Connect, ignoring this machine's own SSH configuration, keys and agent."""
        account = self._account
        try:
            async with asyncio.timeout(account.connect_timeout):
                sock = await dial(account.host, account.port, account.reach)
            # The name stays the one that host keys are listed under.
            return await asyncssh.connect(
                account.host,
                account.port,
                sock=sock,
                username=account.username,
                password=account.password.get_secret_value() if account.password else None,
                client_keys=_keys(account),
                known_hosts=_known(account),
                config=[],
                agent_path=None,
                x509_trusted_certs=None,
                connect_timeout=account.connect_timeout,
                login_timeout=account.connect_timeout,
                keepalive_interval=15,
            )
        except ForbiddenAddress as fault:
            raise forbidden_address() from fault
        except asyncssh.PermissionDenied as fault:
            raise StorageAccessDenied(
                "refused-login", "the printing house rejected the credentials"
            ) from fault
        except asyncssh.HostKeyNotVerifiable as fault:
            raise StorageAccessDenied(
                "host-key",
                "the server's host key does not match known_hosts or host_keys",
            ) from fault
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, PermissionError) as fault:
            raise StorageAccessDenied(
                "key-file", "the account's key file or known_hosts cannot be read"
            ) from fault
        except (*_GONE, ValueError) as fault:
            raise gone(fault) from fault


def _keys(account: SftpAccount) -> list[asyncssh.SSHKey] | None:
    if account.key is not None:
        return [login_key(account.key, account.key_passphrase)]
    if account.key_file is None:
        return None
    passphrase = account.key_passphrase.get_secret_value() if account.key_passphrase else None
    return [asyncssh.read_private_key(str(account.key_file), passphrase)]


def _known(account: SftpAccount) -> asyncssh.SSHKnownHosts | str | None:
    if account.accept_any_host_key:
        return None
    return (
        str(account.known_hosts)
        if account.host_keys is None
        else host_keys(account.host_keys, account.host, account.port)
    )


class _SftpSession:
    """``Storage`` on an open connection."""

    def __init__(self, client: asyncssh.SFTPClient, root: str) -> None:
        self._client = client
        self._root = root
        self._syncs = True

    def _at(self, path: str) -> str:
        return posixpath.join(self._root, path) if path else self._root

    async def make(self, path: str) -> None:
        try:
            await self._make_one(path)
        except Missing:
            above = posixpath.dirname(path)
            if not above:
                raise no_folder() from None
            await self.make(above)
            await self._make_one(path)

    async def _make_one(self, path: str) -> None:
        try:
            await _mapped(self._client.mkdir(self._at(path)))
        except (Missing, StorageLost):
            raise
        except StorageFault as fault:
            if not await _mapped(self._client.isdir(self._at(path))):
                raise await self._explained(fault) from fault

    async def write(self, path: str, data: bytes) -> None:
        try:
            await _mapped(self._written(self._at(path), data))
        except StorageFault as fault:
            raise await self._explained(fault, len(data)) from fault

    async def _explained(self, fault: StorageFault, size: int = 0) -> StorageFault:
        """Return what the server's general failure means, by the state of its file system.

        Version 3 has no codes for a full or read-only one; OpenSSH's extension
        ``statvfs@openssh.com`` tells. ``size``: bytes that were to be written.
        """
        if fault.reason.code != failed().reason.code:
            return fault
        try:
            state = await _mapped(self._client.statvfs(self._root))
        except StorageFault:
            return fault
        if state.flags & asyncssh.FXE_STATVFS_ST_RDONLY:
            return forbidden()
        is_full = state.bavail * state.frsize < size + state.frsize
        return full() if is_full or (state.files and not state.favail) else fault

    async def _written(self, path: str, data: bytes) -> None:
        async with self._client.open(path, "xb", block_size=_BLOCK) as file:
            await file.write(data)
            if self._syncs:
                try:
                    await file.fsync()
                except asyncssh.SFTPOpUnsupported:
                    self._syncs = False

    async def read(self, path: str) -> bytes | None:
        try:
            return await _mapped(self._contents(self._at(path)))
        except Missing:
            return None

    async def _contents(self, path: str) -> bytes:
        async with self._client.open(path, "rb") as file:
            data = await file.read()
        return data if isinstance(data, bytes) else data.encode()

    async def rename(self, old: str, new: str) -> None:
        """Rename; version 3 reports an existing new name only as a general failure."""
        try:
            await _mapped(self._client.rename(self._at(old), self._at(new)))
        except StorageFault as fault:
            if fault.reason.code != failed().reason.code:
                raise
            if not await _mapped(self._client.exists(self._at(old))):
                raise missing() from fault
            if await _mapped(self._client.exists(self._at(new))):
                raise taken() from fault
            raise await self._explained(fault) from fault

    async def names(self, path: str) -> list[str]:
        try:
            entries = await _mapped(self._client.readdir(self._at(path)))
        except Missing:
            return []
        folder = asyncssh.FILEXFER_TYPE_DIRECTORY
        named = ((str(entry.filename), entry.attrs.type == folder) for entry in entries)
        return [
            name + "/" if is_folder else name
            for name, is_folder in named
            if name not in (".", "..")
        ]

    async def remove(self, path: str) -> None:
        at = self._at(path)
        try:
            kind = (await _mapped(self._client.lstat(at))).type
            await _mapped(
                self._client.rmdir(at)
                if kind == asyncssh.FILEXFER_TYPE_DIRECTORY
                else self._client.remove(at)
            )
        except Missing:
            return


async def _mapped(step: Awaitable[T]) -> T:
    """Await the operation, mapping the library's errors to storage faults."""
    try:
        return await step
    except _FULL as fault:
        raise full() from fault
    except _FORBIDDEN as fault:
        raise forbidden() from fault
    except _MISSING as fault:
        raise missing() from fault
    except asyncssh.SFTPFileAlreadyExists as fault:
        raise taken() from fault
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as fault:
        raise gone(fault) from fault
    except asyncssh.SFTPError as fault:
        raise failed() from fault
    except _GONE as fault:
        raise gone(fault) from fault
