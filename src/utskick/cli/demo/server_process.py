"""Service process of the demo: ``utskick serve`` on free ports with its own data folder."""

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
#: Names that a demo leaves in its folder.
_LEFT: Final = frozenset({"data", "ready.json", "serve.log"})
#: Short retry intervals, to finish the demo within a minute.
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
    """The service of the demo did not start; the end of its log is printed."""

    code, status, title = "demo-not-started", 500, "Demo Not Started"


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Addresses of the service and of the sandbox's viewer."""

    api: str
    viewer: str
    pid: int


@contextmanager
def folder(keep: Path | None = None) -> Iterator[Path]:
    """Yield a new temporary folder, or the emptied folder ``keep``.

    Other users may enter it, since PostgreSQL does not run as root. Raises ``Unreadable`` if
    ``keep`` contains other files than those of a demo.
    """
    if keep is not None:
        yield _emptied(keep.absolute())
        return
    made = Path(tempfile.mkdtemp(prefix="utskick-demo."))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _emptied(keep: Path) -> Path:
    foreign = {result.name for result in keep.iterdir()} - _LEFT if keep.is_dir() else set()
    if foreign:
        raise Unreadable(
            f"{keep} contains files that are not from a demo ({sorted(foreign)[0]}); name "
            "an empty or a new folder"
        )
    if (keep / "data").exists():
        _end_database(keep / "data")  # of an earlier demo that was killed
        shutil.rmtree(keep / "data")
    keep.mkdir(parents=True, exist_ok=True)
    (keep / "ready.json").unlink(missing_ok=True)
    return keep


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[ServerUrls]:
    """Start the service, and stop it by SIGTERM on exit."""
    ready = folder / "ready.json"
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "utskick",
            "serve",
            "--ready-file",
            str(ready),
            env=_environment(folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield await _ready(process, ready, folder / "serve.log")
    finally:
        await _end(process, folder / "data")


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment without the user's settings, which may lead to real providers."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("UTSKICK_") and name != "CREDENTIALS_DIRECTORY"
    }
    return {**keep, **_SETTINGS, "UTSKICK_DATA__FOLDER": str(folder / "data")}


async def _ready(process: asyncio.subprocess.Process, ready: Path, log: Path) -> ServerUrls:
    for _ in range(_START * 20):
        if process.returncode is not None:
            raise NotStarted(
                f"the service ended with status {process.returncode}. End of its log:\n{_tail(log)}"
            )
        if (result := _read(ready)) is not None:
            return result
        await asyncio.sleep(0.05)
    raise NotStarted(f"the service was not up after {_START} s. End of its log:\n{_tail(log)}")


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
    """Stop the database of a killed service, by connecting as its last user and leaving."""
    embedded = Embedded(data)
    embedded.start()
    embedded.stop()
