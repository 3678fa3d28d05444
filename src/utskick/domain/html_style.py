"""How an element is shown, by its attributes: what decides whether and where its text appears."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from utskick.domain.html_tree import Node

_DECLARATION: Final = re.compile(r"\s*([a-z-]+)\s*:\s*([^;]*)")
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_DISPLAY: Final = {
    "none": "none",
    **dict.fromkeys(("block", "flex", "flow-root", "grid", "list-item", "table"), "block"),
    **dict.fromkeys(
        ("contents", "inline", "inline-block", "inline-flex", "inline-table", "table-cell"),
        "inline",
    ),
}
_SPACE: Final = {
    **dict.fromkeys(("pre", "pre-wrap", "break-spaces"), "pre"),
    **dict.fromkeys(("normal", "nowrap"), ""),
    "pre-line": "pre-line",
}
_PREFORMATTED: Final = frozenset({"listing", "plaintext", "pre", "xmp"})
_MUTED: Final = {
    "svg": True,
    "select": True,
    "text": False,
    "foreignobject": False,
    "option": False,
}
_VISIBILITY: Final = {"visible": True, "hidden": False, "collapse": False}


@dataclass(frozen=True, slots=True)
class Style:
    """How text is shown. ``display``: none, block, inline, or empty for the element's own.

    ``space``: whether white space is preserved (``pre``), or only line ends (``pre-line``).
    ``unmarked``: whether list items have no marker. ``muted``: whether text itself is not rendered,
    but that of some elements within, as in a picture or a field to choose from.
    """

    visible: bool = True
    space: Literal["", "pre", "pre-line"] = ""
    display: str = ""
    unmarked: bool = False
    muted: bool = False


#: The style of the document itself.
INHERITED: Final = Style()


def style_of(node: Node, name: str, outer: Style) -> Style:
    """Return the style of an element within another. ``name``: of the element."""
    style = _declared(node, outer)
    muted = _MUTED.get(name, style.muted)
    return style if muted == style.muted else replace(style, muted=muted)


def _declared(node: Node, outer: Style) -> Style:
    declared, hidden = node.get("style", ""), "hidden" in node.attrib
    plain = not declared and not hidden and node.tag not in _PREFORMATTED
    if plain and node.tag != "dialog":
        return replace(outer, display="") if outer.display else outer
    found = _declarations(declared) if declared else {}
    is_closed = node.tag == "dialog" and "open" not in node.attrib
    space = "pre" if node.tag in _PREFORMATTED else outer.space
    kind = found.get("list-style-type") or found.get("list-style") or ""
    return Style(
        visible=_VISIBILITY.get(found.get("visibility", ""), outer.visible),
        space=_SPACE.get(found.get("white-space", ""), space),  # type: ignore[arg-type]
        display=_DISPLAY.get(found.get("display", ""), "none" if hidden or is_closed else ""),
        unmarked="none" in kind.split() if kind else outer.unmarked,
        muted=outer.muted,
    )


def _declarations(text: str) -> dict[str, str]:
    """Return the values by property: the last valid one, unless another is important."""
    found: dict[str, str] = {}
    important: set[str] = set()
    for declaration in _COMMENT.sub(" ", text.lower()).split(";"):
        match = _DECLARATION.match(declaration)
        if match is None:
            continue
        name, (value, _, flag) = match[1], match[2].partition("!")
        if name == "display" and value.strip() not in _DISPLAY:
            continue
        if name not in important or flag:
            found[name] = value.strip()
        if flag.strip() == "important":
            important.add(name)
    return found
