"""SMS gateways as LINK, Telia and 46elks speak: what they take stands in the ledger, and delivery reports are called back."""

from __future__ import annotations

import asyncio
import math
import re
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import uuid4

import aiohttp
import orjson
from aiohttp import web

from utskick.sandbox.fault_responses import Silence
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

#: telia-smssender-premium-1.0.0.yml, SmsServiceRequest.destinationNumber.
_TELIA_NUMBER: Final = re.compile(r"^\s*(\+?[4][6][7]|[0][7]\d(\s*)[\-]?)((\d|\s)+)$")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{3,14}\Z")
_GSM_ONLY: Final = re.compile(r"[\n\r -_a-~åäöÅÄÖéÉüÜæøÆØñÑàèìòùß£¥§¤€]*\Z")
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
#: How many reports are on their way at once; how often one is tried, and the first pause in seconds (doubled each time).
_REPORTERS, _TRIES, _PAUSE = 8, 6, 0.5


@dataclass(frozen=True, slots=True)
class ReportTo:
    """Where LINK's gate points (46elks is told with each message), and how many seconds after the answer reports leave."""

    link: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class GatewayLogin:
    """The credentials that all three gateways take, and how many seconds a token of Telia's lives."""

    username: str = "user"
    password: str = "secret"  # noqa: S105
    token_life: float = 3600.0


@dataclass(frozen=True, slots=True)
class _Report:
    url: str
    headers: Mapping[str, str]
    body: bytes
    tries: int = _TRIES


@dataclass(frozen=True, slots=True)
class _Order:
    """A message that a gateway has read and found right. ``gate``: where its report goes."""

    received: Received
    gate: str | None = None


class _Dialect(ABC):
    """How one provider reads a request and words its answers."""

    name: str

    @abstractmethod
    def read(self, request: web.Request, body: bytes) -> _Order | web.Response:
        """The order, or the answer to a request that is wrong in itself."""

    @abstractmethod
    def yes(self, received: Received) -> web.Response: ...

    @abstractmethod
    def no(self, fault: ProviderFault) -> web.Response:
        """The answer to REFUSE, TEMPORARY and LOGIN."""

    def reports(self, order: _Order, *, failed: bool) -> list[_Report]:  # noqa: ARG002
        return []


class _Link(_Dialect):
    name = "link"
    _NO: Final = {ProviderFault.REFUSE: (200, 2104, "Unknown subscriber"), ProviderFault.TEMPORARY: (200, 1, "Temporary routing error")}

    def __init__(self, login: GatewayLogin, gate: str | None) -> None:
        self._login = _basic(login)
        self._gate = gate

    def read(self, request: web.Request, body: bytes) -> _Order | web.Response:
        if request.headers.get("Authorization") != self._login:
            return self.no(ProviderFault.LOGIN)
        asked = _object(body)
        for member, code in (("platformId", 106200), ("platformPartnerId", 106201), ("source", 2000), ("userData", 4003)):
            if not _text(asked, member):
                return _link_answer(200, code, f"{member} is missing")
        number = _text(asked, "destination")
        if not _NUMBER.match(number):
            return _link_answer(200, 2106, "Number error")
        received = Received(
            "sms", self.name, number, _text(asked, "source"), _text(asked, "userData"), _text(asked, "refId") or None, uuid4().hex, raw=body
        )
        return _Order(received, self._gate if asked.get("useDeliveryReport") is True else None)

    def yes(self, received: Received) -> web.Response:
        return _link_answer(200, 1005, "Queued", received.reference)

    def no(self, fault: ProviderFault) -> web.Response:
        return _link_answer(*self._NO.get(fault, (401, 106100, "Invalid authentication")))

    def reports(self, order: _Order, *, failed: bool) -> list[_Report]:
        """One for each part, as LINK does."""
        gate, received = order.gate, order.received
        if gate is None:
            return []
        parts, moment = _parts(received.text), datetime.now(UTC).isoformat()
        said = {"refId": received.key, "operator": "sandbox", "sentTimestamp": moment, "timestamp": moment, "segments": parts}
        said |= {"resultCode": 1006 if failed else 1001, "operatorResultCode": None}
        ids = [received.reference] if parts == 1 else [f"{received.reference}${part}" for part in range(parts)]
        return [_Report(gate, _JSON, orjson.dumps({**said, "id": part_id})) for part_id in ids]


class _Telia(_Dialect):
    name = "telia"
    _NO: Final = {ProviderFault.REFUSE: (400, "Bad Request"), ProviderFault.TEMPORARY: (500, "Internal server error")}

    def __init__(self, login: GatewayLogin) -> None:
        self._client = _basic(login)
        self._life = login.token_life
        self._tokens: dict[str, float] = {}

    async def give_token(self, request: web.Request) -> web.Response:
        """RFC 6749 sections 4.4 and 5."""
        if request.headers.get("Authorization") != self._client:
            return _json(401, {"error": "invalid_client"})
        if dict(parse_qsl((await request.read()).decode("utf-8", "replace"))).get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        now, token = time.monotonic(), uuid4().hex
        self._tokens = {**{t: end for t, end in self._tokens.items() if end > now}, token: now + self._life}
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self._life)})

    def read(self, request: web.Request, body: bytes) -> _Order | web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return self.no(ProviderFault.LOGIN)
        asked = _object(body)
        faults = _telia_faults(asked)
        if faults:
            return _telia_answer(400, "Bad Request", *faults)
        return _Order(Received("sms", self.name, asked["destinationNumber"], asked["originator"], asked["message"], raw=body))

    def yes(self, received: Received) -> web.Response:  # noqa: ARG002
        return web.Response(status=204)

    def no(self, fault: ProviderFault) -> web.Response:
        return _telia_answer(*self._NO.get(fault, (401, "Unauthorized")))


class _Elks(_Dialect):
    name = "46elks"
    _NO: Final = {ProviderFault.REFUSE: (400, "Invalid to number"), ProviderFault.TEMPORARY: (500, "Internal server error")}

    def __init__(self, login: GatewayLogin) -> None:
        self._login = _basic(login)

    def read(self, request: web.Request, body: bytes) -> _Order | web.Response:
        if request.headers.get("Authorization") != self._login:
            return self.no(ProviderFault.LOGIN)
        asked = dict(parse_qsl(body.decode("utf-8", "replace")))
        missing = [name for name in ("from", "to", "message") if not asked.get(name)]
        if missing:
            return web.Response(status=400, text=f"Missing key {missing[0]}")
        if not _NUMBER.match(asked["to"]):
            return self.no(ProviderFault.REFUSE)
        gate = asked.get("whendelivered")
        key = parse_qs(urlsplit(gate).query).get("delivery", [None])[0] if gate else None
        reference = f"s{uuid4().hex}"
        return _Order(Received("sms", self.name, asked["to"], asked["from"], asked["message"], key, reference, raw=body), gate)

    def yes(self, received: Received) -> web.Response:
        answer = {"id": received.reference, "status": "created", "from": received.sender, "to": received.recipient}
        return _json(200, {**answer, "message": received.text})

    def no(self, fault: ProviderFault) -> web.Response:
        status, text = self._NO.get(fault, (401, "Wrong username or password"))
        return web.Response(status=status, text=text)

    def reports(self, order: _Order, *, failed: bool) -> list[_Report]:
        if order.gate is None:
            return []
        said = {"id": order.received.reference or "", "status": "failed" if failed else "delivered"}
        if not failed:
            said["delivered"] = datetime.now(UTC).replace(tzinfo=None).isoformat()
        return [_Report(order.gate, _FORM, urlencode(said).encode())]


class Gateways:
    """The three gateways. ``deduplicate``: LINK answers a ``refId`` that it knows with the first ``messageId``, and sends nothing."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        reports: ReportTo = ReportTo(),
        *,
        login: GatewayLogin = GatewayLogin(),
        deduplicate: bool = False,
    ) -> None:
        self._ledger = ledger
        self._faults = faults
        self._delay = reports.delay
        self._link, self._telia, self._elks = _Link(login, reports.link), _Telia(login), _Elks(login)
        self._taken: dict[str, Received] | None = {} if deduplicate else None
        self._due: asyncio.Queue[_Report] = asyncio.Queue()
        self._reporters: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._silence = Silence()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/link/sms/send", self._send_by_link),
            web.post("/telia/oauth2/token", self._telia.give_token),
            web.post("/telia/sendSms", self._send_by_telia),
            web.post("/46elks/a1/sms", self._send_by_elks),
        ]

    async def close(self) -> None:
        self._silence.close()
        for reporter in self._reporters:
            reporter.cancel()
        await asyncio.gather(*self._reporters, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _send_by_link(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._link, request)

    async def _send_by_telia(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._telia, request)

    async def _send_by_elks(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._elks, request)

    async def _serve(self, dialect: _Dialect, request: web.Request) -> web.StreamResponse:
        order = dialect.read(request, await request.read())
        if isinstance(order, web.Response):
            return order
        rule = self._faults.strike(dialect.name, order.received.recipient)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return web.Response(status=429, headers={"Retry-After": str(math.ceil(rule.seconds))})
            case FaultRule(fault=ProviderFault.REFUSE | ProviderFault.TEMPORARY | ProviderFault.LOGIN):
                return dialect.no(rule.fault)
        received = await self._take(dialect, order, rule)
        return await self._silence.instead(request, rule) or dialect.yes(received)

    async def _take(self, dialect: _Dialect, order: _Order, rule: FaultRule | None) -> Received:
        """Into the ledger, and the report on its way."""
        received = order.received
        if self._taken is not None and dialect is self._link and received.key is not None:
            known = self._taken.setdefault(received.key, received)
            if known is not received:
                return known
        failed = rule is not None and rule.fault is ProviderFault.REPORT_FAILED
        if not failed:
            self._ledger.add(received)
        await self._tell(dialect.reports(order, failed=failed), rule)
        return received

    async def _tell(self, reports: list[_Report], rule: FaultRule | None) -> None:
        fault = rule.fault if rule else None
        if fault is ProviderFault.REPORT_NEVER or not reports:
            return
        if fault is ProviderFault.REPORT_EARLY:
            for report in reports:
                await self._post(report)
            return
        delay = rule.seconds if rule and fault is ProviderFault.REPORT_LATE else self._delay
        for report in reports * (2 if fault is ProviderFault.REPORT_TWICE else 1):
            self._later(report, delay)

    def _later(self, report: _Report, delay: float) -> None:
        if not self._reporters:
            self._reporters = [asyncio.create_task(self._keep_reporting()) for _ in range(_REPORTERS)]
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._due.put_nowait, report)
        else:
            self._due.put_nowait(report)

    async def _keep_reporting(self) -> None:
        while True:
            await self._post(await self._due.get())

    async def _post(self, report: _Report) -> None:
        """A report that is not taken is tried again later, as the providers do."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            async with self._session.post(report.url, data=report.body, headers=report.headers) as answer:
                if answer.status < 500:
                    return
        except (aiohttp.ClientError, TimeoutError, OSError):
            answer = None
        if report.tries > 1:
            again = _Report(report.url, report.headers, report.body, report.tries - 1)
            self._later(again, _PAUSE * 2.0 ** (_TRIES - report.tries))


def _basic(login: GatewayLogin) -> str:
    return "Basic " + b64encode(f"{login.username}:{login.password}".encode()).decode("ascii")


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(asked: Mapping[str, Any], member: str) -> str:
    value = asked.get(member)
    return value if isinstance(value, str) else ""


def _json(status: int, members: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(members), headers=_JSON)


def _link_answer(status: int, code: int, description: str, message_id: str | None = None) -> web.Response:
    members = {"resultCode": code, "description": description}
    return _json(status, members if message_id is None else {**members, "messageId": message_id})


def _telia_answer(status: int, message: str, *details: str) -> web.Response:
    """ServiceErrorResponse. Telia's own root codes are not published; the HTTP status stands in for them."""
    technical = {"rootCode": status, "rootCause": message, "serviceId": "sandbox", "requestId": uuid4().hex, "details": list(details)}
    return _json(status, {"httpCode": status, "message": message, "technicalDetails": technical})


def _telia_faults(asked: Mapping[str, Any]) -> list[str]:
    faults = []
    if not 3 <= len(_text(asked, "originator")) <= 11:
        faults.append("originator: size must be between 3 and 11")
    if not _TELIA_NUMBER.match(_text(asked, "destinationNumber")):
        faults.append("destinationNumber: must match the pattern")
    if not _text(asked, "message"):
        faults.append("message: must not be null")
    if asked.get("deliveryPriority", "normal") not in ("normal", "high"):
        faults.append("deliveryPriority: must be normal or high")
    if not isinstance(asked.get("flashSms", False), bool):
        faults.append("flashSms: must be a boolean")
    return faults


def _parts(text: str) -> int:
    """How many parts the phone gets, to a close guess: what a gateway counts is not what Utskick's own count is checked against."""
    alone, joined = (160, 153) if _GSM_ONLY.match(text) else (70, 67)
    return 1 if len(text) <= alone else math.ceil(len(text) / joined)
