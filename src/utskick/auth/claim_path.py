"""Names of claims in settings: one claim, or the path to one inside others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator

_NAME: Final = re.compile(r'"(?:[^"\\]|\\.)+"|(?:[^".\\]|\\.)(?:[^.\\]|\\.)*', re.DOTALL)
_RULE: Final = (
    "must be the name of a claim, or names with dots between them; a name that has dots itself"
    ' is written in quotes (resource_access."utskick.example.se".roles), with \\. for each dot, or'
    " the names as a list"
)


def parse_path(text: str) -> tuple[str, ...]:
    r"""Split a path at its dots; in a quoted name, and after ``\``, a dot is part of the name.

    Raises ``ValueError`` for an empty name and an open quote.
    """
    names: list[str] = []
    at = 0
    while found := _NAME.match(text, at):
        name = found[0][1:-1] if found[0].startswith('"') else found[0]
        names.append(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL))
        at = found.end()
        if at == len(text):
            return tuple(names)
        if text[at] != ".":
            break
        at += 1
    raise ValueError(_RULE)


def _parsed(value: object) -> object:
    return parse_path(value) if isinstance(value, str) else value


def _not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not all(names):
        raise ValueError(_RULE)
    return names


#: The names from the outermost claim to the one that is meant.
ClaimPath = Annotated[tuple[str, ...], BeforeValidator(_parsed), AfterValidator(_not_empty)]


def claim_at(payload: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the claim at a path, None where there is none.

    A claim of the payload whose own name is the whole path with its dots comes first
    (``https://example.se/roles``).
    """
    name = ".".join(path)
    if name in payload:
        return payload[name]
    value: Any = payload
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value
