"""Requests, responses and delivery reports of LINK, Telia and 46elks."""

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


#: Attempts to post a delivery report.
ATTEMPTS: Final = 6


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Delivery reports: callback URL for LINK, and their delay in seconds.

    46elks receives the callback URL with each message.
    """

    link: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class GatewayLogin:
    """Credentials of all gateways, and the lifetime of Telia's tokens in seconds."""

    username: str = "user"
    password: str = "secret"  # noqa: S105
    token_lifetime: float = 3600.0


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    url: str
    headers: Mapping[str, str]
    body: bytes
    attempts: int = ATTEMPTS


@dataclass(frozen=True, slots=True)
class AcceptedSms:
    """Valid request to send an SMS; ``callback_url`` receives its delivery report."""

    received: Received
    callback_url: str | None = None


class Dialect(ABC):
    """Protocol of one provider."""

    name: str

    @abstractmethod
    def read(self, request: web.Request, body: bytes) -> AcceptedSms | web.Response:
        """Parse the request; return the SMS, or an error response if the request is invalid."""

    @abstractmethod
    def accepted(self, received: Received) -> web.Response: ...

    @abstractmethod
    def rejected(self, fault: ProviderFault) -> web.Response:
        """Return the response for REFUSE, TEMPORARY, FULL or LOGIN."""

    def reports(self, sms: AcceptedSms, *, failed: bool) -> list[DeliveryReport]:  # noqa: ARG002
        return []


class LinkDialect(Dialect):
    name = "link"
    _REJECTIONS: Final = {
        ProviderFault.REFUSE: (200, 2104, "Unknown subscriber"),
        ProviderFault.TEMPORARY: (200, 1, "Temporary routing error"),
        ProviderFault.FULL: (200, 1004, "Phone memory full"),
    }

    def __init__(self, login: GatewayLogin, callback_url: str | None) -> None:
        self._login = _basic(login)
        self._callback_url = callback_url

    def read(self, request: web.Request, body: bytes) -> AcceptedSms | web.Response:
        if request.headers.get("Authorization") != self._login:
            return self.rejected(ProviderFault.LOGIN)
        members = _object(body)
        for member, code in (
            ("platformId", 106200),
            ("platformPartnerId", 106201),
            ("source", 2000),
            ("userData", 4003),
        ):
            if not _text(members, member):
                return _link_answer(200, code, f"{member} is missing")
        number = _text(members, "destination")
        if not _NUMBER.match(number):
            return _link_answer(200, 2106, "Number error")
        received = Received(
            "sms",
            self.name,
            number,
            _text(members, "source"),
            _text(members, "userData"),
            _text(members, "refId") or None,
            uuid4().hex,
            raw=body,
        )
        return AcceptedSms(
            received, self._callback_url if members.get("useDeliveryReport") is True else None
        )

    def accepted(self, received: Received) -> web.Response:
        return _link_answer(200, 1005, "Queued", received.reference)

    def rejected(self, fault: ProviderFault) -> web.Response:
        return _link_answer(*self._REJECTIONS.get(fault, (401, 106100, "Invalid authentication")))

    def reports(self, sms: AcceptedSms, *, failed: bool) -> list[DeliveryReport]:
        """Return one report per SMS part, like LINK."""
        callback_url, received = sms.callback_url, sms.received
        if callback_url is None:
            return []
        parts, moment = _part_count(received.text), datetime.now(UTC).isoformat()
        members = {
            "refId": received.key,
            "operator": "sandbox",
            "sentTimestamp": moment,
            "timestamp": moment,
            "segments": parts,
        }
        members |= {"resultCode": 1006 if failed else 1001, "operatorResultCode": None}
        ids = (
            [received.reference]
            if parts == 1
            else [f"{received.reference}${part}" for part in range(parts)]
        )
        return [
            DeliveryReport(callback_url, _JSON, orjson.dumps({**members, "id": part_id}))
            for part_id in ids
        ]


class TeliaDialect(Dialect):
    name = "telia"
    _REJECTIONS: Final = {
        ProviderFault.REFUSE: (400, "Bad Request"),
        ProviderFault.TEMPORARY: (500, "Internal server error"),
        ProviderFault.FULL: (500, "Internal server error"),
    }

    def __init__(self, login: GatewayLogin) -> None:
        self._client = _basic(login)
        self._token_lifetime = login.token_lifetime
        self._tokens: dict[str, float] = {}

    async def issue_token(self, request: web.Request) -> web.Response:
        """Issue a token (RFC 6749 sections 4.4 and 5)."""
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
            token: now + self._token_lifetime,
        }
        return _json(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": int(self._token_lifetime),
            },
        )

    def read(self, request: web.Request, body: bytes) -> AcceptedSms | web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return self.rejected(ProviderFault.LOGIN)
        members = _object(body)
        faults = _telia_faults(members)
        if faults:
            return _telia_answer(400, "Bad Request", *faults)
        return AcceptedSms(
            Received(
                "sms",
                self.name,
                members["destinationNumber"],
                members["originator"],
                members["message"],
                raw=body,
            )
        )

    def accepted(self, received: Received) -> web.Response:  # noqa: ARG002
        return web.Response(status=204)

    def rejected(self, fault: ProviderFault) -> web.Response:
        return _telia_answer(*self._REJECTIONS.get(fault, (401, "Unauthorized")))


class ElksDialect(Dialect):
    name = "46elks"
    _REJECTIONS: Final = {
        ProviderFault.REFUSE: (400, "Invalid to number"),
        ProviderFault.TEMPORARY: (500, "Internal server error"),
        ProviderFault.FULL: (500, "Internal server error"),
    }

    def __init__(self, login: GatewayLogin) -> None:
        self._login = _basic(login)

    def read(self, request: web.Request, body: bytes) -> AcceptedSms | web.Response:
        if request.headers.get("Authorization") != self._login:
            return self.rejected(ProviderFault.LOGIN)
        members = dict(parse_qsl(body.decode("utf-8", "replace")))
        missing = [name for name in ("from", "to", "message") if not members.get(name)]
        if missing:
            return web.Response(status=400, text=f"Missing key {missing[0]}")
        if not _NUMBER.match(members["to"]):
            return self.rejected(ProviderFault.REFUSE)
        callback_url = members.get("whendelivered")
        key = (
            parse_qs(urlsplit(callback_url).query).get("delivery", [None])[0]
            if callback_url
            else None
        )
        reference = f"s{uuid4().hex}"
        return AcceptedSms(
            Received(
                "sms",
                self.name,
                members["to"],
                members["from"],
                members["message"],
                key,
                reference,
                raw=body,
            ),
            callback_url,
        )

    def accepted(self, received: Received) -> web.Response:
        answer = {
            "id": received.reference,
            "status": "created",
            "from": received.sender,
            "to": received.recipient,
        }
        return _json(200, {**answer, "message": received.text})

    def rejected(self, fault: ProviderFault) -> web.Response:
        status, text = self._REJECTIONS.get(fault, (401, "Wrong username or password"))
        return web.Response(status=status, text=text)

    def reports(self, sms: AcceptedSms, *, failed: bool) -> list[DeliveryReport]:
        if sms.callback_url is None:
            return []
        members = {
            "id": sms.received.reference or "",
            "status": "failed" if failed else "delivered",
        }
        if not failed:
            members["delivered"] = datetime.now(UTC).replace(tzinfo=None).isoformat()
        return [DeliveryReport(sms.callback_url, _FORM, urlencode(members).encode())]


def _basic(login: GatewayLogin) -> str:
    return "Basic " + b64encode(f"{login.username}:{login.password}".encode()).decode("ascii")


def _object(body: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}


def _text(members: Mapping[str, Any], member: str) -> str:
    value = members.get(member)
    return value if isinstance(value, str) else ""


def _json(status: int, members: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(members), headers=_JSON)


def _link_answer(
    status: int, code: int, description: str, message_id: str | None = None
) -> web.Response:
    members = {"resultCode": code, "description": description}
    return _json(status, members if message_id is None else {**members, "messageId": message_id})


def _telia_answer(status: int, message: str, *details: str) -> web.Response:
    """Return a ServiceErrorResponse, with the HTTP status for the unpublished ``rootCode``."""
    technical = {
        "rootCode": status,
        "rootCause": message,
        "serviceId": "sandbox",
        "requestId": uuid4().hex,
        "details": list(details),
    }
    return _json(status, {"httpCode": status, "message": message, "technicalDetails": technical})


def _telia_faults(members: Mapping[str, Any]) -> list[str]:
    faults = []
    if not 3 <= len(_text(members, "originator")) <= 11:
        faults.append("originator: size must be between 3 and 11")
    if not _TELIA_NUMBER.match(_text(members, "destinationNumber")):
        faults.append("destinationNumber: must match the pattern")
    if not _text(members, "message"):
        faults.append("message: must not be null")
    if members.get("deliveryPriority", "normal") not in ("normal", "high"):
        faults.append("deliveryPriority: must be normal or high")
    if not isinstance(members.get("flashSms", False), bool):
        faults.append("flashSms: must be a boolean")
    return faults


def _part_count(text: str) -> int:
    """Return the approximate number of parts, independently of Utskick's own segment count."""
    single, concatenated = (160, 153) if _GSM_ONLY.match(text) else (70, 67)
    return 1 if len(text) <= single else math.ceil(len(text) / concatenated)
