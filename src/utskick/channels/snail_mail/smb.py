"""SMB storage (MS-SMB2), signed and encrypted by default; the blocking client runs in threads."""

from __future__ import annotations

import asyncio
import logging
import ntpath
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

import smbclient
from smbprotocol.connection import Connection
from smbprotocol.exceptions import (
    AccessDenied,
    LogonFailure,
    SMBAuthenticationError,
    SMBConnectionClosed,
    SMBException,
    SMBOSError,
    SMBResponseException,
)
from smbprotocol.header import NtStatus

from utskick.channels.snail_mail.settings import SmbAccount
from utskick.channels.snail_mail.storage import (
    Missing,
    NameTaken,
    StorageAccessDenied,
    StorageFault,
    failed,
    forbidden,
    forbidden_address,
    full,
    gone,
    missing,
    no_folder,
    taken,
)
from utskick.outgoing.address_guard import AddressPolicy, ForbiddenAddress

T = TypeVar("T")

_FULL: Final = {NtStatus.STATUS_DISK_FULL, 0xC0000044}  # and STATUS_QUOTA_EXCEEDED
_MISSING: Final = {
    NtStatus.STATUS_OBJECT_NAME_NOT_FOUND,
    NtStatus.STATUS_OBJECT_PATH_NOT_FOUND,
    0xC000000F,
    0xC0000225,
}  # and STATUS_NO_SUCH_FILE, and STATUS_NOT_FOUND of a share
_TAKEN: Final = {
    NtStatus.STATUS_OBJECT_NAME_COLLISION,
    0xC0000101,
}  # and STATUS_DIRECTORY_NOT_EMPTY
_FORBIDDEN: Final = {NtStatus.STATUS_ACCESS_DENIED, 0xC00000A2}  # and STATUS_MEDIA_WRITE_PROTECTED
_NO_SHARE: Final = {0xC00000CC}  # STATUS_BAD_NETWORK_NAME

_UNREACHED: Final = "the server cannot be reached"

#: Seconds allowed for a graceful disconnect.
_FAREWELL: Final = 1.0


class _Checked(dict[str, Any]):
    """The library's connections, to which it adds none: one that was lost is not opened again.

    It would resolve the name anew, to an address that nobody has checked.
    """

    def get(self, key: str, default: Any = None) -> Any:
        connection = super().get(key, default)
        if connection is None or not connection.transport.connected:
            raise ConnectionResetError(_UNREACHED)
        return connection


class Smb:
    """``StorageLocation`` of an SMB account: one connection for each hand-over.

    Referrals to other servers (MS-DFSC) are not followed: the library keeps them for all accounts,
    and would log in wherever a server of one account sends another one's letters.
    """

    def __init__(self, account: SmbAccount) -> None:
        self._account = account
        # The libraries' log lines contain user and file names.
        for name in ("smbprotocol", "smbclient", "spnego"):
            logging.getLogger(name).setLevel(logging.ERROR)
        smbclient.ClientConfig().set(cache_referral=_ignore)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_SmbSession]:
        account = self._account
        options: dict[str, Any] = {"port": account.port, "connection_cache": {}}
        if account.reach is not None:
            addresses = await self._addresses(account.reach)
            options["connection_cache"] = await _do(lambda: self._connected(addresses))
        await _do(lambda: self._log_in(options))
        root = rf"\\{account.host}\{account.share}"
        below = account.path.replace("/", "\\").strip("\\.")
        try:
            yield _SmbSession(rf"{root}\{below}" if below else root, options)
        finally:
            await _disconnect(options["connection_cache"])

    async def _addresses(self, reach: AddressPolicy) -> list[str]:
        try:
            async with asyncio.timeout(self._account.connect_timeout):
                return await reach.addresses(self._account.host, self._account.port)
        except ForbiddenAddress as fault:
            raise forbidden_address() from fault
        except OSError as fault:
            raise gone(fault) from fault

    def _connected(self, addresses: Sequence[str]) -> _Checked:
        """Connect to the first address that accepts, under the server's name."""
        account, fault = self._account, ValueError(_UNREACHED)
        for address in addresses:
            connection = Connection(
                smbclient.ClientConfig().client_guid,
                address,
                account.port,
                require_signing=account.require_signing,
            )
            try:
                connection.connect(timeout=self._patience)
            except ValueError as refused:  # not connected
                fault = refused
            except BaseException:
                connection.transport.close()
                raise
            else:
                connection.server_name = account.host
                return _Checked({f"{account.host.lower()}:{account.port}": connection})
        raise fault

    @property
    def _patience(self) -> int:
        return max(1, round(self._account.connect_timeout))

    def _log_in(self, options: dict[str, Any]) -> None:
        account = self._account
        smbclient.register_session(
            account.host,
            username=account.username,
            password=account.password.get_secret_value(),
            encrypt=account.encrypt,
            require_signing=account.require_signing,
            connection_timeout=self._patience,
            auth_protocol="ntlm",
            **options,
        )


def _ignore(_referral: object) -> None:
    """Keep no referral of a server."""


async def _disconnect(connections: dict[str, Any]) -> None:
    """Log off if the server responds, then close the sockets, which frees waiting threads."""
    with suppress(SMBException, OSError, ValueError, TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await asyncio.to_thread(
                smbclient.reset_connection_cache, fail_on_error=False, connection_cache=connections
            )
    for connection in connections.values():
        with suppress(OSError, AttributeError):
            connection.transport.close()


class _SmbSession:
    """``Storage`` on an open connection.

    One operation at a time: the library does not wait for credits (MS-SMB2 section 3.2.4.1.5) that
    operations in other threads have used up, and fails.
    """

    def __init__(self, root: str, options: dict[str, Any]) -> None:
        self._root = root
        self._options = options
        self._turn = asyncio.Lock()

    async def _do(self, step: Callable[[], T]) -> T:
        async with self._turn:
            return await _do(step)

    def _at(self, path: str) -> str:
        return ntpath.join(self._root, path.replace("/", "\\")) if path else self._root

    async def make(self, path: str) -> None:
        """Create folders from the top, as servers report a missing parent in different ways."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            at = self._at("/".join(parts[:depth]))
            try:
                await self._do(partial(smbclient.stat, at, **self._options))
            except Missing:
                await self._make_one(at, is_first=depth == 1)

    async def _make_one(self, at: str, *, is_first: bool) -> None:
        try:
            await self._do(partial(smbclient.mkdir, at, **self._options))
        except NameTaken:
            return
        except Missing as fault:
            raise (no_folder() if is_first else fault) from None

    async def write(self, path: str, data: bytes) -> None:
        await self._do(lambda: self._written(self._at(path), data))

    def _written(self, path: str, data: bytes) -> None:
        with smbclient.open_file(path, mode="xb", buffering=0, **self._options) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            file.fd.flush()

    async def read(self, path: str) -> bytes | None:
        try:
            return await self._do(lambda: self._contents(self._at(path)))
        except Missing:
            return None

    def _contents(self, path: str) -> bytes:
        with smbclient.open_file(path, mode="rb", **self._options) as file:
            data: bytes = file.read()
        return data

    async def rename(self, old: str, new: str) -> None:
        """Rename without replacing: the server refuses an existing name."""
        await self._do(lambda: smbclient.rename(self._at(old), self._at(new), **self._options))

    async def names(self, path: str) -> list[str]:
        try:
            return await self._do(lambda: self._names(self._at(path)))
        except Missing:
            return []

    def _names(self, path: str) -> list[str]:
        return [
            entry.name + "/" if entry.is_dir() else entry.name
            for entry in smbclient.scandir(path, **self._options)
        ]

    async def remove(self, path: str) -> None:
        with suppress(Missing):
            await self._do(lambda: self._removed(self._at(path)))

    def _removed(self, path: str) -> None:
        attributes = smbclient.lstat(path, **self._options).st_file_attributes
        if attributes & 0x10:  # MS-FSCC section 2.6, FILE_ATTRIBUTE_DIRECTORY
            smbclient.rmdir(path, **self._options)
        else:
            smbclient.remove(path, **self._options)


async def _do(step: Callable[[], T]) -> T:
    """Run the blocking operation, mapping errors to storage faults.

    The library raises ``ValueError`` if it cannot connect.
    """
    try:
        return await asyncio.to_thread(step)
    except (SMBAuthenticationError, LogonFailure) as fault:
        raise StorageAccessDenied(
            "refused-login", "the printing house rejected the credentials"
        ) from fault
    except AccessDenied as fault:
        raise forbidden() from fault
    except SMBOSError as fault:
        raise _fault(fault.ntstatus) from fault
    except SMBResponseException as fault:  # of an operation on an open file
        raise _fault(fault.status) from fault
    except (SMBConnectionClosed, ConnectionError, TimeoutError) as fault:
        raise gone(fault) from fault
    except SMBException as fault:
        raise _protection_fault(fault) from fault
    except (OSError, ValueError) as fault:
        raise gone(fault) from fault


def _fault(status: int) -> StorageFault:
    for statuses, make_fault in (
        (_FULL, full),
        (_MISSING, missing),
        (_TAKEN, taken),
        (_FORBIDDEN, forbidden),
        (_NO_SHARE, no_folder),
    ):
        if status in statuses:
            return make_fault()
    return failed()


def _protection_fault(fault: SMBException) -> StorageFault:
    if "encrypt" in str(fault).lower() or "sign" in str(fault).lower():
        return StorageAccessDenied(
            "no-protection",
            "the printing house's server does not support the required signing or encryption",
        )
    return gone(fault)
