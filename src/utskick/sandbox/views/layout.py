"""The frame around every page: how templates are filled, what headers go out, and what a missing
page says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from utskick.sandbox.mail_parser import Enclosure

HEADERS: Final[Mapping[str, str]] = {
    # A mail's frame (srcdoc) inherits this policy (HTML section 7.1.7): no script, and nothing
    # fetched from anywhere else.
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

_SLOT: Final = re.compile(r"\{\{([#^])(\w+)\}\}(.*?)\{\{/\2\}\}|\{\{(\w+)\}\}", re.S)
_PART: Final = re.compile(r"\{\{>(\w+)\}\}")
#: The policy stops what a page fetches, not what a browser connects to beforehand (``<link
#: rel=preconnect>``, and Chromium for
#: a frame that the policy then refuses), so these become elements without meaning.
_REACHING_OUT: Final = re.compile(r"<(?=(?:link|meta|base|i?frame)\b)", re.I)


def fill(template: str, members: Mapping[str, Any]) -> str:
    """A subset of Mustache: ``{{name}}`` always escaped, ``{{#name}}…{{/name}}`` for each or if,
    ``{{^name}}`` if not.

    There is no unescaped form, and what was put in is never read again: a citizen's text cannot
    become markup.
    """

    def put(slot: re.Match[str]) -> str:
        kind, section, inner, name = slot.groups()
        if name:
            return escape(str(members[name]))
        value = members[section]
        if kind == "^":
            return "" if value else fill(inner, members)
        rows = value if isinstance(value, list) else [{}] if value else []
        return "".join(fill(inner, {**members, **row}) for row in rows)

    return _SLOT.sub(put, template)


def framed(html: str) -> str:
    """A citizen's HTML, for a frame without rights."""
    return _REACHING_OUT.sub("<x-", html)


def segment(text: str) -> str:
    """One segment of an address; a slash within it is no end of it."""
    return quote(text, safe="", errors="replace")


class PageLayout:
    """The templates below ``pages``; ``{{>part}}`` puts the file ``_part.html`` in. ``tabs``:
    address → label, in their order."""

    def __init__(self, folder: Path, tabs: Mapping[str, str]) -> None:
        texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.html")}
        layout = texts.pop("layout")
        self._tabs = tabs
        self._pages = {
            name: _PART.sub(lambda part: texts["_" + part[1]], layout.replace("{{main}}", text))
            for name, text in texts.items()
            if not name.startswith("_")
        }

    def page(self, request: web.Request, page: str, **members: Any) -> web.Response:
        return self._answer(request, page, members, status=200)

    def living(self, request: web.Request, page: str, **members: Any) -> web.Response:
        """A page that reads itself again every other second, unless paused (WCAG 2.2.2)."""
        paused = "paus" in request.query
        return self._answer(
            request, page, {**members, "refresh": not paused, "resume": paused}, status=200
        )

    def absent(self, request: web.Request, title: str, sentence: str) -> web.Response:
        return self._answer(request, "missing", {"title": title, "sentence": sentence}, status=404)

    def _answer(
        self, request: web.Request, page: str, members: dict[str, Any], *, status: int
    ) -> web.Response:
        here = "/" + request.path.split("/")[1]
        tabs = [
            {"href": href, "label": label, "current": href == here}
            for href, label in self._tabs.items()
        ]
        shared = {"tabs": tabs, "refresh": False, "resume": False}
        # "replace": a badly encoded mail may hold lone surrogates, which UTF-8 cannot
        body = fill(self._pages[page], shared | members).encode("utf-8", "replace")
        return web.Response(
            body=body, status=status, content_type="text/html", charset="utf-8", headers=HEADERS
        )


def to_save(file: Enclosure, plain_name: str) -> web.Response:
    """The file itself, always as something to save: never shown on our own origin."""
    return web.Response(
        body=file.data,
        content_type="application/octet-stream",
        headers=saving(file.name, plain_name),
    )


def saving(name: str, plain_name: str) -> dict[str, str]:
    """RFC 8187 section 3.2.1; the plain name is for clients older than that."""
    said = f"attachment; filename=\"{plain_name}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return {**HEADERS, "Content-Disposition": said}
