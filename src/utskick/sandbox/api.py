"""The sandbox's ledger and fault script over HTTP: what tests and demos ask, and how they tell it
to misbehave."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from aiohttp import web

from utskick.domain.errors import NotFound, Unreadable, UtskickError, WrongMediaType
from utskick.sandbox.faults import MAGIC_NUMBERS, MAGIC_TAGS, FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.summary import STRIDE, LedgerSummary

PROBLEM: Final = "application/problem+json"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE: Final = 100
LARGEST_PAGE: Final = 1000
LONGEST_PATTERN: Final = 200
LONGEST_FAULT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing wrong with a call: where, which rule, and what stood there."""

    field: str
    rule: str
    found: str


class LedgerApi:
    """Routes below /ledger and /faults. Errors are RFC 9457 problems."""

    def __init__(self, ledger: Ledger, faults: Faults, tally: LedgerSummary | None = None) -> None:
        self._ledger = ledger
        self._faults = faults
        self._tally = tally or LedgerSummary(ledger)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ledger", _answered(self.entries)),
            web.get("/ledger.jsonl", _answered(self.stream)),
            web.get("/ledger/summary", _answered(self.summary)),
            web.get(r"/ledger/{number:\d+}", _answered(self.entry)),
            web.get(r"/ledger/{number:\d+}/raw", _answered(self.raw)),
            web.get("/faults", _answered(self.script)),
            web.post("/faults", _answered(self.lay_in)),
            web.delete("/faults", _answered(self.clear)),
            web.get("/faults/magic", _answered(self.magic)),
        ]

    async def entries(self, request: web.Request) -> web.Response:
        """``next`` is the ``after`` of the next page, null on the last."""
        after, limit = _window(request.query)
        channel, recipient = (
            request.query.get("channel"),
            _recipient(request.query.get("recipient")),
        )
        await self._tally.catch_up()
        if recipient is None:
            total = self._tally.by_channel[channel] if channel else len(self._ledger)
            found = list(self._ledger.after(after, channel or None, limit + 1))
        else:
            channels = [channel] if channel else list(self._tally.by_channel)
            theirs = sorted(
                (e for c in channels for e in self._ledger.of(c, recipient)), key=lambda e: e.number
            )
            total = len(theirs)
            found = list(islice((e for e in theirs if e.number > after), limit + 1))
        page = found[:limit]
        more = page[-1].number if len(found) > limit else None
        return in_json({"total": total, "entries": [e.shown() for e in page], "next": more})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """All entries as JSON lines: a turn of the event loop for each stride, and no faster than
        the reader reads."""
        channel = request.query.get("channel") or None
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        for lines in self._strides(channel):
            await response.write(lines)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    def _strides(self, channel: str | None) -> Iterator[bytes]:
        end = len(self._ledger)
        for start in range(1, end + 1, STRIDE):
            entries = (
                self._ledger.get(number)
                for number in range(start, min(end, start + STRIDE - 1) + 1)
            )
            yield b"".join(
                _written(e.shown()) + b"\n" for e in entries if e and channel in (None, e.channel)
            )

    async def summary(self, _request: web.Request) -> web.Response:
        await self._tally.catch_up()
        return in_json(
            {
                "total": sum(self._tally.by_channel.values()),
                "counts": [
                    {"channel": c, "provider": p, "count": n}
                    for (c, p), n in sorted(self._tally.by_provider.items())
                ],
                "repeated": [
                    {"channel": c, "recipient": r, "key": k, "copies": n}
                    for (c, r, k), n in sorted(self._tally.repeated.items())
                ],
            }
        )

    async def entry(self, request: web.Request) -> web.Response:
        return in_json(self._find(request).shown())

    async def raw(self, request: web.Request) -> web.Response:
        """What came over the wire: an e-mail as message/rfc822 (RFC 2046 section 5.2.1), anything
        else as bytes."""
        entry = self._find(request)
        mail = entry.channel == "email"
        name = f"{entry.number}.eml" if mail else f"{entry.number}.bin"
        return web.Response(
            body=entry.raw,
            content_type="message/rfc822" if mail else "application/octet-stream",
            headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _find(self, request: web.Request) -> Received:
        text = request.match_info["number"]
        entry = self._ledger.get(int(text)) if len(text) < 16 else None
        if entry is None:
            raise NotFound(
                f"The ledger has no entry with this number; it holds 1 to {len(self._ledger)}."
            )
        return entry

    async def script(self, _request: web.Request) -> web.Response:
        return in_json({"rules": [asdict(rule) for rule in self._faults.rules]})

    async def lay_in(self, request: web.Request) -> web.Response:
        """One rule or a list of rules; all of them or, where one is wrong, none."""
        if (
            request.content_type != "application/json"
        ):  # also keeps other sites' forms out: this needs a CORS preflight
            raise WrongMediaType("Send the rule as application/json.")
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError) as fault:
            raise Unreadable("The body is not JSON.") from fault
        rules = read_rules(body)
        return in_json({"rules": [asdict(self._faults.add(rule)) for rule in rules]}, 201)

    async def clear(self, _request: web.Request) -> web.Response:
        """Empties the script, and lets the magic recipients strike from the beginning again."""
        self._faults.clear()
        return web.Response(status=204)

    async def magic(self, _request: web.Request) -> web.Response:
        return in_json({"recipients": magic_table()})


HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def magic_table() -> list[dict[str, Any]]:
    """The magic recipients, a row each: channel, how the recipient is written, fault, times (null:
    for ever), seconds."""
    named = [("sms", f"+46700####{digits}", rule) for digits, rule in MAGIC_NUMBERS.items()]
    named += [("email", f"name+{tag}@…", rule) for tag, rule in MAGIC_TAGS.items()]
    return [
        {
            "channel": channel,
            "recipient": recipient,
            "fault": rule.fault,
            "times": rule.times,
            "seconds": rule.seconds,
        }
        for channel, recipient, rule in named
    ]


def in_json(
    members: Mapping[str, Any], status: int = 200, content_type: str = "application/json"
) -> web.Response:
    return web.Response(
        body=_written(members),
        status=status,
        content_type=content_type,
        charset="utf-8",
        headers=HEADERS,
    )


def _written(members: Mapping[str, Any]) -> bytes:
    # A lone surrogate, from a badly encoded mail, cannot be UTF-8; its backslash form is what JSON
    # itself writes (RFC 8259 section 7).
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _answered(ask: Answering) -> Answering:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await ask(request)
        except UtskickError as fault:
            problem = {
                "title": fault.title,
                "status": fault.status,
                "code": fault.code,
                "detail": fault.detail,
                **fault.members,
            }
            return in_json(problem, fault.status, PROBLEM)

    return answer


def _refusal(breaches: list[Breach]) -> Unreadable:
    detail = "; ".join(f"{b.field} {b.rule}, found {b.found}" for b in breaches)
    return Unreadable(detail, violations=[asdict(b) for b in breaches])


def _window(query: Mapping[str, str]) -> tuple[int, int]:
    asked = {
        "after": (query.get("after", "0"), 0, 10**15),
        "limit": (query.get("limit", str(PAGE)), 1, LARGEST_PAGE),
    }
    breaches = [
        Breach(name, f"must be a whole number from {low} to {high}", _quoted(text))
        for name, (text, low, high) in asked.items()
        if not re.fullmatch(r"[0-9]{1,16}", text) or not low <= int(text) <= high
    ]
    if breaches:
        raise _refusal(breaches)
    return int(asked["after"][0]), int(asked["limit"][0])


def _recipient(text: str | None) -> str | None:
    """An unescaped plus sign reaches us as a space, which neither a number nor an address holds."""
    if text and (text.startswith(" ") or "@" in text):
        return text.replace(" ", "+")
    return text or None


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str) or len(value) > LONGEST_PATTERN:
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_times(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= LONGEST_FAULT  # false for NaN, which Python's JSON lets through


#: The members of a rule as JSON: the rule that each follows, in words and as a check.
MEMBERS: Final[dict[str, tuple[str, Callable[[object], bool]]]] = {
    "fault": (
        f"must be one of {', '.join(ProviderFault)}",
        lambda v: isinstance(v, str) and v in tuple(ProviderFault),
    ),
    "provider": (
        "must be the name of a provider, or null for all of them",
        lambda v: v is None or (isinstance(v, str) and v.strip() != ""),
    ),
    "recipient": (
        f"must be a regular expression of at most {LONGEST_PATTERN} characters",
        _is_pattern,
    ),
    "times": ("must be a whole number from 1, or null for ever", _is_times),
    "seconds": (f"must be a number from 0 to {LONGEST_FAULT:.0f}", _is_seconds),
}


def read_rules(body: object) -> list[FaultRule]:
    """A rule or a list of rules. Raises ``Unreadable`` with every breach: its field, its rule and
    what was found."""
    listed: list[Any] = body if isinstance(body, list) else [body]
    breaches = [
        b
        for n, members in enumerate(listed)
        for b in _breaches(members, f"[{n}]" if isinstance(body, list) else "")
    ]
    if not listed:
        breaches = [Breach("body", "must be a rule or a list of at least one", "an empty list")]
    if breaches:
        raise _refusal(breaches)
    return [
        FaultRule(**{**members, "fault": ProviderFault(members["fault"])}) for members in listed
    ]


def _breaches(members: object, where: str) -> Iterator[Breach]:
    if not isinstance(members, dict):
        yield Breach(where or "body", "must be an object with the member fault", _quoted(members))
        return
    prefix = f"{where}." if where else ""
    for name in members.keys() - MEMBERS.keys():
        yield Breach(
            f"{prefix}{name[:40]}",
            f"is no member of a rule; those are {', '.join(MEMBERS)}",
            _quoted(members[name]),
        )
    for name, (rule, holds) in MEMBERS.items():
        if name not in members:
            if name == "fault":
                yield Breach(f"{prefix}fault", rule, "nothing")
        elif not holds(members[name]):
            yield Breach(f"{prefix}{name}", rule, _quoted(members[name]))


def _quoted(found: object) -> str:
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
