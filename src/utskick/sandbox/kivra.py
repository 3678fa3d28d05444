"""Kivra's sender API: recipients, and the invoices they receive.

Everyone has Kivra, except numbers with the digits ``ABSENT`` before the check digit; ``MAGIC``
digits simulate faults. Content that is identical except for ``generated_at`` is delivered once, as
in Kivra's production.
"""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import encode_basic_auth, web

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

TENANT: Final = "sandbox-tenant"
_LOGIN: Final = ("user", "secret")
_TOKEN_LIFETIME: Final = 28_800
_SSN: Final = re.compile(r"(18|19|20)[0-9]{10}\Z")
_VAT: Final = re.compile(r"SE[0-9]{12}\Z")
_AMOUNT: Final = re.compile(r"[0-9]{1,9}\.[0-9]{2}\Z")
_LIMIT: Final = 10_000_000

#: By the two digits before the check digit of a personal number.
MAGIC: Final = {
    "02": FaultRule(ProviderFault.THROTTLE, times=2),
    "03": FaultRule(ProviderFault.REFUSE, times=None),
    "04": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "06": FaultRule(ProviderFault.TEMPORARY, times=1),
    "07": FaultRule(ProviderFault.DROP),
    "08": FaultRule(ProviderFault.GARBAGE),
}
#: Digits of recipients without Kivra.
ABSENT: Final = "01"


class KivraSimulator:
    """Tenant of the sender API; its tokens expire, or are revoked by a login fault."""

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:  # noqa: ARG002
        self._ledger = ledger
        patterns = [
            replace(rule, recipient=rf"\A[0-9]{{9}}{digits}[0-9]\Z")
            for digits, rule in MAGIC.items()
        ]
        self._injector = FaultInjector("kivra", faults, {}, patterns)
        self._tokens: dict[str, float] = {}
        self._known: dict[bytes, str] = {}

    def routes(self) -> list[web.RouteDef]:
        tenant = f"/kivra/v2/tenant/{TENANT}"
        return [
            web.post("/kivra/v1/auth", self._authorize),
            web.get(tenant, self._show_tenant),
            web.post(tenant + "/usermatch/ssn", self._match),
            web.post(tenant + "/content", self._accept),
        ]

    async def start(self) -> None:
        """Do nothing: the simulator has no port of its own."""

    async def close(self) -> None:
        self._injector.close()

    async def _authorize(self, request: web.Request) -> web.Response:
        form = await request.post()
        login = request.headers.get("Authorization", "")
        if login != _basic() or form.get("grant_type") != "client_credentials":
            return _error("40100", "Unauthorized")
        token = uuid4().hex
        self._tokens[token] = time.monotonic() + _TOKEN_LIFETIME
        return web.json_response(
            {
                "state": "",
                "access_token": token,
                "expires_in": _TOKEN_LIFETIME,
                "scope": str(form.get("scope", "")),
                "token_type": "bearer",
            }
        )

    def _refusal(self, request: web.Request) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return (
            None
            if self._tokens.get(token, 0.0) > time.monotonic()
            else _error("40100", "Unauthorized")
        )

    async def _show_tenant(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response(
            {"key": TENANT, "name": "Sandlådans kommun"}
        )

    async def _match(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        numbers = _members(await request.read()).get("list")
        if not isinstance(numbers, list) or not all(
            isinstance(number, str) and _SSN.match(number) for number in numbers
        ):
            return _error("40000", "Validation failed")
        return web.json_response({"list": [number for number in numbers if number[9:11] != ABSENT]})

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        body = await request.read()
        if len(body) > _LIMIT:
            return _error("41300", "Payload too large")
        content = _members(body)
        if fault := _content_fault(content):
            return _error(*fault)
        receiver = str(content.get("ssn") or content.get("vat_number"))
        if "ssn" in content and receiver[9:11] == ABSENT:
            return _error("40105", "No send request")
        rule = self._injector.apply(receiver)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(rule, b'{"code":"42900"}', "application/json")
            case FaultRule(fault=ProviderFault.REFUSE):
                return _error("40021", "Bank account not accepted")
            case FaultRule(fault=ProviderFault.TEMPORARY):
                return _error("50000", "Internal error")
            case FaultRule(fault=ProviderFault.LOGIN):
                self._tokens.clear()
                return _error("40100", "Unauthorized")
        key = self._deliver(content, receiver, body)
        response = web.Response(
            status=201,
            headers={"kivra-objkey": key, "kivra-retained": "false", "Location": f"/content/{key}"},
        )
        return await self._injector.faulty_response(request, rule) or response

    def _deliver(self, content: dict[str, Any], receiver: str, body: bytes) -> str:
        """Deliver the content unless it is already delivered, and return its key."""
        content.pop("generated_at", None)
        digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
        if known := self._known.get(digest):
            return known
        key = self._known[digest] = uuid4().hex
        self._ledger.add(
            Received(
                "digital_invoice",
                "kivra",
                receiver,
                "Sandlådans kommun",
                _summary_text(content),
                None,
                key,
                subject=content["subject"],
                raw=body,
            )
        )
        return key


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel for this simulator."""
    account = {
        "provider": "kivra",
        "url": f"http://{HOST}:{addresses.http_port}/kivra",
        "tenant_key": TENANT,
        "client_id": _LOGIN[0],
        "client_secret": _LOGIN[1],
        "connect_timeout": 2,
        "read_timeout": 3,
        "concurrency": 20,
        "matched_seconds": 5,
    }
    return {"accounts": {"kivra": account}}


def _basic() -> str:
    return encode_basic_auth(*_LOGIN)


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}


def _content_fault(content: dict[str, Any]) -> tuple[str, str] | None:
    """Return (code, message) for content that Kivra rejects, or None."""
    receivers = [name for name in ("ssn", "vat_number", "email") if name in content]
    if len(receivers) != 1 or not (
        _SSN.match(str(content.get("ssn", ""))) or _VAT.match(str(content.get("vat_number", "")))
    ):
        return "40024", "No receiver"
    if not isinstance(content.get("subject"), str) or content.get("type") not in (
        "invoice",
        "invoice.reminder",
        "letter",
    ):
        return "40000", "Validation failed"
    if (content["type"] == "letter") is ("payment_multiple_options" in content):
        return "40000", "Validation failed: only an invoice, and every one, has a payment"
    parts = content.get("parts")
    if not isinstance(parts, list) or not parts:
        return "40000", "Validation failed: parts"
    if not all(_is_pdf(part) for part in parts):
        return "40047", "Invalid PDF"
    return (
        _payment_fault(content["payment_multiple_options"])
        if "payment_multiple_options" in content
        else None
    )


def _is_pdf(part: Any) -> bool:
    try:
        return isinstance(part, dict) and b64decode(part["data"], validate=True).startswith(
            b"%PDF-"
        )
    except (KeyError, TypeError, ValueError, Base64Error):
        return False


def _payment_fault(payment: Any) -> tuple[str, str] | None:
    if (
        payment.get("payable") is not True
        or payment.get("currency") != "SEK"
        or payment.get("method") not in ("1", "2")
    ):
        return "40000", "Validation failed: payment"
    if not str(payment.get("account", "")).isdigit():
        return "40021", "Bank account not accepted"
    for option in payment.get("options") or [{}]:
        amount = option.get("amount")
        if not isinstance(amount, str) or not _AMOUNT.match(amount) or float(amount) < 1:
            return "40042", "Amount not accepted"
        if option.get("type") == "SE_OCR" and not str(option.get("reference", "")).isdigit():
            return "40044", "OCR not accepted"
    return None


def _summary_text(content: dict[str, Any]) -> str:
    payment = content.get("payment_multiple_options")
    if payment is None:
        return "Inget att betala"
    option = payment["options"][0]
    giro = "Bankgiro" if payment["method"] == "1" else "Plusgiro"
    return (
        f"{option['amount'].replace('.', ',')} kr senast {option['due_date']} till {giro} "
        f"{payment['account']}, OCR {option['reference']}"
    )


def _error(code: str, message: str) -> web.Response:
    status = int(code[:3])
    body = {"code": code, "short_message": message, "long_message": message}
    return web.json_response(
        body, status=status, headers={"x-error-code": code, "x-correlation-id": uuid4().hex}
    )
