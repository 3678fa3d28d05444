"""SMS gateway protocols of the sandbox: LINK, Telia and 46elks, requests and answers."""

from __future__ import annotations

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

import orjson
from aiohttp import web

from utskick.sandbox.faults import ProviderFault
from utskick.sandbox.ledger import Received

#: telia-smssender-premium-1.0.0.yml, SmsServiceRequest.destinationNumber.
_TELIA_NUMBER: Final = re.compile(r"^\s*(\+?[4][6][7]|[0][7]\d(\s*)[\-]?)((\d|\s)+)$")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{3,14}\Z")
_GSM_ONLY: Final = re.compile(r"[\n\r -_a-~åäöÅÄÖéÉüÜæøÆØñÑàèìòùß£¥§¤€]*\Z")
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


#: Attempts at posting one delivery report.
TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class ReportTo:
    """Where LINK's gate points (46elks is told with each message), and how many seconds after the
    answer reports leave."""

    link: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class GatewayLogin:
    """The credentials that all three gateways take, and how many seconds a token of Telia's
    lives."""

    username: str = "user"
    password: str = "secret"  # noqa: S105
    token_life: float = 3600.0


@dataclass(frozen=True, slots=True)
class Report:
    url: str
    headers: Mapping[str, str]
    body: bytes
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class Order:
    """A message that a gateway has read and found right. ``gate``: where its report goes."""

    received: Received
    gate: str | None = None


class Dialect(ABC):
    """How one provider reads a request and words its answers."""

    name: str

    @abstractmethod
    def read(self, request: web.Request, body: bytes) -> Order | web.Response:
        """The order, or the answer to a request that is wrong in itself."""

    @abstractmethod
    def yes(self, received: Received) -> web.Response: ...

    @abstractmethod
    def no(self, fault: ProviderFault) -> web.Response:
        """The answer to REFUSE, TEMPORARY and LOGIN."""

    def reports(self, order: Order, *, failed: bool) -> list[Report]:  # noqa: ARG002
        return []


class LinkDialect(Dialect):
    name = "link"
    _NO: Final = {
        ProviderFault.REFUSE: (200, 2104, "Unknown subscriber"),
        ProviderFault.TEMPORARY: (200, 1, "Temporary routing error"),
    }

    def __init__(self, login: GatewayLogin, gate: str | None) -> None:
        self._login = _basic(login)
        self._gate = gate

    def read(self, request: web.Request, body: bytes) -> Order | web.Response:
        if request.headers.get("Authorization") != self._login:
            return self.no(ProviderFault.LOGIN)
        asked = _object(body)
        for member, code in (
            ("platformId", 106200),
            ("platformPartnerId", 106201),
            ("source", 2000),
            ("userData", 4003),
        ):
            if not _text(asked, member):
                return _link_answer(200, code, f"{member} is missing")
        number = _text(asked, "destination")
        if not _NUMBER.match(number):
            return _link_answer(200, 2106, "Number error")
        received = Received(
            "sms",
            self.name,
            number,
            _text(asked, "source"),
            _text(asked, "userData"),
            _text(asked, "refId") or None,
            uuid4().hex,
            raw=body,
        )
        return Order(received, self._gate if asked.get("useDeliveryReport") is True else None)

    def yes(self, received: Received) -> web.Response:
        return _link_answer(200, 1005, "Queued", received.reference)

    def no(self, fault: ProviderFault) -> web.Response:
        return _link_answer(*self._NO.get(fault, (401, 106100, "Invalid authentication")))

    def reports(self, order: Order, *, failed: bool) -> list[Report]:
        """One for each part, as LINK does."""
        gate, received = order.gate, order.received
        if gate is None:
            return []
        parts, moment = _parts(received.text), datetime.now(UTC).isoformat()
        said = {
            "refId": received.key,
            "operator": "sandbox",
            "sentTimestamp": moment,
            "timestamp": moment,
            "segments": parts,
        }
        said |= {"resultCode": 1006 if failed else 1001, "operatorResultCode": None}
        ids = (
            [received.reference]
            if parts == 1
            else [f"{received.reference}${part}" for part in range(parts)]
        )
        return [Report(gate, _JSON, orjson.dumps({**said, "id": part_id})) for part_id in ids]


class TeliaDialect(Dialect):
    name = "telia"
    _NO: Final = {
        ProviderFault.REFUSE: (400, "Bad Request"),
        ProviderFault.TEMPORARY: (500, "Internal server error"),
    }

    def __init__(self, login: GatewayLogin) -> None:
        self._client = _basic(login)
        self._life = login.token_life
        self._tokens: dict[str, float] = {}

    async def give_token(self, request: web.Request) -> web.Response:
        """RFC 6749 sections 4.4 and 5."""
        if request.headers.get("Authorization") != self._client:
            return _json(401, {"error": "invalid_client"})
        if (
            dict(parse_qsl((await request.read()).decode("utf-8", "replace"))).get("grant_type")
            != "client_credentials"
        ):
            return _json(400, {"error": "unsupported_grant_type"})
        now, token = time.monotonic(), uuid4().hex
        self._tokens = {
            **{t: end for t, end in self._tokens.items() if end > now},
            token: now + self._life,
        }
        return _json(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self._life)}
        )

    def read(self, request: web.Request, body: bytes) -> Order | web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return self.no(ProviderFault.LOGIN)
        asked = _object(body)
        faults = _telia_faults(asked)
        if faults:
            return _telia_answer(400, "Bad Request", *faults)
        return Order(
            Received(
                "sms",
                self.name,
                asked["destinationNumber"],
                asked["originator"],
                asked["message"],
                raw=body,
            )
        )

    def yes(self, received: Received) -> web.Response:  # noqa: ARG002
        return web.Response(status=204)

    def no(self, fault: ProviderFault) -> web.Response:
        return _telia_answer(*self._NO.get(fault, (401, "Unauthorized")))


class ElksDialect(Dialect):
    name = "46elks"
    _NO: Final = {
        ProviderFault.REFUSE: (400, "Invalid to number"),
        ProviderFault.TEMPORARY: (500, "Internal server error"),
    }

    def __init__(self, login: GatewayLogin) -> None:
        self._login = _basic(login)

    def read(self, request: web.Request, body: bytes) -> Order | web.Response:
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
        return Order(
            Received(
                "sms",
                self.name,
                asked["to"],
                asked["from"],
                asked["message"],
                key,
                reference,
                raw=body,
            ),
            gate,
        )

    def yes(self, received: Received) -> web.Response:
        answer = {
            "id": received.reference,
            "status": "created",
            "from": received.sender,
            "to": received.recipient,
        }
        return _json(200, {**answer, "message": received.text})

    def no(self, fault: ProviderFault) -> web.Response:
        status, text = self._NO.get(fault, (401, "Wrong username or password"))
        return web.Response(status=status, text=text)

    def reports(self, order: Order, *, failed: bool) -> list[Report]:
        if order.gate is None:
            return []
        said = {"id": order.received.reference or "", "status": "failed" if failed else "delivered"}
        if not failed:
            said["delivered"] = datetime.now(UTC).replace(tzinfo=None).isoformat()
        return [Report(order.gate, _FORM, urlencode(said).encode())]


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


def _link_answer(
    status: int, code: int, description: str, message_id: str | None = None
) -> web.Response:
    members = {"resultCode": code, "description": description}
    return _json(status, members if message_id is None else {**members, "messageId": message_id})


def _telia_answer(status: int, message: str, *details: str) -> web.Response:
    """ServiceErrorResponse. Telia's own root codes are not published; the HTTP status stands in for
    them."""
    technical = {
        "rootCode": status,
        "rootCause": message,
        "serviceId": "sandbox",
        "requestId": uuid4().hex,
        "details": list(details),
    }
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
    """How many parts the phone gets, to a close guess: what a gateway counts is not what Utskick's
    own count is checked against."""
    alone, joined = (160, 153) if _GSM_ONLY.match(text) else (70, 67)
    return 1 if len(text) <= alone else math.ceil(len(text) / joined)
