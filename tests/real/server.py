"""Real servers of the tests: started from a temporary folder on free loopback ports, and stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import pytest

from tests.conftest import open_folder

HOST: Final = "127.0.0.1"
#: Where Debian has servers.
_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
#: Seconds: longer than a server takes to start on a busy machine.
_START: Final = 30.0

announce: Callable[[str], None] = print


def program(name: str, *places: str) -> str:
    """Return the path of an installed program; the test fails if it is missing."""
    found = shutil.which(name, path=os.pathsep.join((_PATH, *places)))
    if found is None:
        pytest.fail(f"{name} is not installed: run tests/real/install as root", pytrace=False)
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def run(*command: str | Path, text: str | None = None) -> str:
    """Run a command to its end, and return its output; the test fails if it fails."""
    done = subprocess.run(
        [str(part) for part in command], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """A server with a folder of its own.

    ``name``: for the lines that say when it is started and stopped. ``uses``: tests that used it.
    """

    name = ""

    def __init__(self) -> None:
        self.folder = open_folder(f"utskick-real-{self.name.lower().split()[0]}.")
        self.uses = 0

    def start(self) -> None:
        """Start it; on return it accepts connections."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        raise NotImplementedError

    def log(self) -> str:
        """Return what it has logged."""
        return ""

    @property
    def where(self) -> str:
        """The ports that it listens on."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        announce(f"{self.name}: started on {HOST}, {self.where}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        announce(f"{self.name}: stopped; used by {self.uses} tests")

    def wait_for(self, *ports: int, alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until the ports accept connections."""
        deadline = time.monotonic() + _START
        for port in ports:
            while not _accepts(port):
                if not alive() or time.monotonic() > deadline:
                    pytest.fail(f"{self.name} does not listen on port {port}:\n{self.log()}")
                time.sleep(0.02)


class ForegroundServer(Server):
    """A server that is one process, in the foreground."""

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: Sequence[str | Path], *ports: int) -> None:
        """Start the process, and wait until it accepts connections."""
        with self._log_file("wb") as errors:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdout=errors,
                stderr=errors,
                cwd=self.folder,
                start_new_session=True,
            )
        process = self.process
        self.wait_for(*ports, alive=lambda: process.poll() is None)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def log(self) -> str:
        with self._log_file("rb") as log:
            return str(log.read().decode(errors="replace"))

    def _log_file(self, mode: str) -> IO[bytes]:
        return (self.folder / "server.log").open(mode)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((HOST, port)) == 0


class Certificate:
    """A self-signed certificate for the loopback address, that is its own authority."""

    def __init__(self, folder: Path) -> None:
        self.key, self.certificate = folder / "key.pem", folder / "cert.pem"
        run(
            *(program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"),
            *("-addext", f"subjectAltName=IP:{HOST},DNS:localhost"),
            *("-keyout", self.key, "-out", self.certificate),
        )


class LoginUser:
    """A user of the system, made for the tests and removed after them. Needs root."""

    password = "correct-horse-battery"

    def __init__(self) -> None:
        self.name = f"utskick{os.getpid()}"
        self.home = open_folder("utskick-real-home.")

    def __enter__(self) -> Self:
        run(program("useradd"), "--no-create-home", "--home-dir", self.home, self.name)
        run(program("chpasswd"), text=f"{self.name}:{self.password}\n")
        shutil.chown(self.home, self.name, self.name)
        announce(f"system user {self.name}: made")
        return self

    def __exit__(self, *_: object) -> None:
        run(program("userdel"), "--force", self.name)
        shutil.rmtree(self.home, ignore_errors=True)
        announce(f"system user {self.name}: removed")


class SmallDisk:
    """A file system of its own, mounted in a folder: small enough to fill. Needs root."""

    def __init__(self, folder: Path, kibibytes: int) -> None:
        self.folder = folder
        self._size = kibibytes

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={self._size}k,mode=777", "tmpfs", self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        run("umount", "--lazy", self.folder)

    def make_read_only(self) -> None:
        run("mount", "-o", "remount,ro", self.folder)

    def make_writable(self) -> None:
        run("mount", "-o", "remount,rw", self.folder)
