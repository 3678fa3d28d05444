"""Fixtures of the CLI tests: a real service for the session, and a command runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.client.conftest import wire  # noqa: F401 - the fixture
from utskick.auth import sandbox_client
from utskick.cli import console, main
from utskick.cli.demo import server_process


@dataclass(frozen=True)
class Service:
    """Running service; ``folder`` is its data folder."""

    url: str
    viewer: str
    pid: int
    folder: Path

    @property
    def client(self) -> tuple[str, str]:
        """Return id and secret of the sandbox client."""
        found = sandbox_client.read(self.folder / sandbox_client.FILE)
        assert found is not None
        return found

    def copies(self, recipient: str) -> list[dict[str, Any]]:
        """Return the copies that a citizen received."""
        with urlopen(
            f"{self.viewer}/ledger?limit=1000&recipient={quote(recipient)}", timeout=10
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["entries"]
            return found


@dataclass(frozen=True)
class Done:
    """Exit status and output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with server_process.folder() as folder:
        ready, log = folder / "ready.json", folder / "serve.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("UTSKICK_")}
        for name, value in {
            "HTTP__PORT": 0,
            "SANDBOX__HTTP_PORT": 0,
            "SANDBOX__SMTP_PORT": 0,
            "SANDBOX__HTTPS_PORT": 0,
            "SANDBOX__SFTP_PORT": 0,
            "DATA__FOLDER": folder / "data",
        }.items():
            environment[f"UTSKICK_{name}"] = str(value)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "utskick", "serve", "--ready-file", str(ready)],
                env=environment,
                stdout=out,
                stderr=out,
            )
        try:
            limit = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(0.05)
            values = json.loads(ready.read_text())
            assert values["pid"] == process.pid
            yield Service(values["api"], values["viewer"], values["pid"], folder / "data")
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait(10)


@pytest.fixture
def utskick(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command in this process."""
    for name in [name for name in os.environ if name.startswith("UTSKICK_")]:
        monkeypatch.delenv(name)
    for output in (console.stdout, console.stderr):  # wide enough to avoid line breaks
        monkeypatch.setattr(output, "width", 200)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["utskick", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def service_cli(utskick: Command, service: Service, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the runner with the service's address and client in the environment."""
    monkeypatch.setenv("UTSKICK_URL", service.url)
    monkeypatch.setenv("UTSKICK_CLIENT_ID", service.client[0])
    monkeypatch.setenv("UTSKICK_CLIENT_SECRET", service.client[1])
    return utskick
