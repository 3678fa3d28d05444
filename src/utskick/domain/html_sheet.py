"""What the style sheets of an HTML document hide, such as the preview text of a newsletter.

Only rules that are certain are applied: ``display: none`` by class or id, outside of conditions
(``@media``), where no other rule displays the same class or id. In doubt, text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from utskick.domain.html_tree import Node

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_BRACE: Final = re.compile(r"([^{}]*)([{}])")
_COMPOUND: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*|\*|)((?:[.#][\w-]+)+)\Z")
_NAMES: Final = re.compile(r"[.#]([\w-]+)|=\s*[\"']?([\w-]+)")
_DISPLAY: Final = re.compile(r"(?:^|;)\s*display\s*:\s*([a-z-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A selector that hides. ``names``: classes with ".", ids with "#"."""

    tag: str
    names: frozenset[str]


class Sheets:
    """The style sheets of a document."""

    def __init__(self, sheets: Iterable[str]) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        shown: set[str] = set()
        hiding: list[_Rule] = []
        for selector, display, conditional in _displays("\n".join(sheets)):
            if display != "none":
                shown.update(a or b for a, b in _NAMES.findall(selector))
            elif not conditional and (match := _COMPOUND.match(selector)):
                names = frozenset(re.findall(r"[.#][\w-]+", match[2]))
                hiding.append(_Rule(match[1].strip("*").lower(), names))
        for rule in hiding:
            if not any(name[1:] in shown for name in rule.names):
                self._rules.setdefault(min(rule.names), []).append(rule)

    def hide(self, node: Node, name: str) -> bool:
        """Return whether they hide an element. ``name``: of the element."""
        if not self._rules:
            return False
        own = {f".{each}" for each in node.get("class", "").split()}
        if "id" in node.attrib:
            own.add(f"#{node.get('id', '')}")
        return any(
            rule.names <= own and rule.tag in ("", name)
            for each in own
            for rule in self._rules.get(each, ())
        )


def sheets_of(root: Node) -> Sheets:
    """Return the style sheets of a document that apply to a screen."""
    return Sheets(
        node.text or ""
        for node in root.iter("style")
        if node.get("media", "").strip().lower() in ("", "all", "screen")
    )


def _displays(css: str) -> Iterator[tuple[str, str, bool]]:
    """Iterate over selectors with the ``display`` they set, and whether under a condition."""
    outer: list[str] = []
    for text, brace in _BRACE.findall(_COMMENT.sub(" ", css)):
        if brace == "{":
            outer.append(text.rpartition(";")[2].strip())
            continue
        prelude = outer.pop() if outer else "@"
        found = _DISPLAY.findall(text)
        if found and not prelude.startswith("@"):
            for selector in prelude.split(","):
                yield selector.strip(), found[-1].lower(), bool(outer)
