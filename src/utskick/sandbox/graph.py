"""Microsoft Graph's ``sendMail`` in MIME form, with token endpoint and shared mailboxes."""

from __future__ import annotations

import email
import time
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import replace
from email.policy import SMTPUTF8
from email.utils import getaddresses
from typing import Any, Final
from uuid import uuid4

from aiohttp import encode_basic_auth, web

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.received_mail import to_received

PROVIDER: Final = "graph"
TENANT: Final = "sandbox"
_CLIENT: Final = ("utskick", "sandbox")
_SCOPE: Final = "https://graph.microsoft.com/.default"
_TOKEN_LIFETIME: Final = 3599
#: Maximum size of a Graph request in bytes.
_LIMIT: Final = 4_000_000


class GraphSimulator:
    """Tenant whose mailboxes may send as themselves."""

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:  # noqa: ARG002
        self._ledger = ledger
        self._faults = faults
        self._injector = FaultInjector(PROVIDER, faults, {})
        self._tokens: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"/graph/login/{TENANT}/oauth2/v2.0/token", self._issue_token),
            web.post("/graph/v1.0/users/{mailbox}/sendMail", self._accept),
        ]

    async def start(self) -> None:
        """Do nothing: the simulator has no port of its own."""

    async def close(self) -> None:
        self._injector.close()

    async def _issue_token(self, request: web.Request) -> web.Response:
        """Issue a token (RFC 6749 sections 4.4 and 5); like Entra it requires a scope."""
        form = await request.post()
        if request.headers.get("Authorization") != encode_basic_auth(*_CLIENT):
            return web.json_response(
                {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret",
                },
                status=401,
            )
        if form.get("grant_type") != "client_credentials" or form.get("scope") != _SCOPE:
            return web.json_response(
                {"error": "invalid_scope", "error_description": "AADSTS70011: Invalid scope"},
                status=400,
            )
        token, now = uuid4().hex, time.monotonic()
        self._tokens = {
            **{known: end for known, end in self._tokens.items() if end > now},
            token: now + _TOKEN_LIFETIME,
        }
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": _TOKEN_LIFETIME,
                "ext_expires_in": _TOKEN_LIFETIME,
                "access_token": token,
            }
        )

    async def _accept(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return _error(
                401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."
            )
        body = await request.read()
        if len(body) > _LIMIT:
            return _error(413, "RequestEntityTooLarge", "The request is too large.")
        raw = _decoded(body) if request.content_type == "text/plain" else None
        if raw is None:
            return _error(
                400,
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        return await self._deliver(request, token, raw)

    async def _deliver(self, request: web.Request, token: str, raw: bytes) -> web.Response:
        senders, recipients = _addresses(raw, "From"), _addresses(raw, "To")
        if [a.lower() for a in senders] != [request.match_info["mailbox"].lower()]:
            return _error(
                403,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the "
                "right to send mail.",
            )
        if not recipients:
            return _error(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
        rule = self._faults.apply(
            PROVIDER,
            recipients[0],
            # The tags in addresses are the same as for SMTP.
        )
        if refusal := self._refusal(rule, token):
            return refusal
        reference = str(uuid4())
        for recipient in recipients:
            self._ledger.add(replace(to_received(recipient, raw, reference), provider=PROVIDER))
        faulty_response = await self._injector.faulty_response(request, rule)
        return faulty_response or web.Response(status=202, headers={"request-id": reference})

    def _refusal(self, rule: FaultRule | None, token: str) -> web.Response | None:
        match rule:
            case FaultRule(fault=ProviderFault.REFUSE):
                return _error(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(
                    rule, b'{"error": {"code": "ApplicationThrottled"}}', "application/json"
                )
            case FaultRule(fault=ProviderFault.TEMPORARY):
                return _error(503, "serviceNotAvailable", "The service is temporarily unavailable.")
            case FaultRule(fault=ProviderFault.LOGIN):
                self._tokens.pop(token, None)
                return _error(401, "InvalidAuthenticationToken", "Access token validation failure.")
        return None


def account(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of an e-mail account at this tenant."""
    base = f"http://{HOST}:{addresses.http_port}/graph"
    return {
        "provider": PROVIDER,
        "url": f"{base}/v1.0",
        "login_url": f"{base}/login",
        "tenant_id": TENANT,
        "client_id": _CLIENT[0],
        "client_secret": _CLIENT[1],
        "connect_timeout": 2,
        "read_timeout": 3,
        "concurrency": 16,
    }


def _decoded(body: bytes) -> bytes | None:
    try:
        return b64decode(body, validate=True) or None
    except (Base64Error, ValueError):
        return None


def _addresses(raw: bytes, header: str) -> list[str]:
    message = email.message_from_bytes(raw, policy=SMTPUTF8)
    return [
        address
        for _, address in getaddresses([str(value) for value in message.get_all(header, [])])
        if "@" in address
    ]


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response(
        {"error": {"code": code, "message": message, "innerError": {"request-id": str(uuid4())}}},
        status=status,
    )
