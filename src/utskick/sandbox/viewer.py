"""What the citizens of the sandbox see, as web pages in Swedish: their phones and their inboxes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from utskick.domain.clock import SWEDEN
from utskick.sandbox.api import magic_table
from utskick.sandbox.faults import Fault, Faults
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.letter import Mail, open_mail
from utskick.sandbox.tally import Tally

#: No page shows more rows than this; the ledger's API gives the rest.
ROWS: Final = 200
LATEST: Final = 8

HEADERS: Final[Mapping[str, str]] = {
    # A mail's frame (srcdoc) inherits this policy (HTML section 7.1.7): no script, and nothing fetched from anywhere else.
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

FAULTS: Final[dict[Fault, str]] = {
    Fault.REFUSE: "säger nej, för gott",
    Fault.THROTTLE: "ber oss sakta ner",
    Fault.TEMPORARY: "har ett tillfälligt fel",
    Fault.TIMEOUT: "tar emot men svarar aldrig",
    Fault.DROP: "tar emot men bryter förbindelsen",
    Fault.GARBAGE: "tar emot men svarar obegripligt",
    Fault.LOGIN: "godtar inte inloggningen",
    Fault.REPORT_LATE: "kvitterar sent",
    Fault.REPORT_TWICE: "kvitterar två gånger",
    Fault.REPORT_EARLY: "kvitterar före svaret",
    Fault.REPORT_NEVER: "kvitterar aldrig",
    Fault.REPORT_FAILED: "kvitterar att det inte kom fram",
}

# fmt: off
_MONTHS: Final = (
    "januari", "februari", "mars", "april", "maj", "juni",
    "juli", "augusti", "september", "oktober", "november", "december",
)
# fmt: on
_TABS: Final = {"/": "Översikt", "/phones": "Telefoner", "/inboxes": "Inkorgar", "/misbehaviour": "Störningar"}
_SLOT: Final = re.compile(r"\{\{([#^])(\w+)\}\}(.*?)\{\{/\2\}\}|\{\{(\w+)\}\}", re.S)
#: The policy stops what a page fetches, not what a browser connects to beforehand (``<link rel=preconnect>``, and Chromium for
#: a frame that the policy then refuses), so these become elements without meaning.
_REACHING_OUT: Final = re.compile(r"<(?=(?:link|meta|base|i?frame)\b)", re.I)


def fill(template: str, members: Mapping[str, Any]) -> str:
    """A subset of Mustache: ``{{name}}`` always escaped, ``{{#name}}…{{/name}}`` for each or if, ``{{^name}}`` if not.

    There is no unescaped form, and what was put in is never read again: a citizen's text cannot become markup.
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


class Viewer:
    """The pages. Lists refresh themselves every other second, unless paused (WCAG 2.2.2)."""

    def __init__(self, ledger: Ledger, faults: Faults, tally: Tally | None = None) -> None:
        self._ledger = ledger
        self._faults = faults
        self._tally = tally or Tally(ledger)
        folder = Path(__file__).parent
        layout = (folder / "pages" / "layout.html").read_text("utf-8")
        self._style = (folder / "style.css").read_text("utf-8")
        self._pages = {p.stem: layout.replace("{{main}}", p.read_text("utf-8")) for p in (folder / "pages").glob("*.html")}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.overview),
            web.get("/style.css", self.style),
            web.get("/phones", self.phones),
            web.get("/phones/{number}", self.phone),
            web.get("/inboxes", self.inboxes),
            web.get("/inboxes/{address:[^/]+}", self.inbox),
            web.get(r"/inboxes/{address:[^/]+}/{number:\d{1,15}}", self.mail),
            web.get(r"/inboxes/{address:[^/]+}/{number:\d{1,15}}/source", self.source),
            web.get(r"/inboxes/{address:[^/]+}/{number:\d{1,15}}/attachments/{index:\d{1,4}}", self.attachment),
            web.get("/misbehaviour", self.misbehaviour),
        ]

    @web.middleware
    async def missing(self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        """A page that helps for every address that nobody answers; to be laid around the whole application."""
        try:
            return await handler(request)  # aiohttp passes it by this name
        except web.HTTPNotFound:
            if "text/html" not in request.headers.get("Accept", ""):
                raise
            return self._absent(request, "Sidan finns inte", "Det finns ingen sida på den här adressen i sandlådan.")

    async def overview(self, request: web.Request) -> web.Response:
        await self._tally.catch_up()
        newest = [e for n in range(len(self._ledger), max(0, len(self._ledger) - LATEST), -1) if (e := self._ledger.get(n))]
        return self._page(
            request,
            "overview",
            title="Översikt",
            phones=self._tally.people("sms"),
            texts=self._tally.by_channel["sms"],
            inboxes=self._tally.people("email"),
            mails=self._tally.by_channel["email"],
            counts=[{"channel": c, "provider": p, "count": n} for (c, p), n in sorted(self._tally.by_provider.items())],
            any=bool(self._tally.by_provider),
            copies=len(self._tally.repeated),
            repeated=[{"who": r, "key": k, "times": n} for (_, r, k), n in list(self._tally.repeated.items())[-LATEST:]],
            rules=len(self._faults.rules),
            newest=[_latest(entry) for entry in newest],
        )

    async def phones(self, request: web.Request) -> web.Response:
        return await self._people(request, "sms", "Telefoner")

    async def inboxes(self, request: web.Request) -> web.Response:
        return await self._people(request, "email", "Inkorgar")

    async def _people(self, request: web.Request, channel: str, title: str) -> web.Response:
        await self._tally.catch_up()
        rows = [
            {"who": entry.recipient, "link": quote(who, safe="", errors="replace"), "count": count, "at": _moment(entry.at)}
            | {"sender": entry.sender, "excerpt": _excerpt(entry.subject or entry.text)}
            for who, count, entry in self._tally.recent(channel, ROWS)
        ]
        more = self._tally.people(channel) > ROWS
        return self._page(request, request.path[1:], title=title, rows=rows, more=more, shown=ROWS, total=self._tally.people(channel))

    async def phone(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        texts = self._ledger.of("sms", number)
        if not texts:
            return self._absent(request, "Tyst telefon", f"{number} har inte fått något sms än. Skriv numret som +46700000001.")
        bubbles: list[dict[str, Any]] = []
        day = sender = ""
        for entry in texts[-ROWS:]:
            today = _day(entry.at)
            new = today != day
            bubbles.append({"day": today if new else "", "sender": entry.sender if new or entry.sender != sender else ""})
            bubbles[-1] |= {"text": entry.text, "time": entry.at.astimezone(SWEDEN).strftime("%H:%M"), "number": entry.number}
            day, sender = today, entry.sender
        more = len(texts) > ROWS
        return self._page(request, "phone", title=number, bubbles=bubbles, total=len(texts), more=more, shown=ROWS)

    async def inbox(self, request: web.Request) -> web.Response:
        address = request.match_info["address"]
        mails = self._ledger.of("email", address)
        if not mails:
            return self._absent(request, "Tom inkorg", f"{address} har inte fått någon e-post än.")
        rows = [
            {
                "sender": e.sender,
                "subject": e.subject or "(inget ämne)",
                "excerpt": _excerpt(e.text),
                "at": _moment(e.at),
                "number": e.number,
            }
            for e in reversed(mails[-ROWS:])
        ]
        link, more = quote(address, safe=""), len(mails) > ROWS
        return self._page(request, "inbox", title=address, rows=rows, link=link, total=len(mails), more=more, shown=ROWS)

    async def mail(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        if entry is None:
            return self._no_mail(request)
        opened = await asyncio.to_thread(open_mail, entry.raw)
        files = [
            {"name": e.name, "type": e.content_type, "size": _size(len(e.data)), "index": n}
            for n, e in enumerate(opened.enclosures, start=1)
        ]
        return self._page(
            request,
            "mail",
            title=opened.subject or entry.subject or "(inget ämne)",
            link=quote(request.match_info["address"], safe=""),
            entry=entry.number,
            address=entry.recipient,
            sender=opened.sender or entry.sender,
            to=opened.to or entry.recipient,
            date=_date(opened.date),
            at=_moment(entry.at),
            html=opened.html is not None,
            frame=_REACHING_OUT.sub("<x-", opened.html or ""),
            plain=opened.text is not None,
            text=opened.text or "",
            files=files,
            enclosed=len(files),
            legible=opened.legible,
        )

    async def source(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        if entry is None:
            return self._no_mail(request)
        source = entry.raw.decode("utf-8", "replace").encode()
        return web.Response(body=source, content_type="text/plain", charset="utf-8", headers=HEADERS)

    async def attachment(self, request: web.Request) -> web.Response:
        """The file itself, always as something to save: never shown on our own origin."""
        entry = self._entry(request)
        opened = await asyncio.to_thread(open_mail, entry.raw) if entry else Mail()
        index = int(request.match_info["index"])
        if not 1 <= index <= len(opened.enclosures):
            return self._absent(request, "Bilagan finns inte", "Brevet har ingen bilaga med det numret.")
        file = opened.enclosures[index - 1]
        # RFC 8187 section 3.2.1; the plain name is for clients older than that
        named = f"attachment; filename=\"bilaga-{index}\"; filename*=UTF-8''{quote(file.name, safe='', errors='replace')}"
        return web.Response(body=file.data, content_type="application/octet-stream", headers={**HEADERS, "Content-Disposition": named})

    async def misbehaviour(self, request: web.Request) -> web.Response:
        rules = [
            {"number": r.number, "provider": r.provider or "alla", "recipient": r.recipient or "alla"} | _told(r.fault, r.times)
            for r in self._faults.rules
        ]
        magic = [{"recipient": row["recipient"]} | _told(row["fault"], row["times"]) for row in magic_table()]
        return self._page(request, "misbehaviour", title="Störningar", rules=rules, some=bool(rules), magic=magic)

    async def style(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css", headers={**HEADERS, "Cache-Control": "max-age=60"})

    def _entry(self, request: web.Request) -> Received | None:
        entry = self._ledger.get(int(request.match_info["number"]))
        mine = entry is not None and entry.channel == "email" and entry.recipient.lower() == request.match_info["address"].lower()
        return entry if mine else None

    def _no_mail(self, request: web.Request) -> web.Response:
        return self._absent(request, "Brevet finns inte", "Den här inkorgen har inget brev med det numret.")

    def _absent(self, request: web.Request, title: str, sentence: str) -> web.Response:
        return self._page(request, "missing", title=title, sentence=sentence, status=404)

    def _page(self, request: web.Request, page: str, *, status: int = 200, **members: Any) -> web.Response:
        living = page in ("overview", "phones", "phone", "inboxes", "inbox")
        paused = "paus" in request.query
        here = "/" + request.path.split("/")[1]
        tabs = [{"href": href, "label": label, "current": href == here} for href, label in _TABS.items()]
        shared = {"tabs": tabs, "refresh": living and not paused, "resume": living and paused}
        # "replace": a badly encoded mail may hold lone surrogates, which UTF-8 cannot
        body = fill(self._pages[page], members | shared).encode("utf-8", "replace")
        return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def _latest(entry: Received) -> dict[str, Any]:
    folder = {"sms": "/phones/", "email": "/inboxes/"}.get(entry.channel)
    link = folder and folder + quote(entry.recipient, safe="", errors="replace") + (f"/{entry.number}" if entry.channel == "email" else "")
    return {
        "who": entry.recipient,
        "sender": entry.sender,
        "excerpt": _excerpt(entry.subject or entry.text),
        "at": _moment(entry.at),
        "href": link or "",
    }


def _excerpt(text: str) -> str:
    text = " ".join(text[:400].split())
    return text if len(text) <= 110 else f"{text[:109]}…"


def _told(fault: Fault, times: int | None) -> dict[str, str]:
    often = "alltid" if times is None else "en gång" if times == 1 else f"{times} gånger"
    return {"fault": fault.value, "told": FAULTS[fault], "times": often}


def _day(at: datetime) -> str:
    local = at.astimezone(SWEDEN)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def _moment(at: datetime) -> str:
    return at.astimezone(SWEDEN).strftime("%Y-%m-%d %H:%M:%S")


def _date(header: str) -> str:
    """A mail's Date in Swedish time; as it was written where it is no date."""
    try:
        written = parsedate_to_datetime(header)
        return _moment(written if written.tzinfo else written.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return header


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} byte"
    number, unit = (count / 1000, "kB") if count < 1_000_000 else (count / 1_000_000, "MB")
    return f"{number:.1f} {unit}".replace(".", ",")
