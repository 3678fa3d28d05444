"""The tools of ``make wheel`` and ``make audit``."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest

TOOLS = Path(__file__).parents[2] / "packaging"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pin(name: str, *found: str) -> dict[str, Any]:
    vulns = [{"id": one, "fix_versions": ["2.0"]} for one in found]
    return {"name": name, "version": "1.0", "vulns": vulns}


SKIPPED = {"name": "beta", "skip_reason": "not found"}
CONTROL = {"dependencies": [pin("aiohttp", "PYSEC-1")]}
NO_DATA = {"dependencies": [pin("aiohttp")]}


@pytest.mark.parametrize(
    ("control", "report", "status", "line"),
    [
        (CONTROL, {"dependencies": [pin("alpha")]}, 0, "1 of 1 pins audited, 0 known"),
        (CONTROL, {"dependencies": [pin("alpha", "CVE-1")]}, 1, "alpha 1.0: CVE-1; fixed in 2.0"),
        (CONTROL, {"dependencies": [pin("alpha", "CVE-1"), SKIPPED]}, 1, "beta: not found"),
        (CONTROL, {"dependencies": [pin("alpha"), SKIPPED]}, 2, "not audited: beta: not found"),
        (CONTROL, {"dependencies": []}, 2, "0 of 0 pins"),
        (CONTROL, "connection refused", 2, "not audited: connection refused"),
        ("connection refused", None, 2, "not audited: connection refused"),
        (NO_DATA, None, 2, "it serves no such data"),
        ({"dependencies": [SKIPPED]}, None, 2, "it serves no such data"),
    ],
)
def test_an_audit_never_says_that_nothing_is_known_without_data(
    control: Any, report: Any, status: int, line: str, tmp_path: Path
) -> None:
    requirements = tmp_path / "requirements.txt"

    def query(asked: Path) -> Any:
        return report if asked == requirements else control

    found, lines = tool("audit").audit(requirements, query)
    assert found == status
    assert any(line in one for one in lines), lines


def wheel(folder: Path, content: str) -> Path:
    path = folder / "trial-1.0-py3-none-any.whl"
    metadata = "trial-1.0.dist-info"
    with ZipFile(path, "w") as archive:
        archive.writestr("trial.py", content)
        archive.writestr(
            f"{metadata}/METADATA", "Metadata-Version: 2.1\nName: trial\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{metadata}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{metadata}/RECORD", "")
    return path


def install(folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--disable-pip-version-check"]
    command += ["--no-index", "-f", str(folder), "--require-hashes"]
    command += ["--requirement", str(folder / "requirements.txt"), "--target", str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_pip_refuses_a_wheel_that_is_not_the_one_in_the_lock(tmp_path: Path) -> None:
    wheel(tmp_path, "value = 1\n")
    (tmp_path / "requirements.txt").write_text(tool("wheelhouse").lock(tmp_path))
    done = install(tmp_path, tmp_path / "good")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "good" / "trial.py").read_text() == "value = 1\n"
    wheel(tmp_path, "value = 2\n")
    done = install(tmp_path, tmp_path / "bad")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
