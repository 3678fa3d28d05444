"""Plain text alternative of an HTML message."""

from __future__ import annotations

import re

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping

#: Characters of HTML beyond which no text alternative is made, as rendering would take seconds.
LIMIT = 256 * 1024

_HIDDEN = re.compile(r"display\s*:\s*none")
_BLOCK = HtmlElement(display=Display.block)
_TABLE_TAGS = ("table", "tr", "td", "th")


def _hide(style: str, element: HtmlElement) -> None:
    if _HIDDEN.search(style.lower()):
        element.display = Display.none


def _ignore(*_: object) -> None:
    """Ignore a table tag: in e-mail tables are layout, and one long cell would widen every row."""


def _parser_config() -> ParserConfig:
    cell = HtmlElement(display=Display.inline, suffix=" ")
    css = {**STRICT_CSS_PROFILE, "table": _BLOCK, "tr": _BLOCK, "td": cell, "th": cell}
    tags = dict.fromkeys(_TABLE_TAGS, _ignore)
    config = ParserConfig(
        css=css,
        display_links=True,
        custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(tags, tags),
    )
    # Lengths in style attributes would let a short message produce megabytes of spaces.
    config.attribute_handler.attribute_mapping = {"style": _hide}
    return config


_CONFIG = _parser_config()


def text_of(html: str) -> str:
    """Render HTML as text; empty if it has no text, is too long or cannot be parsed."""
    if len(html) > LIMIT:
        return ""
    try:
        text = get_text(html.replace("\x00", ""), _CONFIG)
    except (ValueError, RecursionError):
        return ""
    lines = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return lines + "\n" if lines else ""
