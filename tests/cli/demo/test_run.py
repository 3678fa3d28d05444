"""Tests of the demo as a process: the ledgers agree, and nothing is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import open_folder
from utskick.cli.demo import server_process
from utskick.domain.errors import Unreadable

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demo")]


def started(folder: Path) -> subprocess.Popen[str]:
    """Start the demo with temporary files in ``folder`` and a setting that must not reach it."""
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
    environment["UTSKICK_DATABASE__URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    command = [sys.executable, "-m", "utskick", "demo"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("utskick-test-demo.")
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_ledgers_agree_and_nothing_stays_behind(folder: Path) -> None:
    process = started(folder)
    try:
        output, _ = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "The ledgers agree." in output
    assert re.search(r"sms +1001 ", output), output
    assert re.search(r"email +1001 ", output), output
    for row in (
        "digital mail",
        "digital invoice",
        "letter: mailbox",
        "letter: paper",
        "snail mail",
        "web message",
        "slack",
        "push",
        "message: SMS",
    ):
        assert re.search(rf"{row} +[1-9]", output), (row, output)
    assert "WRONG" not in output
    assert list(folder.iterdir()) == []


def test_stopped_halfway_it_ends_its_service_and_removes_its_folder(folder: Path) -> None:
    process = started(folder)
    try:
        assert process.stdout is not None
        output = ""
        while "Up after" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        (service,) = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not alive(service)
    assert list(folder.iterdir()) == []
    time.sleep(0.1)
    assert not any(str(folder) in line for line in command_lines())


def command_lines() -> list[str]:
    """Return the command lines of all processes on the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:  # the process ended meanwhile
            continue
    return found


def test_a_folder_that_is_kept_is_emptied_only_of_what_a_demo_left(tmp_path: Path) -> None:
    with server_process.folder(tmp_path / "new" / "kept") as folder:
        (folder / "serve.log").write_text("x")
        (folder / "ready.json").write_text("{}")
    with server_process.folder(folder) as again:
        assert not (again / "ready.json").exists()
    (folder / "taxes.ods").write_text("x")
    with (
        pytest.raises(Unreadable, match="contains files that are not from a demo"),
        server_process.folder(folder),
    ):
        pass
    assert (folder / "taxes.ods").exists()
