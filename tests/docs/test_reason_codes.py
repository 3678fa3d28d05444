"""docs/errors.md explains every reason code of the source, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.pages import ROOT, first_cells, read

SOURCE = ROOT / "src" / "utskick"
PAGE = read("docs/errors.md").partition("## Reason codes of a delivery\n")[2]
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)*")
TREES = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def test_every_reason_code_has_a_row_with_meaning_and_advice() -> None:
    rows = dict(first_cells(PAGE))
    assert sorted(code for code in used() if code not in rows) == []
    assert [code for code, cells in rows.items() if len(cells) != 2 or not all(cells)] == []


def test_no_row_is_left_of_a_code_that_nothing_uses() -> None:
    words = {
        node.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
    }
    assert [code for code, _ in first_cells(PAGE) if code not in words and "<" not in code] == []


def used() -> set[str]:
    """The codes of every `Reason(code, …)`, and of every function and class that passes its own `code` on to one."""
    builders = _builders()
    return {
        code for tree in TREES.values() for call in _calls(tree, builders) for code in _codes(call)
    }


def _codes(call: ast.Call) -> Iterator[str]:
    """The code of one call: a string, a named constant, or an f-string such as `http-{status}`."""
    for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
        match value:
            case ast.Constant(value=str(text)) if CODE.fullmatch(text):
                yield text
            case ast.Name(id=name) if name in CONSTANTS:
                yield CONSTANTS[name]
            case ast.JoinedStr(
                values=[
                    ast.Constant(value="http-" as prefix),
                    ast.FormattedValue(value=ast.Name(id=name)),
                ]
            ):
                yield f"{prefix}<{name}>"
            case _:
                continue
        return


def _builders() -> set[str]:
    """`Reason`, the functions and classes that build one from a parameter `code`, and the subclasses of these."""
    nodes = [node for tree in TREES.values() for node in ast.walk(tree)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    found = {"Reason"}
    found |= {
        node.name for node in nodes if isinstance(node, ast.FunctionDef) and _passes_on(node)
    } - {"__init__"}
    found |= {node.name for node in classes if any(_passes_on(inner) for inner in node.body)}
    return found | {
        node.name
        for node in classes
        if any(isinstance(base, ast.Name) and base.id in found for base in node.bases)
    }


def _passes_on(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef) or "code" not in {
        argument.arg for argument in node.args.args
    }:
        return False
    return any(
        isinstance(call.args[0], ast.Name) and call.args[0].id == "code"
        for call in _calls(node, {"Reason"})
        if call.args
    )


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in names
        ):
            yield node


def _constants() -> Iterator[tuple[str, str]]:
    """The strings that modules give a name in capitals."""
    for tree in TREES.values():
        for node in tree.body:
            match node:
                case ast.AnnAssign(
                    target=ast.Name(id=name), value=ast.Constant(value=str(text))
                ) if name.isupper():
                    yield name, text


CONSTANTS = dict(_constants())


def test_the_search_finds_codes_in_every_form_that_they_have() -> None:
    found = used()
    assert {
        "throttled",
        "closing",
        "host-key",
        "unknown-case",
        "http-<status>",
        "target-taken",
        "gone",
    } <= found
    assert len(found) > 100
