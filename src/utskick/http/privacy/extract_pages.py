"""Extract of a person as a PDF: contents, numbered pages, tables, in Swedish."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from utskick.domain.errors import ExtractTooLong
from utskick.domain.html_encoding import decode_html_leniently
from utskick.domain.html_text import text_of
from utskick.http.privacy import extract_pdf as press
from utskick.http.privacy.extract_words import INBOUND, KINDS, MEMBERS, PREFACE, STATUSES, TITLE

#: Limits within which an extract is typeset in a few seconds and can be read.
MOST_MESSAGES: Final = 1_000
MOST_CHARACTERS: Final = 1_000_000
#: Timeout in seconds.
_PATIENCE: Final = 120.0
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_LONG_WORD: Final = 36
_INBOUND: Final = ("Mottaget", "Från", "Till", "Text", "Gallring")
_NONE: Final = "Inga inkomna meddelanden finns."
_LEFT_OUT: Final = frozenset({"attachments", "files"})

Rows = list[tuple[str, str]]


@dataclass(slots=True)
class Pages:
    """Input of the typesetter, collected as it is read.

    ``kinds``: Swedish terms of message types, devices and holds. Raises ``ExtractTooLong`` beyond
    the limit.
    """

    head: Mapping[str, Any]
    kinds: Mapping[str, str]
    years: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    inbound: list[tuple[str, ...]] = field(default_factory=list)
    size: int = 0

    def add(self, message: Mapping[str, Any]) -> None:
        """Add the next message, newest first."""
        page = _message(message, self.kinds)
        self._measure(page)
        self.years.setdefault(message["timestamp"][:4], []).append(page)

    def add_inbound(self, message: Mapping[str, Any]) -> None:
        """Add the next message that the person has sent, newest first."""
        row = _inbound(message)
        self._measure(row)
        self.inbound.append(row)

    def _measure(self, page: Any) -> None:
        self.size += len(orjson.dumps(page))
        if self.size > MOST_CHARACTERS:
            raise _too_long(f"over {MOST_CHARACTERS:,} characters".replace(",", " "))

    def data(self) -> dict[str, Any]:
        head = self.head
        about = [
            ("Kommun", head["municipalityId"]),
            ("Person-id", head["partyId"]),
            ("Utdraget gjordes", _time(head["created"])),
            ("Antal meddelanden", str(head["messageCount"])),
            ("Antal inkomna meddelanden", str(head["inboundCount"])),
        ]
        years = [
            {"title": f"{year} ({_counted(len(messages))})", "messages": messages}
            for year, messages in self.years.items()
        ]
        running = f"{TITLE} – kommun {head['municipalityId']} – {_time(head['created'])}"
        return {
            "title": TITLE,
            "running": running,
            "about": about,
            "preface": PREFACE,
            "sections": list(_sections(head, self.kinds)),
            "years": years,
            "after": [_section(INBOUND, _table(_INBOUND, self.inbound, (2, 2, 2, 5, 3)), _NONE)],
        }


class Printer:
    """Typesets one extract at a time, in a process of its own, whose memory is released with it.

    ``labels``: Swedish names of the message types.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._kinds = {**labels, **KINDS}
        self._free = asyncio.Semaphore(1)

    def begin(self, head: Mapping[str, Any]) -> Pages:
        """Return the PDF. Raises ``ExtractTooLong``."""
        count = head["messageCount"] + head["inboundCount"]
        if count > MOST_MESSAGES:
            raise _too_long(f"{count} messages, more than {MOST_MESSAGES}")
        return Pages(head, self._kinds)

    async def print(self, pages: Pages, now: datetime) -> bytes:
        order = orjson.dumps(
            {
                "said": orjson.dumps(_each(pages.data(), _clean)).decode(),
                "made": now.replace(microsecond=0),
            }
        )
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", press.__name__, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )  # its error output may contain personal data
            try:
                made, _ = await asyncio.wait_for(process.communicate(order), _PATIENCE)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode != 0:
            raise RuntimeError(
                f"the extract could not be set: its process ended with status {process.returncode}"
            )
        return made


def _counted(messages: int) -> str:
    return "1 meddelande" if messages == 1 else f"{messages} meddelanden"


def _too_long(found: str) -> ExtractTooLong:
    return ExtractTooLong(
        f"the extract has {found}: too long for a PDF. Ask for it as JSON (format=json)"
    )


# -- typesetting ----------------------------------------


def _sections(head: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    party = head["party"]
    yield _section(
        "Uppgifter i katalogen",
        [{"sheet": _flat(party)}] if party else [],
        "Personen finns inte i katalogen.",
    )
    settings = [{"sheet": _setting(setting, kinds)} for setting in head["contactSettings"]]
    yield _section("Kontaktinställningar", settings, "Inga kontaktinställningar finns.")
    delegates = [
        (d["principalId"], d["agentId"], "\n".join(_filter(f) for f in d["filters"]))
        for d in head["delegates"]
    ]
    yield _section(
        "Ombud", _table(("För", "Ombud", "Gäller"), delegates, (3, 3, 4)), "Inga ombud finns."
    )
    devices = [(_word(kinds, d["kind"]), _time(d["created"]), d["id"]) for d in head["devices"]]
    yield _section(
        "Enheter för pushnotiser",
        _table(("Slag", "Tillagd", "Id"), devices, (2, 2, 4)),
        "Inga enheter finns.",
    )
    holds = [
        (
            _word(kinds, h["kind"]),
            h.get("reason", ""),
            h.get("reference", ""),
            _span(h),
            h["placedBy"],
        )
        for h in head["holds"]
    ]
    names = ("Omfattar", "Skäl", "Referens", "Gäller", "Beslutat av")
    yield _section(
        "Undantag från gallring", _table(names, holds, (2, 4, 2, 3, 2)), "Inga undantag finns."
    )
    rules = [
        (_word({**kinds, "*": "Alla övriga"}, r["messageType"]), _kept(r), r["decision"])
        for r in head["retention"]
    ]
    yield _section(
        "Gallringsregler",
        _table(("Slag", "Sparas", "Beslut"), rules, (3, 3, 3)),
        "Inga regler finns: allt sparas.",
    )


def _section(title: str, items: list[dict[str, Any]], nothing: str) -> dict[str, Any]:
    return {"title": title, "items": items or [{"note": nothing}]}


def _table(
    names: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]
) -> list[dict[str, Any]]:
    found = list(rows)
    return [{"names": names, "rows": found, "widths": widths}] if found else []


def _setting(setting: Mapping[str, Any], kinds: Mapping[str, str]) -> Rows:
    channels = [
        f"{_word(kinds, c['contactMethod'])}: {c.get('destination', '')} ({c.get('alias', '')})"
        + (" – avstängd" if c["disabled"] else "")
        for c in setting["contactChannels"]
    ]
    rest = {
        name: value for name, value in setting.items() if name in ("alias", "created", "modified")
    }
    return [*_flat(rest), ("Vägar", "\n".join(channels) or "inga")]


def _filter(found: Mapping[str, Any]) -> str:
    signs = {"EQUALS": "=", "NOT_EQUALS": "≠"}
    return " och ".join(
        f"{r['attributeName']} {signs[r['operator']]} {r['attributeValue']}" for r in found["rules"]
    )


def _span(hold: Mapping[str, Any]) -> str:
    return f"{_time(hold['placed'])} –" + (f" {_time(hold['lifted'])}" if "lifted" in hold else "")


def _kept(rule: Mapping[str, Any]) -> str:
    return "bevaras" if rule.get("preserve") else f"{rule['days']} dagar"


def _message(message: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    rows: Rows = [("Meddelande-id", message["messageId"])]
    rows += [
        (MEMBERS[name], message[name])
        for name in ("origin", "issuer", "reference")
        if name in message
    ]
    if rule := message.get("retention"):
        rows.append(("Gallring", _ends(rule)))
    return {
        "title": f"{_time(message['timestamp'])}  {_word(kinds, message['messageType'])}",
        "sheet": rows,
        "deliveries": [_delivery(delivery, kinds) for delivery in message["deliveries"]],
        "files": [
            (f["name"], f.get("contentType", ""), _bytes(f["size"]), f["sha256"])
            for f in message["files"]
        ],
    }


def _ends(rule: Mapping[str, Any]) -> str:
    until = f", till {_time(rule['until'])[:10]}" if "until" in rule else ""
    return f"{_kept(rule)}{until} ({rule['decision']})"


def _inbound(message: Mapping[str, Any]) -> tuple[str, ...]:
    parts = message["missingParts"]
    return (
        _time(message["receivedAt"]),
        message.get("sender", ""),
        message["recipient"],
        (MEMBERS["erased"] if message.get("erased") else message["text"])
        + (f" (delar som saknas: {parts})" if parts else ""),
        _ends(message["retention"]) if "retention" in message else "",
    )


def _delivery(delivery: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    title = (
        f"{_word(kinds, delivery['messageType'])}: {_word(STATUSES, delivery['status'])}, "
        f"{delivery['attempts']} försök"
    )
    events = [
        (
            _time(e["timestamp"]),
            _word(STATUSES, e["status"]),
            e.get("provider", ""),
            "; ".join(_why(e)),
        )
        for e in delivery["events"]
    ]
    return {"title": title, "sheet": _flat(delivery["content"]), "events": events}


def _why(event: Mapping[str, Any]) -> Iterator[str]:
    if reason := event.get("reason"):
        yield f"{reason['message']} ({reason['code']})"
    if actor := event.get("actor"):
        yield f"av {actor}"


def _flat(content: Mapping[str, Any], prefix: str = "") -> Rows:
    """Return every member of a content with the inner ones; files have a table of their own."""
    rows: Rows = []
    for name, value in content.items():
        if name in _LEFT_OUT or value in (None, "", [], {}):
            continue
        label = f"{prefix}{MEMBERS.get(name, name)}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{label}: ")
        elif isinstance(value, list):
            rows.append((label, "\n".join(_listed(each) for each in value)))
        else:
            rows.append((label, _text(name, value, content)))
    return rows


def _listed(value: Any) -> str:
    return (
        ", ".join(f"{k}: {v}" for k, v in _flat(value))
        if isinstance(value, Mapping)
        else str(value)
    )


def _text(name: str, value: Any, content: Mapping[str, Any]) -> str:
    """Return a value as text. HTML is in Base64, and is rendered as plain text."""
    if isinstance(value, bool):
        return "ja" if value else "nej"
    if name == "type":
        return _word(KINDS, str(value))
    if name in ("created", "modified"):
        return _time(str(value))
    if name == "htmlMessage" or (name == "body" and content.get("contentType") == "text/html"):
        try:
            return text_of(decode_html_leniently(b64decode(value, validate=True))).strip()
        except ValueError:
            return str(value)
    return str(value)


def _word(words: Mapping[str, str], word: str) -> str:
    return words.get(word, word)


def _time(text: str) -> str:
    return text[:19].replace("T", " ")


def _bytes(size: int) -> str:
    return (
        f"{size} B"
        if size < 1024
        else f"{size / 1024:.0f} kB"
        if size < 1_048_576
        else f"{size / 1_048_576:.1f} MB"
    )


def _each(value: Any, change: Any) -> Any:
    """Return the value with every text in it converted."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each(inner, change) for key, inner in value.items()}
    return [_each(inner, change) for inner in value] if isinstance(value, list | tuple) else value


def _clean(text: str) -> str:
    """Remove control characters, and allow long words to break.

    Words wider than a column get a zero-width space.
    """
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    return " ".join(
        "\u200b".join(word) if len(word) > _LONG_WORD else word for word in plain.split(" ")
    )
