"""Size limits: files 400 lines, functions 60 lines; prints the medians.

Tests contain their data: files 600 lines, functions 100. Exits with 1 if a limit is exceeded. Ruff
limits the number of parameters.
"""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

FILE, FUNCTION = 400, 60
TEST_FILE, TEST_FUNCTION = 600, 100
ROOT = Path(__file__).parents[2]


def measure(
    folder: Path, max_file: int = FILE, max_function: int = FUNCTION
) -> tuple[list[str], list[int], list[int]]:
    """Return (violations, lines of each file, lines of each function) of a tree of Python files."""
    violations, files, functions = [], [], []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text()
        count = len(text.splitlines())
        files.append(count)
        if count > max_file:
            violations.append(f"{path.relative_to(ROOT)}: {count} lines, more than {max_file}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                functions.append(length)
                if length > max_function:
                    violations.append(
                        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines, "
                        f"more than {max_function}"
                    )
    return violations, files, functions


def main() -> int:
    violations, files, functions = measure(ROOT / "src")
    more = measure(ROOT / "clients")[0]
    more += measure(ROOT / "tests", TEST_FILE, TEST_FUNCTION)[0]
    for fault in violations + more:
        print(fault)  # noqa: T201
    print(  # noqa: T201
        f"{len(files)} files, median {statistics.median(files):.0f} lines, longest {max(files)}; "
        f"{len(functions)} functions, median {statistics.median(functions):.0f}, longest "
        f"{max(functions)}"
    )
    return 1 if violations or more else 0


if __name__ == "__main__":
    sys.exit(main())
