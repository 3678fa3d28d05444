"""The embedded server's socket folder: others cannot make it first, and no link is followed."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from utskick.store import private_folder
from utskick.store.private_folder import NotPrivate, socket_folder, take

NOBODY = 65_534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    found = tmp_path / "tmp"
    found.mkdir(mode=0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(found))
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return found


def found(tmp_path: Path) -> Path:
    return socket_folder(tmp_path / "note", os.geteuid(), os.getegid(), 90)


def test_it_is_private_and_the_same_for_all_processes(base: Path, tmp_path: Path) -> None:
    one = found(tmp_path)
    assert (one.parent, found(tmp_path)) == (base, one)
    mode = one.lstat()
    assert (mode.st_uid, stat.S_IMODE(mode.st_mode)) == (os.geteuid(), 0o700)
    other = tmp_path / "other"
    other.mkdir()
    assert found(other) != one, "of another data folder: the name cannot be guessed"


def test_one_that_is_gone_or_open_to_others_is_replaced(base: Path, tmp_path: Path) -> None:
    one = found(tmp_path)
    one.rmdir()
    two = found(tmp_path)
    assert two.is_dir()
    two.chmod(0o755)
    three = found(tmp_path)
    assert three not in (one, two)
    three.rmdir()
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    three.symlink_to(mine)
    assert found(tmp_path) not in (three, mine)
    (tmp_path / "note").write_bytes(b"\xff")
    assert found(tmp_path).parent == base


@as_root
def test_one_that_somebody_else_made_is_neither_used_nor_given_away(
    base: Path, tmp_path: Path
) -> None:
    theirs = base / "utskick-theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, NOBODY, NOBODY)
    (tmp_path / "note").write_text(str(theirs))
    assert found(tmp_path) != theirs
    with pytest.raises(NotPrivate, match="belongs to user 65534"):
        take(theirs, 0, 0)
    assert theirs.stat().st_uid == NOBODY


@as_root
def test_no_owner_is_changed_through_a_link(base: Path, tmp_path: Path) -> None:
    """As found: a link in /tmp gave any folder of root's to the service user."""
    target = tmp_path / "etc"
    target.mkdir(mode=0o755)
    link = base / "utskick-link"
    link.symlink_to(target)
    with pytest.raises(NotPrivate, match="is a link"):
        take(link, NOBODY, NOBODY)
    assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o755)


def test_a_runtime_folder_is_preferred_where_the_server_can_enter_it(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_folder.os, "geteuid", lambda: 1000)
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert private_folder._base(len(str(runtime)) + 20) == runtime
    assert private_folder._base(len(str(runtime)) + 5) == base, "a socket's path has a limit"
    monkeypatch.setenv("RUNTIME_DIRECTORY", "relative")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    assert private_folder._base(200) == base
