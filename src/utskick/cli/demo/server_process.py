"""The service of the demo: ``utskick serve`` as a process of its own, on free ports, in a folder
that goes with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from utskick.channels.registry import CHANNELS
from utskick.domain.errors import Unreadable, UtskickError
from utskick.store.embedded import Embedded

_START, _STOP = 90, 30
#: What is in the folder of a demo.
_LEFT: Final = frozenset({"data", "ready.json", "serve.log"})
#: Retries come soon enough to be watched.
_SETTINGS: Final = {
    "UTSKICK_HTTP__PORT": "0",
    "UTSKICK_SANDBOX__ENABLED": "true",
    "UTSKICK_SANDBOX__HTTP_PORT": "0",
    "UTSKICK_SANDBOX__SMTP_PORT": "0",
    "UTSKICK_SANDBOX__HTTPS_PORT": "0",
    "UTSKICK_SANDBOX__SFTP_PORT": "0",
    "UTSKICK_RETRY": orjson.dumps(
        {name: {"first": 0.5, "ceiling": 4} for name in CHANNELS}
    ).decode(),
}


class NotStarted(UtskickError):
    """The service of the demo did not come up; its last words are shown."""

    code, status, title = "demo-not-started", 500, "Demo Not Started"


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where the service and the sandbox's viewer are."""

    api: str
    viewer: str
    pid: int


@contextmanager
def folder(kept: Path | None = None) -> Iterator[Path]:
    """A new folder, removed in the end, or ``kept``, emptied in the beginning. Others may pass
    through it: as root, PostgreSQL runs as somebody else.

    Raises ``Unreadable`` where ``kept`` holds what no demo has left there.
    """
    if kept is not None:
        yield _emptied(kept.absolute())
        return
    made = Path(tempfile.mkdtemp(prefix="utskick-demo."))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _emptied(kept: Path) -> Path:
    strange = {found.name for found in kept.iterdir()} - _LEFT if kept.is_dir() else set()
    if strange:
        raise Unreadable(
            f"{kept} holds something that no demo has left there ({sorted(strange)[0]}); name an empty or a new folder"
        )
    if (kept / "data").exists():
        _end_database(kept / "data")  # of an earlier demo that was killed
        shutil.rmtree(kept / "data")
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "ready.json").unlink(missing_ok=True)
    return kept


@asynccontextmanager
async def serving(place: Path) -> AsyncIterator[ServerUrls]:
    """Ended by SIGTERM, whatever happens in between."""
    ready = place / "ready.json"
    with (place / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "utskick",
            "serve",
            "--ready-file",
            str(ready),
            env=_environment(place),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield await _ready(process, ready, place / "serve.log")
    finally:
        await _end(process, place / "data")


def _environment(place: Path) -> dict[str, str]:
    """Without the settings of whoever runs the demo: theirs may lead to a real database, and to
    real providers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("UTSKICK_") and name != "CREDENTIALS_DIRECTORY"
    }
    return {**kept, **_SETTINGS, "UTSKICK_DATA__FOLDER": str(place / "data")}


async def _ready(process: asyncio.subprocess.Process, ready: Path, log: Path) -> ServerUrls:
    for _ in range(_START * 20):
        if process.returncode is not None:
            raise NotStarted(
                f"the service ended with status {process.returncode}. Its last words:\n{_tail(log)}"
            )
        if (found := _read(ready)) is not None:
            return found
        await asyncio.sleep(0.05)
    raise NotStarted(f"the service was not up after {_START} s. Its last words:\n{_tail(log)}")


def _read(ready: Path) -> ServerUrls | None:
    return ServerUrls(**orjson.loads(ready.read_bytes())) if ready.exists() else None


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _end(process: asyncio.subprocess.Process, data: Path) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP)
    except TimeoutError:
        process.kill()
        await process.wait()
        await asyncio.to_thread(_end_database, data)


def _end_database(data: Path) -> None:
    """A killed service leaves its database running: join it, and leave as the last one."""
    embedded = Embedded(data)
    embedded.start()
    embedded.stop()
