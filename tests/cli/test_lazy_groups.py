"""Tests that lazily imported groups exist and have the listed help text."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from click import Context
from typer.main import get_command, get_group

from utskick import __version__
from utskick.cli.commands import cli
from utskick.cli.lazy_groups import GROUPS, LazyGroups


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_exists_with_the_listed_help(name: str) -> None:
    module, text = GROUPS[name]
    typed = getattr(import_module(f"utskick.cli.{module}"), module)
    assert typed.info.help == text
    top = get_command(cli)
    assert isinstance(top, LazyGroups)
    assert list(top.get_command(Context(top), name).commands) == list(get_group(typed).commands)


def test_the_list_of_commands_needs_no_module_of_the_service() -> None:
    code = (
        "import sys; from utskick.cli import main; sys.argv[1:] = ['--help']\ntry: main()\n"
        "except SystemExit: pass\n"
    )
    code += "assert 'fastapi' not in sys.modules and 'utskick.bootstrap' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in GROUPS)


@pytest.mark.parametrize("asked", ["--version", "version"])
def test_the_version_is_printed_as_an_option_too(asked: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "utskick", asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, __version__)
