"""A printing house: an SFTP server whose inbox is emptied into envelopes. What is whole is printed,
what is half there is not touched."""

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
#: The login. It guards nothing: no letter here is printed.
USERNAME, PASSWORD = "utskick", "sandbox"
#: Seconds between looks into the inbox, for what came in by another way than SFTP.
_GLANCE: Final = 0.25
_KEY: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def home(place: SandboxAddresses) -> Path:
    return place.folder / "print_house"


def section(place: SandboxAddresses) -> dict[str, Any]:
    """The channel's settings that make it hand over to a printing house at this place."""
    account = {
        "provider": "sftp",
        "host": HOST,
        "port": place.sftp_port,
        "username": USERNAME,
        "password": PASSWORD,
        "known_hosts": str(home(place) / "known_hosts"),
        "connect_timeout": 2,
        "read_timeout": 5,
    }
    return {"accounts": {PROVIDER: account}}


class PrintHouse:
    """``sandbox.place.Simulator``. ``refused``: folders with a done marker that were not whole, and
    why."""

    def __init__(self, ledger: Ledger, faults: Faults, place: SandboxAddresses) -> None:
        self._home = home(place)
        self._wanted = place.sftp_port
        self._script = _Script(faults)
        self._room = _Room(self._home / "inbox", ledger)
        self._server: asyncssh.SSHAcceptor | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def inbox(self) -> Path:
        return self._home / "inbox"

    @property
    def refused(self) -> dict[str, str]:
        return self._room.refused

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the printing house has not been started")
        return self._server.get_port()

    def routes(self) -> list[web.RouteDef]:
        return []

    async def start(self) -> None:
        asyncssh.set_log_level(logging.ERROR)
        self.inbox.mkdir(parents=True, exist_ok=True)
        key = await asyncio.to_thread(_host_key, self._home / "host_key")
        self._room.skip()
        self._server = await asyncssh.listen(
            HOST,
            self._wanted,
            server_host_keys=[key],
            server_factory=lambda: _Door(self._script),
            sftp_factory=lambda channel: _Inbox(channel, self.inbox, self._script, self._room.news),
            session_factory=None,
            config=[],
        )
        _make_known(self._home, self.port)
        self._watch = asyncio.create_task(self._room.watch())

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


def furnish(place: SandboxAddresses) -> None:
    """The house's key and where it is known from, where they are not there yet."""
    (home(place) / "inbox").mkdir(parents=True, exist_ok=True)
    if not (home(place) / "known_hosts").exists():
        _make_known(home(place), place.sftp_port)


def _make_known(folder: Path, port: int) -> None:
    key = _host_key(folder / "host_key")
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {key.export_public_key().decode()}")


def _host_key(path: Path) -> asyncssh.SSHKey:
    if not path.exists():
        made = asyncssh.generate_private_key("ssh-ed25519")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made.export_private_key())
    return asyncssh.read_private_key(str(path))


class _Script:
    """The fault script as this house asks it: about one fault at a time. The recipient is the
    hand-over's key, or the login's name."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def strikes(self, fault: ProviderFault, recipient: str) -> float | None:
        """Seconds of the rule, when it strikes."""
        if not any(
            rule.fault is fault and rule.provider in (None, PROVIDER) for rule in self._faults.rules
        ):
            return None
        rule = self._faults.strike(PROVIDER, recipient)
        return rule.seconds if rule is not None and rule.fault is fault else None


class _Door(asyncssh.SSHServer):
    """One connection's login."""

    def __init__(self, script: _Script) -> None:
        self._script = script

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if self._script.strikes(ProviderFault.LOGIN, username) is not None:
            return False
        return (username, password) == (USERNAME, PASSWORD)


class _Inbox(asyncssh.SFTPServer):
    """One session below the inbox."""

    def __init__(
        self,
        channel: asyncssh.SSHServerChannel[bytes],
        root: Path,
        script: _Script,
        news: asyncio.Event,
    ) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._connection = channel.get_connection()
        self._script = script
        self._news = news
        self._dropping: set[int] = set()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        who = _key_of(path)
        if pflags & asyncssh.FXF_WRITE:
            if self._script.strikes(ProviderFault.REFUSE, who) is not None:
                raise asyncssh.SFTPPermissionDenied("no rights to write here")
            if self._script.strikes(ProviderFault.TEMPORARY, who) is not None:
                raise asyncssh.SFTPFailure("no space left on device")
        file = super().open(path, pflags, attrs)
        if (
            pflags & asyncssh.FXF_WRITE
            and self._script.strikes(ProviderFault.DROP, who) is not None
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
        """As OpenSSH: a name that is there is not replaced."""
        self._replace_nothing(newpath)
        super().rename(oldpath, newpath)
        if any(part.startswith(b".") for part in newpath.split(b"/") if part not in (b".", b"..")):
            return
        self._news.set()
        pause = self._script.strikes(ProviderFault.TIMEOUT, _key_of(oldpath))
        if pause is not None:
            await asyncio.sleep(pause)

    def _replace_nothing(self, path: bytes) -> None:
        if os.path.lexists(self.map_path(path)):
            raise asyncssh.SFTPFailure("there is something of this name")


def _key_of(path: bytes) -> str:
    found = _KEY.search(path)
    return found[0].decode() if found else ""


class _Room:
    """Where folders are opened: those with a done marker, each once."""

    def __init__(self, inbox: Path, ledger: Ledger) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._seen: set[Path] = set()
        self.news = asyncio.Event()
        self.refused: dict[str, str] = {}

    def skip(self) -> None:
        """What lay there before the house opened was printed by another."""
        self._seen.update(_complete(self._inbox))

    async def watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), _GLANCE)
            self.news.clear()
            for folder in await asyncio.to_thread(
                lambda: sorted(set(_complete(self._inbox)) - self._seen)
            ):
                self._seen.add(folder)
                for letter in await asyncio.to_thread(self._open, folder):
                    self._ledger.add(letter)

    def _open(self, folder: Path) -> list[Received]:
        name = str(folder.relative_to(self._inbox))
        fault = _broken(folder)
        if fault is not None:
            self.refused[name] = fault
            return []
        return list(_letters(folder, name))


def _complete(inbox: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(inbox):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if DONE in files:
            yield Path(top)


def _broken(folder: Path) -> str | None:
    """The first file that is not as SHA256SUMS says, or that it does not name."""
    try:
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        for name, digest in listed.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return f"{name} is not what SHA256SUMS says"
    except (OSError, ValueError) as fault:
        return f"cannot be read: {type(fault).__name__}"
    more = {path.name for path in folder.iterdir()} - listed.keys() - {"SHA256SUMS", DONE}
    return f"SHA256SUMS does not name {', '.join(sorted(more))}" if more else None


def _letters(folder: Path, reference: str) -> Iterator[Received]:
    """One entry for each letter. The bytes of a PDF are held once, however many letters share
    it."""
    held: dict[str, bytes] = {}
    manifest = folder / "manifest.json"
    if not manifest.exists():
        yield from _listed(folder, reference)
        return
    for letter in orjson.loads(manifest.read_bytes())["letters"]:
        files = [file["file"] for file in letter["files"]]
        digest = letter["files"][0]["sha256"] if files else ""
        if files and digest not in held:
            held[digest] = (folder / files[0]).read_bytes()
        yield Received(
            channel="snail_mail",
            provider=PROVIDER,
            recipient=", ".join(" ".join(line.split()) for line in letter["lines"])
            or "(in the window)",
            sender=letter.get("department", ""),
            text=", ".join(files),
            key=letter["delivery"],
            reference=reference,
            raw=held.get(digest, b""),
        )


def _listed(folder: Path, reference: str) -> Iterator[Received]:
    """As printing houses work today: the address list, and the first PDF for everybody on it."""
    pdfs = sorted(folder.glob("*.pdf"))
    raw = pdfs[0].read_bytes() if pdfs else b""
    for path in sorted(folder.glob("sandlista-*.csv")):
        with path.open(encoding="iso-8859-1", newline="") as file:
            for row in csv.DictReader(file):
                name, care_of, street, flat, code, city = list(row.values())[:6]
                recipient = ", ".join(
                    part
                    for part in (name, care_of, f"{street} {flat}".strip(), f"{code} {city}")
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
