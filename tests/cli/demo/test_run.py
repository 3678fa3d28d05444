"""The demo itself, as a process: it agrees with itself, and leaves nothing behind."""

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
from utskick.cli.demo import server_process as child
from utskick.domain.errors import Unreadable

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demo")]


def started(folder: Path) -> subprocess.Popen[str]:
    """Its folder is made in ``folder``; settings of the caller must not reach its service."""
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
        said, _ = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "The ledgers agree." in said
    assert re.search(r"sms +1001 ", said), said
    assert re.search(r"email +1001 ", said), said
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
        assert re.search(rf"{row} +[1-9]", said), (row, said)
    assert "WRONG" not in said
    assert list(folder.iterdir()) == []


def test_stopped_halfway_it_ends_its_service_and_removes_its_folder(folder: Path) -> None:
    process = started(folder)
    try:
        assert process.stdout is not None
        said = ""
        while "Up after" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        (service,) = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not alive(service)
    assert list(folder.iterdir()) == []
    time.sleep(0.1)
    assert not any(str(folder) in line for line in _commands())


def _commands() -> list[str]:
    """What runs on the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:  # it ended while we looked
            continue
    return found


def test_a_folder_that_is_kept_is_emptied_only_of_what_a_demo_left(tmp_path: Path) -> None:
    with child.folder(tmp_path / "new" / "kept") as place:
        (place / "serve.log").write_text("x")
        (place / "ready.json").write_text("{}")
    with child.folder(place) as again:
        assert not (again / "ready.json").exists()
    (place / "taxes.ods").write_text("x")
    with (
        pytest.raises(Unreadable, match="holds something that no demo has left there"),
        child.folder(place),
    ):
        pass
    assert (place / "taxes.ods").exists()
