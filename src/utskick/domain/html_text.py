"""Text of an HTML document, as a browser's ``innerText`` has it, with links and picture texts.

Source: HTML standard, section 3.2.7 (``innerText``) and chapter 15 (rendering). Beyond it, what a
page shows that its text lacks: list markers, texts of pictures, and the addresses of links, each as
``[text](address)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from unicodedata import category
from urllib.parse import urljoin

from utskick.domain.characters import is_invisible
from utskick.domain.html_sheet import Sheets, sheets_of
from utskick.domain.html_style import INHERITED, Style, style_of
from utskick.domain.html_tree import Node, parse_html


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Elements that browsers do not render (HTML standard, section 15.3.1), or not as text.
_UNSEEN: Final = _names(
    "audio base canvas datalist desc embed head iframe input link meta metadata noembed noframes"
    " noscript param rp script source style template textarea title track video"
)
_BLOCKS: Final = _names(
    "address article aside body caption center dd details dialog dir div dt fieldset figcaption"
    " figure footer form header hgroup html legend li listing main menu nav optgroup option"
    " plaintext search section summary table tbody tfoot thead tr xmp"
)
#: Blocks with a margin: a blank line before and after.
_PARAGRAPHS: Final = _names("blockquote dl h1 h2 h3 h4 h5 h6 hr ol p pre ul")
_LISTS: Final = frozenset({"dir", "menu", "ol", "ul"})
_CELLS: Final = frozenset({"td", "th"})
_BULLETS: Final = ("*", "+", "-")
#: Levels of lists that are indented. Each level more would lengthen every line of a deep list.
_INDENTED: Final = 6
#: Parts of a link's text that are compared with its address.
_SHORT: Final = 8

_SPACES: Final = re.compile(r"[ \t\n\f\r]+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_NUMBER: Final = re.compile(r"\s*([+-]?[0-9]{1,9})")
#: What the URL standard (section 4.4) removes from within an address, and around it.
_LINE_ENDS: Final = re.compile(r"[\t\n\r]")
_AROUND: Final = "".join(map(chr, range(0x21)))
#: Addresses that mean nothing outside the document, or hold their data.
_NO_LINK: Final = re.compile(r"#|(?:about|blob|cid|data|javascript|vbscript):", re.IGNORECASE)
#: Characters that are letters or symbols by their category, but as blank as a space.
_FILLERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_TRAILING: Final = "".join(_FILLERS) + " \t\r\f\xa0\u034f\u2000\u2003\u2007\u200b\u200c\u2060\ufeff"


def is_blank(text: str) -> bool:
    """Return whether nothing of a text can be seen: white space and invisible characters."""
    return all(
        ch.isspace() or ch in _FILLERS or category(ch) == "Cc" or is_invisible(ch) for ch in text
    )


def longest_text(markup: int) -> int:
    """Return the maximum length of the text of a document of so many characters.

    An unclosed link is repeated in each block after it, with its address.
    """
    return 4 * markup + 4096


def text_of(markup: str) -> str:
    """Return the text of the document, each line ended; empty if it says nothing."""
    root = parse_html(markup)
    if root is None:
        return ""
    longest = longest_text(len(markup))
    return _Renderer(_base(root), sheets_of(root), longest).render(root)[:longest]


def address_of(href: str, base: str = "") -> str:
    """Return the address of a link as it is written in a text; empty if it is none."""
    address = _LINE_ENDS.sub("", href.strip(_AROUND)).replace(" ", "%20")
    if not address or _NO_LINK.match(address):
        return ""
    try:
        return urljoin(base, address) if base else address
    except ValueError:
        return address


@dataclass(slots=True)
class _Link:
    """An open link. ``start``: index of its text in the output; None before it has any."""

    address: str
    start: int | None = None


@dataclass(slots=True)
class _List:
    """An open list. ``number``: of its next item; None for bullets."""

    number: int | None
    step: int = 1


@dataclass(slots=True)
class _Output:
    """The text so far. Spaces and line breaks are written only once text follows them.

    ``breaks``: line breaks that blocks require, which do not add up. ``lines``: those of ``br``.
    """

    parts: list[str] = field(default_factory=list)
    size: int = 0
    links: list[_Link] = field(default_factory=list)
    breaks: int = 0
    lines: int = 0
    space: bool = False
    marker: str = ""

    def require(self, count: int) -> None:
        self.breaks = max(self.breaks, count)

    def write(self, text: str) -> None:
        """Write text as it is; line ends around it count as those of ``br``."""
        bare = text.lstrip("\n")
        self.lines += len(text) - len(bare)
        if bare:
            body = bare.rstrip("\n")
            self._flush()
            self.parts.append(body)
            self.size += len(body)
            self.lines = len(bare) - len(body)

    def flow(self, text: str) -> None:
        """Write text in which white space collapses."""
        words = _SPACES.sub(" ", text)
        self.space = self.space or words.startswith(" ")
        if words.strip(" "):
            self.write(words.strip(" "))
            self.space = words.endswith(" ")

    def open_link(self, address: str) -> None:
        self.links.append(_Link(address))

    def close_link(self) -> None:
        """End a link: its address follows its text, or stands alone."""
        link = self.links.pop()
        if link.start is None:
            if link.address:
                self.flow(f" {link.address} ")
            return
        if not link.address:
            return
        label = self.parts[link.start :]
        if len(label) <= _SHORT and "".join(label) == link.address:
            self.parts[link.start - 1] = ""
        else:
            self.parts.append(f"]({link.address})")
            self.size += len(link.address)

    def _flush(self) -> None:
        ends = min(max(self.breaks, self.lines), 2)
        if self.parts and (ends or self.marker):
            self.parts.append("\n" * max(ends, 1))
        elif self.parts and self.space:
            self.parts.append(" ")
        if self.marker:
            self.parts.append(self.marker)
        for link in self.links:
            if link.start is None:
                self.parts.append("[" if link.address else "")
                link.start = len(self.parts)
        self.breaks, self.lines, self.space, self.marker = 0, 0, False, ""


class _Renderer:
    """One pass over a tree, without recursion, as documents may be nested deeply."""

    def __init__(self, base: str, sheets: Sheets, longest: int) -> None:
        self._base = base
        self._sheets = sheets
        self._longest = longest
        self._out = _Output()
        self._styles: list[Style] = [INHERITED]
        self._lists: list[_List] = []

    def render(self, root: Node) -> str:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack and self._out.size <= self._longest:
            node, is_end = stack.pop()
            if is_end:
                self._close(node)
            elif isinstance(node.tag, str) and self._open(node):
                self._text(node.text)
                stack.append((node, True))
                stack += [(child, False) for child in reversed(list(node))]
                continue
            if node is not root:
                self._text(node.tail)
        lines = "".join(self._out.parts).replace("\xad", "").split("\n")
        text = "\n".join("" if is_blank(line) else line.rstrip(_TRAILING) for line in lines)
        text = _BLANK_LINES.sub("\n\n", text).strip("\n")
        return text + "\n" if text else ""

    def _open(self, node: Node) -> bool:
        """Begin an element. Return whether its content is rendered."""
        name = _name(node)
        style = style_of(node, name, self._styles[-1])
        if style.display == "none" or (not style.display and self._sheets.hide(node, name)):
            return False
        if name in _UNSEEN:
            if name == "input" and node.get("type", "").strip().lower() == "image":
                self._picture(node, style)
            return False
        self._styles.append(style)
        self._out.require(self._margin(name, style))
        if name in _LISTS:
            self._lists.append(_list(node, name))
        elif name == "li":
            self._out.marker = self._marker(node, style)
        elif name in ("a", "area"):
            self._out.open_link(address_of(node.get("href", ""), self._base))
        elif name in _CELLS:
            self._out.space = True
        if name in ("img", "area"):
            self._picture(node, style)
        elif name == "br":
            self._out.lines += 1
        return True

    def _close(self, node: Node) -> None:
        name, style = _name(node), self._styles.pop()
        if name in ("a", "area"):
            self._out.close_link()
        elif name == "li":
            self._out.marker = ""
        elif name in _LISTS:
            self._lists.pop()
        self._out.require(self._margin(name, style))

    def _text(self, text: str | None) -> None:
        style = self._styles[-1]
        if not text or style.muted or not style.visible:
            return
        if style.space == "pre":
            self._out.write(text)
        elif style.space == "pre-line":
            for number, line in enumerate(text.split("\n")):
                self._out.lines += bool(number)
                self._out.flow(line)
        else:
            self._out.flow(text)

    def _picture(self, node: Node, style: Style) -> None:
        if style.visible:
            self._out.flow(node.get("alt", ""))

    def _margin(self, name: str, style: Style) -> int:
        """Return the line breaks that an element requires before and after itself."""
        if style.display == "inline":
            return 0
        if name in _PARAGRAPHS:
            return 1 if name in _LISTS and self._lists else 2
        return 1 if name in _BLOCKS or style.display == "block" else 0

    def _marker(self, node: Node, style: Style) -> str:
        if not self._lists:
            return ""
        level, current = len(self._lists) - 1, self._lists[-1]
        indent = "  " * min(level, _INDENTED)
        if current.number is None:
            return "" if style.unmarked else f"{indent}{_BULLETS[level % len(_BULLETS)]} "
        number = _integer(node.get("value", ""), current.number)
        current.number = number + current.step
        return "" if style.unmarked else f"{indent}{number}. "


def _name(node: Node) -> str:
    """Return the name of an element, without its namespace."""
    name: str = node.tag
    return name.rpartition("}")[2].lower()


def _list(node: Node, name: str) -> _List:
    if name != "ol":
        return _List(None)
    backwards = "reversed" in node.attrib
    first = sum(_name(child) == "li" for child in _elements(node)) if backwards else 1
    return _List(_integer(node.get("start", ""), first), -1 if backwards else 1)


def _integer(text: str, default: int) -> int:
    match = _NUMBER.match(text)
    return int(match[1]) if match else default


def _elements(node: Node) -> Iterator[Node]:
    return (child for child in node if isinstance(child.tag, str))


def _base(root: Node) -> str:
    """Return the address that the document's relative links start from, empty if none."""
    for head in _elements(root):
        for node in _elements(head):
            if _name(node) == "base" and node.get("href", "").lower().startswith("http"):
                return node.get("href", "").strip(_AROUND)
    return ""
