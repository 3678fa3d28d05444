"""The mutants of SQL, and the map from modules to their tests (tests/mutants)."""

from __future__ import annotations

from pathlib import Path

from tests.mutants import sql
from tests.mutants.targets import PACKAGES, package_of, suite_of

ROOT = Path(__file__).parents[2]

CODE = '''
"""Docstring WHERE a AND b."""
X = """
    UPDATE d SET n = n + 1 FROM w
    WHERE d.id = w.id AND d.attempts = (w.n AND w.m) AND CASE w.x WHEN 0 THEN a ELSE b END
        AND d.municipality_id = $1
    RETURNING d.id
"""
Y = "SELECT a FROM q WHERE due < now() FOR UPDATE SKIP LOCKED"
'''


def test_one_compare_is_dropped_at_a_time_and_a_lock_is_left_out() -> None:
    found = {
        (edit.name, " ".join((CODE[: edit.start] + edit.new + CODE[edit.end :])[30:].split()))
        for edit in sql.edits(CODE)
    }
    texts = {name: [text for each, text in found if each == name] for name, _ in found}
    assert sorted(texts) == [
        "SqlDropAnd",
        "SqlDropFirst",
        "SqlTurn_<",
        "SqlTurn_FOR UPDATE SKIP LOCKED",
        "SqlTurn_SKIP LOCKED",
    ]
    dropped = sorted(texts["SqlDropAnd"], key=len)
    assert len(dropped) == 3, "neither of the docstring nor the municipality"
    assert any("WHERE d.id = w.id AND CASE w.x" in text for text in dropped)
    assert any("(w.n AND w.m) AND d.municipality_id" in text for text in dropped)
    assert "WHERE d.attempts = (w.n AND w.m)" in texts["SqlDropFirst"][0]
    assert 'now()"' in texts["SqlTurn_FOR UPDATE SKIP LOCKED"][0]


def test_every_mutated_module_has_tests_that_exist() -> None:
    packages = set()
    for path in sorted((ROOT / "src" / "utskick").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if (package := package_of(name)) is not None:
            packages.add(package)
            assert all((ROOT / test).exists() for test in suite_of(name)), name
    assert packages == set(PACKAGES)
