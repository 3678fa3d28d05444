"""SFTP server of the print house; complete batches in its inbox become letters."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncssh
import orjson
from aiohttp import web

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.faults import Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

PROVIDER: Final = "print_house"
DONE: Final = "KLAR"
#: Credentials. They protect nothing, since no letter is printed.
USERNAME, PASSWORD = "utskick", "sandbox"
#: Seconds between scans of the inbox, for batches that did not arrive by SFTP.
_INTERVAL: Final = 0.25
_KEY: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def house_folder(addresses: SandboxAddresses) -> Path:
    return addresses.folder / "print_house"


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel for this simulator."""
    account = {
        "provider": "sftp",
        "host": HOST,
        "port": addresses.sftp_port,
        "username": USERNAME,
        "password": PASSWORD,
        "known_hosts": str(house_folder(addresses) / "known_hosts"),
        "connect_timeout": 2,
        "read_timeout": 5,
    }
    return {"accounts": {PROVIDER: account}}


class PrintHouseSimulator:
    """Print house with an SFTP inbox; ``refused`` maps incomplete batches to the reason."""

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:
        self._folder = house_folder(addresses)
        self._requested_port = addresses.sftp_port
        self._faults = _PrintFaults(faults)
        self._watcher = _InboxWatcher(self._folder / "inbox", ledger)
        self._server: asyncssh.SSHAcceptor | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def inbox(self) -> Path:
        return self._folder / "inbox"

    @property
    def refused(self) -> dict[str, str]:
        return self._watcher.refused

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the print house has not been started")
        return self._server.get_port()

    def routes(self) -> list[web.RouteDef]:
        return []

    async def start(self) -> None:
        asyncssh.set_log_level(logging.ERROR)
        self.inbox.mkdir(parents=True, exist_ok=True)
        key = await asyncio.to_thread(_host_key, self._folder / "host_key")
        self._watcher.skip_existing()
        self._server = await asyncssh.listen(
            HOST,
            self._requested_port,
            server_host_keys=[key],
            server_factory=lambda: _LoginServer(self._faults),
            sftp_factory=lambda channel: _SftpSession(
                channel, self.inbox, self._faults, self._watcher.changed
            ),
            session_factory=None,
            config=[],
        )
        _write_known_hosts(self._folder, self.port)
        self._watching = asyncio.create_task(self._watcher.watch())

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


def create_files(addresses: SandboxAddresses) -> None:
    """Create host key, inbox and known_hosts, if they are missing."""
    (house_folder(addresses) / "inbox").mkdir(parents=True, exist_ok=True)
    if not (house_folder(addresses) / "known_hosts").exists():
        _write_known_hosts(house_folder(addresses), addresses.sftp_port)


def _write_known_hosts(folder: Path, port: int) -> None:
    key = _host_key(folder / "host_key")
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {key.export_public_key().decode()}")


def _host_key(path: Path) -> asyncssh.SSHKey:
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.export_private_key())
    return asyncssh.read_private_key(str(path))


class _PrintFaults:
    """Fault script of the print house, queried for one fault at a time.

    The recipient is the key of the handover, or the login name.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def seconds_of(self, fault: ProviderFault, recipient: str) -> float | None:
        """Return the seconds of the rule if the fault applies."""
        if not any(
            rule.fault is fault and rule.provider in (None, PROVIDER) for rule in self._faults.rules
        ):
            return None
        rule = self._faults.apply(PROVIDER, recipient)
        return rule.seconds if rule is not None and rule.fault is fault else None


class _LoginServer(asyncssh.SSHServer):
    """Authentication of a connection."""

    def __init__(self, faults: _PrintFaults) -> None:
        self._faults = faults

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if self._faults.seconds_of(ProviderFault.LOGIN, username) is not None:
            return False
        return (username, password) == (USERNAME, PASSWORD)


class _SftpSession(asyncssh.SFTPServer):
    """SFTP session below the inbox."""

    def __init__(
        self,
        channel: asyncssh.SSHServerChannel[bytes],
        root: Path,
        faults: _PrintFaults,
        changed: asyncio.Event,
    ) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._connection = channel.get_connection()
        self._faults = faults
        self._changed = changed
        self._dropping: set[int] = set()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        recipient = _key_of(path)
        if pflags & asyncssh.FXF_WRITE:
            if self._faults.seconds_of(ProviderFault.REFUSE, recipient) is not None:
                raise asyncssh.SFTPPermissionDenied("no permission to write here")
            if self._faults.seconds_of(ProviderFault.TEMPORARY, recipient) is not None:
                raise asyncssh.SFTPFailure("no space left on device")
        file = super().open(path, pflags, attrs)
        if (
            pflags & asyncssh.FXF_WRITE
            and self._faults.seconds_of(ProviderFault.DROP, recipient) is not None
        ):
            self._dropping.add(id(file))
        return file

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if id(file_obj) not in self._dropping:
            written = super().write(file_obj, offset, data)
            return await written if asyncio.iscoroutine(written) else written  # type: ignore[return-value]
        super().write(file_obj, offset, data[: len(data) // 2])
        self._connection.abort()
        raise asyncssh.SFTPConnectionLost("cut off")

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename like OpenSSH, without replacing an existing file."""
        self._refuse_existing(newpath)
        super().rename(oldpath, newpath)
        if any(part.startswith(b".") for part in newpath.split(b"/") if part not in (b".", b"..")):
            return
        self._changed.set()
        seconds = self._faults.seconds_of(ProviderFault.TIMEOUT, _key_of(oldpath))
        if seconds is not None:
            await asyncio.sleep(seconds)

    def _refuse_existing(self, path: bytes) -> None:
        if os.path.lexists(self.map_path(path)):
            raise asyncssh.SFTPFailure("a file with this name exists")


def _key_of(path: bytes) -> str:
    found = _KEY.search(path)
    return found[0].decode() if found else ""


class _InboxWatcher:
    """Watcher that reads each complete batch once."""

    def __init__(self, inbox: Path, ledger: Ledger) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._handled: set[Path] = set()
        self.changed = asyncio.Event()
        self.refused: dict[str, str] = {}

    def skip_existing(self) -> None:
        """Ignore the batches that exist at the start: they have been printed before."""
        self._handled.update(_complete_folders(self._inbox))

    async def watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), _INTERVAL)
            self.changed.clear()
            for folder in await asyncio.to_thread(
                lambda: sorted(set(_complete_folders(self._inbox)) - self._handled)
            ):
                self._handled.add(folder)
                for letter in await asyncio.to_thread(self._read_batch, folder):
                    self._ledger.add(letter)

    def _read_batch(self, folder: Path) -> list[Received]:
        name = str(folder.relative_to(self._inbox))
        fault = _integrity_fault(folder)
        if fault is not None:
            self.refused[name] = fault
            return []
        return list(_read_letters(folder, name))


def _complete_folders(inbox: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(inbox):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if DONE in files:
            yield Path(top)


def _integrity_fault(folder: Path) -> str | None:
    """Return the first violation of SHA256SUMS, or None."""
    try:
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        for name, digest in digests.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return f"{name} does not match SHA256SUMS"
    except (OSError, ValueError) as fault:
        return f"cannot be read: {type(fault).__name__}"
    unlisted = {path.name for path in folder.iterdir()} - digests.keys() - {"SHA256SUMS", DONE}
    return f"SHA256SUMS does not list {', '.join(sorted(unlisted))}" if unlisted else None


def _read_letters(folder: Path, reference: str) -> Iterator[Received]:
    """Yield an entry per letter; letters with the same PDF share its bytes."""
    contents: dict[str, bytes] = {}
    manifest = folder / "manifest.json"
    if not manifest.exists():
        yield from _from_address_lists(folder, reference)
        return
    for letter in orjson.loads(manifest.read_bytes())["letters"]:
        files = [file["file"] for file in letter["files"]]
        digest = letter["files"][0]["sha256"] if files else ""
        if files and digest not in contents:
            contents[digest] = (folder / files[0]).read_bytes()
        yield Received(
            channel="snail_mail",
            provider=PROVIDER,
            recipient=", ".join(" ".join(line.split()) for line in letter["lines"])
            or "(in the window)",
            sender=letter.get("department", ""),
            text=", ".join(files),
            key=letter["delivery"],
            reference=reference,
            raw=contents.get(digest, b""),
        )


def _from_address_lists(folder: Path, reference: str) -> Iterator[Received]:
    """Yield an entry per row of the address lists, with the first PDF of the batch."""
    pdfs = sorted(folder.glob("*.pdf"))
    raw = pdfs[0].read_bytes() if pdfs else b""
    for path in sorted(folder.glob("sandlista-*.csv")):
        with path.open(encoding="iso-8859-1", newline="") as file:
            for row in csv.DictReader(file):
                name, care_of, street, apartment, code, city = list(row.values())[:6]
                recipient = ", ".join(
                    part
                    for part in (name, care_of, f"{street} {apartment}".strip(), f"{code} {city}")
                    if part
                )
                text = pdfs[0].name if pdfs else ""
                yield Received(
                    "snail_mail",
                    PROVIDER,
                    recipient,
                    folder.parent.name,
                    text,
                    reference=reference,
                    raw=raw,
                )
