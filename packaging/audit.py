"""Compare pinned packages with the known vulnerabilities that PyPI serves, by pip-audit.

Usage: ``audit.py requirements.txt``. Exit status: 0 no known vulnerability, 1 some, 2 unknown:
PyPI could not be reached, or it (or the mirror in its place) serves no data about vulnerabilities.
A mirror that has none answers as if nothing were known, so one release with published
vulnerabilities is looked up first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: A release whose vulnerabilities are published (PYSEC-2024-24 and others).
CONTROL = "aiohttp==3.9.1"
NONE_KNOWN, VULNERABLE, UNKNOWN = 0, 1, 2

Query = Callable[[Path], "dict[str, Any] | str"]


def query(requirements: Path) -> dict[str, Any] | str:
    """Return pip-audit's report on the pins, or why there is none, as one sentence."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--disable-pip", "--no-deps", "--vulnerability-service", "pypi"]
    command += ["--format", "json", "--desc", "off", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"pip-audit ended with exit status {done.returncode}"
    return report


def audit(requirements: Path, query: Query = query) -> tuple[int, list[str]]:
    """Return the exit status and the lines that say why."""
    if why := _why_unknown(query):
        return UNKNOWN, [f"not audited: {why}"]
    report = query(requirements)
    if isinstance(report, str):
        return UNKNOWN, [f"not audited: {report}"]
    pins = report["dependencies"]
    skipped = [pin for pin in pins if "skip_reason" in pin]
    lines = [f"not audited: {pin['name']}: {pin['skip_reason']}" for pin in skipped]
    found = [(pin, vulnerability) for pin in pins for vulnerability in pin.get("vulns", ())]
    for pin, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no release yet"
        lines.append(f"{pin['name']} {pin['version']}: {vulnerability['id']}; fixed in {fixed}")
    audited = len(pins) - len(skipped)
    lines.append(f"{audited} of {len(pins)} pins audited, {len(found)} known vulnerabilities")
    return VULNERABLE if found else UNKNOWN if skipped or not pins else NONE_KNOWN, lines


def _why_unknown(query: Query) -> str | None:
    """Return why the data about vulnerabilities cannot be had, or None if it can."""
    with tempfile.TemporaryDirectory() as folder:
        control = Path(folder) / "control.txt"
        control.write_text(CONTROL + "\n")
        report = query(control)
    if isinstance(report, str):
        return report
    if not any(pin.get("vulns") for pin in report["dependencies"]):
        return (
            f"PyPI, or the mirror in its place, names no vulnerability of {CONTROL}, which has"
            " some: it serves no such data"
        )
    return None


if __name__ == "__main__":
    status, lines = audit(Path(sys.argv[1]))
    print(*lines, sep="\n")
    sys.exit(status)
