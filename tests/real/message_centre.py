"""A message centre of node-smpp's, that shares no line with ours, over TLS."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.contracts.provider import SECRET
from tests.real.server import Certificate, ForegroundServer, program

_HERE: Final = Path(__file__).parent / "centre"


class MessageCentre(ForegroundServer):
    """The process, and what it says that it saw."""

    name = "node-smpp"

    def __init__(self) -> None:
        super().__init__()
        self.port = 0

    @property
    def where(self) -> str:
        return f"smpp {self.port}"

    @property
    def ca_file(self) -> Path:
        return self.certificate.certificate

    def start(self) -> None:
        if not (_HERE / "node_modules/smpp").is_dir():
            pytest.fail("node-smpp is not installed: run tests/real/install", pytrace=False)
        self.certificate = Certificate(self.folder)
        with self._log_file("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(program("node"), _HERE / "centre.js", SECRET),
                    *(self.certificate.key, self.certificate.certificate),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=_HERE,
                env=dict(os.environ),
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not (lines := self.log().splitlines(keepends=True)) or not lines[0].endswith("\n"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the message centre does not start: {self.log()}")
            time.sleep(0.02)
        self.port = orjson.loads(lines[0])["port"]

    @property
    def seen(self) -> list[dict[str, Any]]:
        """What it saw, in order; a line that is being written is left for later."""
        lines = self.log().splitlines(keepends=True)[1:]
        return [orjson.loads(line) for line in lines if line.endswith("\n")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.seen if each["seen"] == kind]
