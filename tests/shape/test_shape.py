"""Tests of the repository: sizes, errors, settings, docstrings and committed paths."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.shape.sizes import ROOT, measure
from utskick.auth.settings import AuthSection
from utskick.channels.registry import CHANNELS
from utskick.directory.settings import DirectorySection
from utskick.domain.errors import UtskickError
from utskick.settings import Settings


def test_files_and_functions_are_within_the_limits() -> None:
    for folder in ("src", "clients"):
        assert measure(ROOT / folder)[0] == []


def errors() -> Iterator[type[UtskickError]]:
    waiting = [UtskickError]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.__subclasses__()


def test_every_error_has_a_unique_code_and_a_docstring() -> None:
    found = list(errors())
    codes = [error.code for error in found]
    assert len(codes) == len(set(codes))
    assert all(error.__doc__ for error in found)


def test_every_error_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    missing = [error.code for error in errors() if f"`{error.code}`" not in text]
    assert missing == []


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    names = [
        *settings_of(Settings),
        *settings_of(DirectorySection, "directory."),
        *settings_of(AuthSection, "auth."),
        *(n for entry in CHANNELS.values() for n in settings_of(entry.section)),
    ]
    missing = [
        name
        for name in names
        if not re.search(rf"`{re.escape(name)}[.`]", text)
        and f".{name.rpartition('.')[2]}`" not in text
    ]
    assert missing == []


def committed() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.splitlines()]


def test_no_registry_address_and_no_local_path_is_committed() -> None:
    wrong = re.compile(
        rb"pypi\.org|files\.pythonhosted|--index-url|--find-links|/work/(?:main|shared)|/root/"
    )
    for path in committed():
        if path.is_file() and path != Path(__file__):
            assert not wrong.search(path.read_bytes()), path


def test_every_module_has_a_docstring() -> None:
    for path in (*(ROOT / "src").rglob("*.py"), *(ROOT / "clients").rglob("*.py")):
        text = path.read_text()
        assert not text.strip() or text.startswith('"""'), path
    banned = {
        "utils",
        "common",
        "helpers",
        "misc",
        "base",
        "manager",
        "service_layer",
        "handler",
        "processor",
    }
    assert not [p for p in (ROOT / "src").rglob("*.py") if p.stem in banned]
