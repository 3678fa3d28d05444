"""Page layout: template rendering, response headers and the page for unknown addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from utskick.sandbox.mail_parser import AttachedFile

HEADERS: Final[Mapping[str, str]] = {
    # The frame of a mail (srcdoc) inherits this policy (HTML section 7.1.7): no scripts, and no
    # external resources.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

_PLACEHOLDER: Final = re.compile(r"\{\{([#^])(\w+)\}\}(.*?)\{\{/\2\}\}|\{\{(\w+)\}\}", re.S)
_INCLUDE: Final = re.compile(r"\{\{>(\w+)\}\}")
#: The policy blocks requests, but not connections opened in advance (``<link rel=preconnect>``, and
#: Chromium for a blocked frame), so these elements are renamed.
_LOADING_ELEMENTS: Final = re.compile(r"<(?=(?:link|meta|base|i?frame)\b)", re.I)


def fill(template: str, members: Mapping[str, Any]) -> str:
    """Render a subset of Mustache.

    ``{{name}}`` is always escaped, ``{{#name}}…{{/name}}`` is a loop or a condition, ``{{^name}}``
    a negated condition. There is no unescaped form, and inserted text is not rendered again: a
    citizen's text cannot become markup.
    """

    def render(match: re.Match[str]) -> str:
        kind, section, inner, name = match.groups()
        if name:
            return escape(str(members[name]))
        value = members[section]
        if kind == "^":
            return "" if value else fill(inner, members)
        rows = value if isinstance(value, list) else [{}] if value else []
        return "".join(fill(inner, {**members, **row}) for row in rows)

    return _PLACEHOLDER.sub(render, template)


def sandboxed_html(html: str) -> str:
    """Return a citizen's HTML for a sandboxed frame."""
    return _LOADING_ELEMENTS.sub("<x-", html)


def path_segment(text: str) -> str:
    """Return a path segment, with slashes encoded."""
    return quote(text, safe="", errors="replace")


class PageLayout:
    """Templates below ``pages``, in which ``{{>part}}`` includes ``_part.html``.

    ``tabs``: address → label, in order.
    """

    def __init__(self, folder: Path, tabs: Mapping[str, str]) -> None:
        texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.html")}
        layout = texts.pop("layout")
        self._tabs = tabs
        self._pages = {
            name: _INCLUDE.sub(lambda part: texts["_" + part[1]], layout.replace("{{main}}", text))
            for name, text in texts.items()
            if not name.startswith("_")
        }

    def page(self, request: web.Request, page: str, **members: Any) -> web.Response:
        return self._answer(request, page, members, status=200)

    def live_page(self, request: web.Request, page: str, **members: Any) -> web.Response:
        """Render a page that refreshes every other second, unless paused (WCAG 2.2.2)."""
        paused = "paus" in request.query
        return self._answer(
            request, page, {**members, "refresh": not paused, "resume": paused}, status=200
        )

    def missing_page(self, request: web.Request, title: str, sentence: str) -> web.Response:
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
        # "replace", since malformed mail may contain lone surrogates
        body = fill(self._pages[page], shared | members).encode("utf-8", "replace")
        return web.Response(
            body=body, status=status, content_type="text/html", charset="utf-8", headers=HEADERS
        )


def download(file: AttachedFile, plain_name: str) -> web.Response:
    """Return the file as a download, so that it is never displayed on our own origin."""
    return web.Response(
        body=file.data,
        content_type="application/octet-stream",
        headers=download_headers(file.name, plain_name),
    )


def download_headers(name: str, plain_name: str) -> dict[str, str]:
    """Return headers for a download (RFC 8187 section 3.2.1), with a plain name for old clients."""
    disposition = (
        f'attachment; filename="{plain_name}"; '
        f"filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    )
    return {**HEADERS, "Content-Disposition": disposition}
