"""The text of an HTML message, for readers that show no HTML."""

from __future__ import annotations

import re

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping

#: Characters of HTML above which no text is made of it: a second copy would help nobody, and takes
#: seconds.
LIMIT = 256 * 1024

_HIDDEN = re.compile(r"display\s*:\s*none")
_BLOCK = HtmlElement(display=Display.block)
_TABLE_TAGS = ("table", "tr", "td", "th")


def _hide(style: str, element: HtmlElement) -> None:
    if _HIDDEN.search(style.lower()):
        element.display = Display.none


def _pass(*_: object) -> None:
    """Tables are layout in e-mail; drawn as tables, one long cell would widen every row."""


def _manner() -> ParserConfig:
    cell = HtmlElement(display=Display.inline, suffix=" ")
    css = {**STRICT_CSS_PROFILE, "table": _BLOCK, "tr": _BLOCK, "td": cell, "th": cell}
    tags = dict.fromkeys(_TABLE_TAGS, _pass)
    manner = ParserConfig(
        css=css,
        display_links=True,
        custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(tags, tags),
    )
    # Lengths given in style attributes would let a short message ask for megabytes of space.
    manner.attribute_handler.attribute_mapping = {"style": _hide}
    return manner


_MANNER = _manner()


def text_of(html: str) -> str:
    """Empty where the HTML says nothing in words, or cannot be read; the message then goes out as
    HTML only."""
    if len(html) > LIMIT:
        return ""
    try:
        text = get_text(html.replace("\x00", ""), _MANNER)
    except (ValueError, RecursionError):
        return ""
    lines = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return lines + "\n" if lines else ""
