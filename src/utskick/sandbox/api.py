"""HTTP API of the sandbox's ledger and fault script, for tests and demos."""

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
from utskick.sandbox.summary import CHUNK, LedgerSummary

PROBLEM: Final = "application/problem+json"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE: Final = 100
LARGEST_PAGE: Final = 1000
LONGEST_PATTERN: Final = 200
LONGEST_FAULT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """Violation of a rule: the field, the rule and the value found."""

    field: str
    rule: str
    found: str


class LedgerApi:
    """Routes below /ledger and /faults; errors are problem documents (RFC 9457)."""

    def __init__(
        self, ledger: Ledger, faults: Faults, summary: LedgerSummary | None = None
    ) -> None:
        self._ledger = ledger
        self._faults = faults
        self._summary = summary or LedgerSummary(ledger)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ledger", _with_problems(self.entries)),
            web.get("/ledger.jsonl", _with_problems(self.stream)),
            web.get("/ledger/summary", _with_problems(self.summary)),
            web.get(r"/ledger/{number:\d+}", _with_problems(self.entry)),
            web.get(r"/ledger/{number:\d+}/raw", _with_problems(self.raw)),
            web.get("/faults", _with_problems(self.script)),
            web.post("/faults", _with_problems(self.add_rules)),
            web.delete("/faults", _with_problems(self.clear)),
            web.get("/faults/magic", _with_problems(self.magic)),
        ]

    async def entries(self, request: web.Request) -> web.Response:
        """Return a page of entries; ``next`` is the ``after`` of the next page, or null."""
        after, limit = _window(request.query)
        channel, recipient = (
            request.query.get("channel"),
            _recipient(request.query.get("recipient")),
        )
        await self._summary.catch_up()
        if recipient is None:
            total = self._summary.by_channel[channel] if channel else len(self._ledger)
            page_and_next = list(self._ledger.after(after, channel or None, limit + 1))
        else:
            channels = [channel] if channel else list(self._summary.by_channel)
            received = sorted(
                (e for c in channels for e in self._ledger.of(c, recipient)), key=lambda e: e.number
            )
            total = len(received)
            page_and_next = list(islice((e for e in received if e.number > after), limit + 1))
        page = page_and_next[:limit]
        more = page[-1].number if len(page_and_next) > limit else None
        return json_response({"total": total, "entries": [e.to_json() for e in page], "next": more})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream all entries as JSON lines, yielding to the event loop after each chunk."""
        channel = request.query.get("channel") or None
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        for lines in self._chunks(channel):
            await response.write(lines)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    def _chunks(self, channel: str | None) -> Iterator[bytes]:
        end = len(self._ledger)
        for start in range(1, end + 1, CHUNK):
            entries = (
                self._ledger.get(number) for number in range(start, min(end, start + CHUNK - 1) + 1)
            )
            yield b"".join(
                _json_bytes(e.to_json()) + b"\n"
                for e in entries
                if e and channel in (None, e.channel)
            )

    async def summary(self, _request: web.Request) -> web.Response:
        await self._summary.catch_up()
        return json_response(
            {
                "total": sum(self._summary.by_channel.values()),
                "counts": [
                    {"channel": c, "provider": p, "count": n}
                    for (c, p), n in sorted(self._summary.by_provider.items())
                ],
                "repeated": [
                    {"channel": c, "recipient": r, "key": k, "copies": n}
                    for (c, r, k), n in sorted(self._summary.repeated.items())
                ],
            }
        )

    async def entry(self, request: web.Request) -> web.Response:
        return json_response(self._get(request).to_json())

    async def raw(self, request: web.Request) -> web.Response:
        """Return the raw message; e-mail is message/rfc822 (RFC 2046 section 5.2.1)."""
        entry = self._get(request)
        mail = entry.channel == "email"
        name = f"{entry.number}.eml" if mail else f"{entry.number}.bin"
        return web.Response(
            body=entry.raw,
            content_type="message/rfc822" if mail else "application/octet-stream",
            headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _get(self, request: web.Request) -> Received:
        text = request.match_info["number"]
        entry = self._ledger.get(int(text)) if len(text) < 16 else None
        if entry is None:
            raise NotFound(
                f"The ledger has no entry with this number; it holds 1 to {len(self._ledger)}."
            )
        return entry

    async def script(self, _request: web.Request) -> web.Response:
        return json_response({"rules": [asdict(rule) for rule in self._faults.rules]})

    async def add_rules(self, request: web.Request) -> web.Response:
        """Add a rule or a list of rules; if one is invalid, none is added."""
        if (
            request.content_type != "application/json"
            # The content type requires a CORS preflight, which keeps forms of other sites out.
        ):
            raise WrongMediaType("Send the rule as application/json.")
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError) as fault:
            raise Unreadable("The body is not JSON.") from fault
        rules = read_rules(body)
        return json_response({"rules": [asdict(self._faults.add(rule)) for rule in rules]}, 201)

    async def clear(self, _request: web.Request) -> web.Response:
        """Clear the script, and reset the counts of the magic recipients."""
        self._faults.clear()
        return web.Response(status=204)

    async def magic(self, _request: web.Request) -> web.Response:
        return json_response({"recipients": magic_table()})


HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def magic_table() -> list[dict[str, Any]]:
    """Return the magic recipients: channel, pattern, fault, times (null: always) and seconds."""
    rows = [("sms", f"+46700####{digits}", rule) for digits, rule in MAGIC_NUMBERS.items()]
    rows += [("email", f"name+{tag}@…", rule) for tag, rule in MAGIC_TAGS.items()]
    return [
        {
            "channel": channel,
            "recipient": recipient,
            "fault": rule.fault,
            "times": rule.times,
            "seconds": rule.seconds,
        }
        for channel, recipient, rule in rows
    ]


def json_response(
    members: Mapping[str, Any], status: int = 200, content_type: str = "application/json"
) -> web.Response:
    return web.Response(
        body=_json_bytes(members) + b"\n",
        status=status,
        content_type=content_type,
        charset="utf-8",
        headers=HEADERS,
    )


def _json_bytes(members: Mapping[str, Any]) -> bytes:
    # Malformed mail may contain lone surrogates, which UTF-8 cannot encode; JSON writes them with a
    # backslash (RFC 8259 section 7).
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _with_problems(handler: Answering) -> Answering:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except UtskickError as fault:
            problem = {
                "title": fault.title,
                "status": fault.status,
                "code": fault.code,
                "detail": fault.detail,
                **fault.members,
            }
            return json_response(problem, fault.status, PROBLEM)

    return answer


def _invalid(breaches: list[RuleViolation]) -> Unreadable:
    detail = "; ".join(f"{b.field} {b.rule}, found {b.found}" for b in breaches)
    return Unreadable(detail, violations=[asdict(b) for b in breaches])


def _window(query: Mapping[str, str]) -> tuple[int, int]:
    parameters = {
        "after": (query.get("after", "0"), 0, 10**15),
        "limit": (query.get("limit", str(PAGE)), 1, LARGEST_PAGE),
    }
    breaches = [
        RuleViolation(name, f"must be a whole number from {low} to {high}", _quoted(text))
        for name, (text, low, high) in parameters.items()
        if not re.fullmatch(r"[0-9]{1,16}", text) or not low <= int(text) <= high
    ]
    if breaches:
        raise _invalid(breaches)
    return int(parameters["after"][0]), int(parameters["limit"][0])


def _recipient(text: str | None) -> str | None:
    """Restore an unescaped plus sign, decoded as a space that no number or address contains."""
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
    return 0 <= value <= LONGEST_FAULT  # false for NaN, which Python's JSON parser accepts


#: Members of a rule in JSON: the rule in words, and its check.
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
    """Parse a rule or a list of rules.

    Raises ``Unreadable`` with all violations: field, rule and value found.
    """
    rules: list[Any] = body if isinstance(body, list) else [body]
    breaches = [
        b
        for n, members in enumerate(rules)
        for b in _breaches(members, f"[{n}]" if isinstance(body, list) else "")
    ]
    if not rules:
        breaches = [
            RuleViolation("body", "must be a rule or a list of at least one", "an empty list")
        ]
    if breaches:
        raise _invalid(breaches)
    return [FaultRule(**{**members, "fault": ProviderFault(members["fault"])}) for members in rules]


def _breaches(members: object, where: str) -> Iterator[RuleViolation]:
    if not isinstance(members, dict):
        yield RuleViolation(
            where or "body", "must be an object with the member fault", _quoted(members)
        )
        return
    prefix = f"{where}." if where else ""
    for name in members.keys() - MEMBERS.keys():
        yield RuleViolation(
            f"{prefix}{name[:40]}",
            f"is not a member of a rule; allowed are {', '.join(MEMBERS)}",
            _quoted(members[name]),
        )
    for name, (rule, check) in MEMBERS.items():
        if name not in members:
            if name == "fault":
                yield RuleViolation(f"{prefix}fault", rule, "nothing")
        elif not check(members[name]):
            yield RuleViolation(f"{prefix}{name}", rule, _quoted(members[name]))


def _quoted(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
