"""Ctrl-C ends every command with 130, wherever it waits. Real processes, pipes and terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from utskick.cli.demo import server_process

#: A command that waits longer than this has hung.
_LIMIT = 60


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UTSKICK_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def running(
    arguments: Sequence[str], stdin: int = subprocess.DEVNULL, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "utskick", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**more),
        # Background jobs of a shell inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[bytes]) -> int:
    limit = time.monotonic() + _LIMIT
    while time.monotonic() < limit:
        # Again, as a person would: one that comes between two system calls is not noticed.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            _, errors = process.communicate(timeout=5)
            assert b"Traceback" not in errors, errors.decode()
            return process.returncode
    raise AssertionError("the command does not end")


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_LIMIT)
        yield listener


@pytest.mark.parametrize(
    "command",
    ["batch email", "batch sms", "send email", "send sms", "status", "status --watch"],
)
def test_while_the_service_does_not_answer(
    silent: socket.socket, tmp_path: Path, command: str
) -> None:
    (tmp_path / "l.csv").write_text("Mobil;E-post\n0701740605;anna@example.se\n")
    address = f"http://127.0.0.1:{silent.getsockname()[1]}"
    name, *rest = command.split()
    arguments = {
        "send": ["--to", "0701740605" if rest == ["sms"] else "anna@example.se"],
        "batch": [str(tmp_path / "l.csv"), "--yes"],
        "status": ["01a20ab8-94ce-72fa-84a3-44e942e37c70"],
    }[name]
    if name != "status":
        arguments += ["--message", "Hej", *(["--subject", "Hej"] if rest == ["email"] else [])]
    with running([name, *rest, *arguments, "--url", address], UTSKICK_TOKEN="a.b.c") as process:
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            assert interrupted(process) == 130


@pytest.mark.parametrize("command", ["batch", "directory", "import"])
def test_while_a_file_is_read(tmp_path: Path, command: str) -> None:
    pipe = tmp_path / "people.csv"
    os.mkfifo(pipe)
    arguments = {
        "batch": ["batch", "sms", str(pipe), "--message", "Hej", "--dry-run"],
        "directory": ["directory", "import", str(pipe), "--dry-run"],
        "import": ["import", "history", str(pipe), "--dry-run"],
    }[command]
    with (
        running(arguments, UTSKICK_DATA__FOLDER=str(tmp_path / "data")) as process,
        pipe.open("wb", buffering=0) as writer,  # opens when the command reads
    ):
        writer.write(b"a")
        assert interrupted(process) == 130


def test_while_standard_input_is_read(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("Mobil\n0701740605\n")
    arguments = ["batch", "sms", str(tmp_path / "l.csv"), "--message", "-", "--dry-run"]
    with running(arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        # More than a pipe holds: when it is written, the command reads.
        process.stdin.write(b"a" * 300_000)
        process.stdin.flush()
        assert interrupted(process) == 130


@pytest.mark.parametrize(
    ("answer", "status"), [(b"\x03", 130), (b"n\n", 1), (b"\x04", 1)], ids=["ctrl-c", "no", "end"]
)
def test_at_a_question_in_a_narrow_terminal(tmp_path: Path, answer: bytes, status: int) -> None:
    (tmp_path / "l.csv").write_text("Namn;Mobil\nÅsa;0701740605\nBo;fel\n")
    command = ["batch", "sms", str(tmp_path / "l.csv"), "--message", "Hej"]
    process, terminal = pty.fork()
    if process == 0:
        os.environ.clear()
        os.environ.update(environment(COLUMNS="30", TERM="xterm"))
        os.execv(sys.executable, [sys.executable, "-m", "utskick", *command])
    try:
        shown = _until(terminal, b"recipients? [y/N]:")
        os.write(terminal, answer)
        ended = _end(process, terminal)
    finally:
        os.close(terminal)
    assert ended == status, shown
    assert "is not a phone" in shown
    assert all(len(line) <= 30 for line in shown.replace("\r", "").split("\n") if "│" in line)


def _until(terminal: int, end: bytes) -> str:
    shown, limit = b"", time.monotonic() + _LIMIT
    while end not in shown:
        assert time.monotonic() < limit, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def _end(process: int, terminal: int) -> int:
    """Return the exit status, reading what is still written so that it can end."""
    limit = time.monotonic() + _LIMIT
    while time.monotonic() < limit:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # the other end is closed
                time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError("the command does not end")


@pytest.mark.journey
def test_of_the_service_it_is_an_orderly_stop() -> None:
    ports = ("HTTP__PORT", *(f"SANDBOX__{name}_PORT" for name in ("HTTP", "SMTP", "HTTPS", "SFTP")))
    settings = {f"UTSKICK_{name}": "0" for name in ports}
    with server_process.folder() as folder:
        ready = folder / "ready.json"
        settings["UTSKICK_DATA__FOLDER"] = str(folder / "data")
        _stop(ready, settings)


def _stop(ready: Path, settings: dict[str, str]) -> None:
    limit = time.monotonic() + _LIMIT
    with running(["serve", "--ready-file", str(ready)], **settings) as process:
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        assert json.loads(ready.read_text())["pid"] == process.pid
        assert interrupted(process) == 130


def test_the_help_names_every_exit_status() -> None:
    for command in ([], ["batch", "sms"], ["send", "email"], ["status"], ["check"]):
        found = subprocess.run(
            [sys.executable, "-m", "utskick", *command, "--help"],
            capture_output=True,
            env=environment(COLUMNS="200"),
            check=True,
        )
        assert "Exit status: 0 done; 1 not done" in found.stdout.decode()
        assert "130 Ctrl-C" in found.stdout.decode()
