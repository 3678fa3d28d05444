"""Every JSON response that a test receives is validated against the model that its operation
declares, so that responses and models cannot drift apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from utskick.http.operation import Operation
from utskick.http.operation.problem_schemas import ConstraintViolationProblem, Problem


class Declared:
    """The models of a service's operations, by method, path and status."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = [(_pattern(each), each) for each in operations]

    def check(self, method: str, path: str, status: int, text: str) -> None:
        """Raise ``ValidationError`` where the response has a member that is not declared, or one of
        another type."""
        operation = next(
            (
                each
                for pattern, each in self._operations
                if each.method == method and pattern.fullmatch(path.partition("?")[0])
            ),
            None,
        )
        if operation is None:
            return
        answer = operation.answers.get(status)
        if answer is not None:
            assert answer.model is not None, f"{operation.id} declares no JSON for {status}"
            _adapter(answer.model).validate_json(text, extra="forbid")
        else:
            assert status >= 400, f"{operation.id} does not declare {status}"
            _adapter(ConstraintViolationProblem | Problem).validate_json(text)


def _pattern(operation: Operation) -> re.Pattern[str]:
    path = operation.served or operation.path
    parts = re.split(r"{(\w+)(:path)?}", path)
    found = ""
    for index in range(0, len(parts), 3):
        found += re.escape(parts[index])
        if index + 1 < len(parts):
            found += ".*" if parts[index + 2] else "[^/]+"
    return re.compile(found)


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)
