"""Mutants of the SQL in Python strings: a compare dropped or turned, a lock left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of the source, and what replaces it."""

    start: int
    end: int
    new: str
    name: str


#: What ends a condition, outside of parentheses.
_END = re.compile(
    r"\b(AND|OR|THEN|ELSE|WHEN|RETURNING|ORDER|GROUP|LIMIT|FOR|ON|UNION|OFFSET|SET|(?<!DISTINCT )FROM"
    r"|WHERE|LEFT|CROSS|JOIN|INSERT|SELECT)\b|[;\"]"
)
_CASE, _CASE_END = re.compile(r"\bCASE\b"), re.compile(r"\bEND\b")
_TURNS = (
    (r"(?<![<>=!-])<(?![=>])", "<="),
    (r"<=", "<"),
    (r"(?<![<>=-])>(?![=>])", ">="),
    (r">=", ">"),
    (r"<>", "="),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bNOT IN\b", "IN"),
    (r"(?<!NOT )\bIN (?=[({])", "NOT IN "),
    (r"\bDESC\b", "ASC"),
    (r" FOR UPDATE SKIP LOCKED", ""),
    (r"(?<=FOR UPDATE) SKIP LOCKED", ""),
    (r" FOR UPDATE(?! SKIP)", ""),
)
_SQL = re.compile(r"\b(SELECT|UPDATE|DELETE FROM|INSERT INTO|WHERE|AND)\b")
#: The second check of row-level security: tests/http/test_two_tenants.py.
_TENANT = "municipality_id"


def edits(source: str) -> Iterator[Edit]:
    """Yield the mutants of the SQL strings of a module."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()

    def place(line: int, column: int) -> int:
        return len(raw[: starts[line - 1] + column].decode())

    for node in _strings(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = place(node.lineno, node.col_offset)
        end = place(node.end_lineno, node.end_col_offset)
        if _SQL.search(source[start:end]):
            yield from _of_statement(source, start, end)


def _strings(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the strings that are no docstrings; of an f-string the whole."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            yield node
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield from _strings(node)


def _of_statement(source: str, start: int, end: int) -> Iterator[Edit]:
    for found in re.compile(r"\s*\bAND\s+").finditer(source, start, end):
        stop = _condition(source, found.end(), end)
        if _TENANT not in source[found.end() : stop] and not _is_between(source, found.start()):
            yield Edit(found.start(), stop, " ", "SqlDropAnd")
    for found in re.compile(r"\bWHERE\s+").finditer(source, start, end):
        stop = _condition(source, found.end(), end)
        if source.startswith("AND", stop) and _TENANT not in source[found.end() : stop]:
            yield Edit(found.end(), stop + 3, "", "SqlDropFirst")
    for pattern, new in _TURNS:
        for found in re.compile(pattern).finditer(source, start, end):
            if new.strip() != found.group().strip():
                yield Edit(*found.span(), new, f"SqlTurn_{found.group().strip()}")


def _condition(source: str, start: int, end: int) -> int:
    """Return where the condition that begins here ends."""
    depth, at = 0, start
    while at < end:
        if source[at] in "({" or _CASE.match(source, at):
            depth += 1
        elif source[at] in ")}" or _CASE_END.match(source, at):
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and at > start and _END.match(source, at):
            return at
        at += 1
    return end


def _is_between(source: str, at: int) -> bool:
    return bool(re.search(r"BETWEEN\s+\S+\s*$", source[:at]))
