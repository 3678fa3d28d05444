"""Run a sample of the mutants: ``python -m tests.mutants [--package NAME] [--count N]``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from tests.mutants import sql
from tests.mutants.targets import PACKAGES, package_of, suite_of

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "mutants"
COPY, RESULTS = PLACE / "copy", PLACE / "results.jsonl"
PYTHON = ROOT / ".venv" / "bin" / "python"

_COMPARED = (
    "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
)
OPERATORS = (
    *(f"core/ReplaceComparisonOperator_{name}" for name in _COMPARED.split()),
    *(
        f"core/ReplaceBinaryOperator_{name}"
        for name in ("Add_Sub", "Sub_Add", "Mul_Div", "FloorDiv_Mul")
    ),
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/AddNot",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
)
#: Lines of which a mutant says nothing: decorators, log lines, asserts, typing, constants of size.
_IDLE = ("@", "log.", "assert ", "from ", "import ", "raise ", "if TYPE_CHECKING")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: ``line`` and ``new`` are the changed line before and after."""

    package: str
    path: str
    operator: str
    occurrence: int
    number: int
    line: str
    new: str

    @property
    def key(self) -> str:
        return f"{self.path}:{self.number}:{self.operator}:{self.line}:{self.new}"


def sources() -> Iterator[tuple[str, str]]:
    """Yield the mutated files, with their package."""
    for path in sorted((ROOT / "src" / "utskick").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        package = package_of(name)
        if package is not None:
            yield name, package


def mutated(source: str, operator: str, occurrence: int) -> str | None:
    """Return the source with one fault."""
    if operator.startswith("Sql"):
        found = [edit for edit in sql.edits(source) if edit.name == operator]
        if occurrence >= len(found):
            return None
        edit = found[occurrence]
        return source[: edit.start] + edit.new + source[edit.end :]
    changed: str | None = mutate_code(source, get_operator(operator)(), occurrence)
    return changed


def places(source: str) -> list[tuple[str, int]]:
    """Return operator and occurrence of every mutant of a module."""
    nodes = list(ast_nodes(get_ast(source)))
    found = [
        (name, occurrence)
        for name in OPERATORS
        for occurrence in range(
            sum(len(list(get_operator(name)().mutation_positions(node))) for node in nodes)
        )
    ]
    counted: Counter[str] = Counter(edit.name for edit in sql.edits(source))
    return found + [(name, n) for name, count in counted.items() for n in range(count)]


def drawn(package: str, count: int, seed: int) -> list[Mutant]:
    """Return a sample of the mutants of a package: the same for a seed and a source."""
    texts = {name: (ROOT / name).read_text() for name, each in sources() if each == package}
    every = [(name, *place) for name, text in texts.items() for place in places(text)]
    random = Random(f"{seed}:{package}")
    random.shuffle(every)
    # Half of the store's are mutants of its SQL.
    if package == "store":
        every.sort(key=lambda each: not each[1].startswith("Sql"))
        sql_count = sum(1 for each in every if each[1].startswith("Sql"))
        every = every[: min(count // 2, sql_count)] + every[sql_count:]
    found: list[Mutant] = []
    for name, operator, occurrence in every:
        mutant = _mutant(package, name, texts[name], operator, occurrence)
        if mutant is not None:
            found.append(mutant)
        if len(found) == count:
            break
    return found


def _mutant(package: str, name: str, source: str, operator: str, occurrence: int) -> Mutant | None:
    changed = mutated(source, operator, occurrence)
    if changed is None or changed == source:
        return None
    before, after = source.splitlines(), changed.splitlines()
    number = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after) - 1
    )
    line = before[number].strip()
    if line.startswith(_IDLE) or (operator.endswith("Mul_Div") and " * " not in line):
        return None
    return Mutant(package, name, operator, occurrence, number + 1, line, after[number].strip())


def copy() -> None:
    """Copy the tree: the working tree is never changed."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)


def tried(tests: tuple[str, ...], limit: float) -> tuple[str, float]:
    """Run tests in the copy. Returns ``passed``, ``failed`` or ``timeout``, and the seconds."""
    there = [test for test in tests if (COPY / test).exists()]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(COPY / "src"), str(COPY / "clients/python/src")]),
    }
    command = [str(PYTHON), "-m", "pytest", "-q", "-x", "-p", "no:xdist", "--hypothesis-seed=0"]
    begun = monotonic()
    process = subprocess.Popen(
        [*command, *there],
        cwd=COPY,
        env=environment,
        stdout=(PLACE / "output").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return "timeout", monotonic() - begun
    return "passed" if code == 0 else "failed", monotonic() - begun


def tested(mutant: Mutant, usual: float) -> str:
    """Return ``killed``, ``timeout`` or ``survived``."""
    path = COPY / mutant.path
    source = path.read_text()
    changed = mutated(source, mutant.operator, mutant.occurrence)
    assert changed is not None
    try:
        path.write_text(changed)
        _forget_compiled(path)
        outcome, _ = tried(suite_of(mutant.path), 1.5 * usual + 15)
    finally:
        path.write_text(source)
        _forget_compiled(path)
    return {"passed": "survived", "failed": "killed"}.get(outcome, outcome)


def _forget_compiled(path: Path) -> None:
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def state_of(mutant: Mutant) -> str:
    """Return the digest of a module and of its tests: a result holds while neither changes."""
    digest = sha256((COPY / mutant.path).read_bytes())
    for test in suite_of(mutant.path):
        for path in sorted((COPY / test).rglob("*.py")) or [COPY / test]:
            digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:16]


def known() -> dict[tuple[str, str], str]:
    """Return the results of earlier runs, by mutant and state."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return {(row["key"], row["state"]): row["outcome"] for row in rows}


def main() -> int:
    """Draw, run and report."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--package", choices=list(PACKAGES), action="append")
    parser.add_argument("--count", type=int, default=12, help="mutants of each package")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=60, help="when to stop")
    parser.add_argument("--list", action="store_true", help="only list them")
    chosen = parser.parse_args()
    packages = chosen.package or list(PACKAGES)
    sample = [m for name in packages for m in drawn(name, chosen.count, chosen.seed)]
    if chosen.list:
        for mutant in sample:
            print(
                f"{mutant.path}:{mutant.number}  {mutant.operator}\n  - {mutant.line}\n  + {mutant.new}"
            )
        return 0
    PLACE.mkdir(parents=True, exist_ok=True)
    copy()
    outcomes = run(sample, chosen.minutes)
    return report(sample, outcomes)


def run(sample: list[Mutant], minutes: float) -> dict[Mutant, str]:
    """Run the mutants that have no result yet, until the time is up."""
    outcomes: dict[Mutant, str] = {}
    results, until, usual = known(), monotonic() + 60 * minutes, dict[tuple[str, ...], float]()
    for number, mutant in enumerate(sample, 1):
        state, tests = state_of(mutant), suite_of(mutant.path)
        outcome = results.get((mutant.key, state))
        if outcome is None and monotonic() < until:
            if tests not in usual:
                passed, usual[tests] = tried(tests, 600)
                if passed != "passed":
                    print(f"{' '.join(tests)}: {passed} without a mutant, see {PLACE}/output")
                    continue
            outcome = tested(mutant, usual[tests])
            with RESULTS.open("a") as file:
                row = {**asdict(mutant), "key": mutant.key, "state": state, "outcome": outcome}
                file.write(json.dumps(row) + "\n")
        if outcome is not None:
            outcomes[mutant] = outcome
            print(
                f"[{number}/{len(sample)}] {outcome:8}  {mutant.path}:{mutant.number}", flush=True
            )
    return outcomes


def report(sample: list[Mutant], outcomes: dict[Mutant, str]) -> int:
    """Print the survivors and a table. 1: fewer than 90 % were noticed."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in sample:
        table[mutant.package][outcomes.get(mutant, "not run")] += 1
        if outcomes.get(mutant) == "survived":
            print(f"\nsurvived  {mutant.path}:{mutant.number}  {mutant.operator}")
            print(f"  - {mutant.line}\n  + {mutant.new}")
    print(
        f"\n{'package':12}{'killed':>8}{'timeout':>9}{'survived':>10}{'not run':>9}{'noticed':>9}"
    )
    table["all"] = sum(table.values(), Counter())
    for name, counts in table.items():
        ran = counts.total() - counts["not run"]
        noticed = (counts["killed"] + counts["timeout"]) / ran if ran else 0
        print(
            f"{name:12}{counts['killed']:>8}{counts['timeout']:>9}{counts['survived']:>10}"
            f"{counts['not run']:>9}{noticed:>9.0%}"
        )
    return int(noticed < 0.9)


if __name__ == "__main__":
    sys.exit(main())
