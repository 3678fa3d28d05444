"""The guides for extensions work as written: their code is applied to a copy of the source, and its tests are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read

GUIDES = ["docs/how-to/add-an-sms-provider.md", "docs/how-to/add-a-channel.md"]


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_that_is_followed_to_the_letter_gives_passing_tests(
    guide: str, tmp_path: Path
) -> None:
    copy = tmp_path / "utskick"
    for part in ("src", "clients", "tests", "pyproject.toml", ".importlinter", "docs"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / part)
    changed = sorted(follow(read(guide), copy))
    paths = os.pathsep.join(str(copy / part) for part in ("src", "clients/python/src", "."))
    tests = [path for path in changed if Path(path).name.startswith("test_")]
    modules = [path for path in changed if path.endswith(".py")]
    for command in (
        ["pytest", "-p", "no:xdist", *tests, "tests/docs/test_reason_codes.py"],
        ["ruff", "check", *modules],
        ["ruff", "format", "--check", *modules],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def follow(guide: str, folder: Path) -> set[str]:
    """Create the files and make the changes of a guide, and return their paths. The first line of a
    block names the file."""
    changed = set()
    for language, block in re.findall(r"^```(python|diff)\n(.*?)^```$", guide, re.M | re.S):
        title, _, text = block.partition("\n")
        name = title.removeprefix("# ")
        changed.add(name)
        path = folder / name
        if language == "python":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        else:
            lines = text.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            found = path.read_text()
            assert found.count(before) == 1, (
                f"{title} has this {found.count(before)} times, once is needed:\n{before}"
            )
            path.write_text(found.replace(before, after))
    return changed
