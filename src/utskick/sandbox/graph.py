"""Microsoft Graph as far as sending goes: Entra's token, ``sendMail`` in MIME form, and the same
mailboxes as the SMTP server's."""

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
from utskick.sandbox.fault_responses import Misconduct, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.smtp_server import read

PROVIDER: Final = "graph"
TENANT: Final = "sandbox"
_CLIENT: Final = ("utskick", "sandbox")
_SCOPE: Final = "https://graph.microsoft.com/.default"
_TOKEN_LIFE: Final = 3599
#: Bytes of a request to Graph.
_LIMIT: Final = 4_000_000


class GraphSimulator:
    """One tenant, whose mailboxes may each send as themselves."""

    def __init__(self, ledger: Ledger, faults: Faults, place: SandboxAddresses) -> None:  # noqa: ARG002
        self._ledger = ledger
        self._faults = faults
        self._misconduct = Misconduct(PROVIDER, faults, {})
        self._tokens: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"/graph/login/{TENANT}/oauth2/v2.0/token", self._give_token),
            web.post("/graph/v1.0/users/{mailbox}/sendMail", self._take),
        ]

    async def start(self) -> None:
        """Needs no port of its own."""

    async def close(self) -> None:
        self._misconduct.close()

    async def _give_token(self, request: web.Request) -> web.Response:
        """RFC 6749 sections 4.4 and 5, with Entra's demand for a scope."""
        asked = await request.post()
        if request.headers.get("Authorization") != encode_basic_auth(*_CLIENT):
            return web.json_response(
                {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret",
                },
                status=401,
            )
        if asked.get("grant_type") != "client_credentials" or asked.get("scope") != _SCOPE:
            return web.json_response(
                {"error": "invalid_scope", "error_description": "AADSTS70011: Invalid scope"},
                status=400,
            )
        token, now = uuid4().hex, time.monotonic()
        self._tokens = {
            **{known: end for known, end in self._tokens.items() if end > now},
            token: now + _TOKEN_LIFE,
        }
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": _TOKEN_LIFE,
                "ext_expires_in": _TOKEN_LIFE,
                "access_token": token,
            }
        )

    async def _take(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= time.monotonic():
            return _no(
                401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."
            )
        body = await request.read()
        if len(body) > _LIMIT:
            return _no(413, "RequestEntityTooLarge", "The request is too large.")
        raw = _decoded(body) if request.content_type == "text/plain" else None
        if raw is None:
            return _no(
                400,
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        return await self._deliver(request, token, raw)

    async def _deliver(self, request: web.Request, token: str, raw: bytes) -> web.Response:
        senders, recipients = _addresses(raw, "From"), _addresses(raw, "To")
        if [a.lower() for a in senders] != [request.match_info["mailbox"].lower()]:
            return _no(
                403,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the right to send mail.",
            )
        if not recipients:
            return _no(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
        rule = self._faults.strike(
            PROVIDER, recipients[0]
        )  # the tags of addresses are the same as for SMTP
        if refusal := self._refusal(rule, token):
            return refusal
        reference = str(uuid4())
        for recipient in recipients:
            self._ledger.add(replace(read(recipient, raw, reference), provider=PROVIDER))
        silence = await self._misconduct.silence(request, rule)
        return silence or web.Response(status=202, headers={"request-id": reference})

    def _refusal(self, rule: FaultRule | None, token: str) -> web.Response | None:
        match rule:
            case FaultRule(fault=ProviderFault.REFUSE):
                return _no(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(
                    rule, b'{"error": {"code": "ApplicationThrottled"}}', "application/json"
                )
            case FaultRule(fault=ProviderFault.TEMPORARY):
                return _no(503, "serviceNotAvailable", "The service is temporarily unavailable.")
            case FaultRule(fault=ProviderFault.LOGIN):
                self._tokens.pop(token, None)
                return _no(401, "InvalidAuthenticationToken", "Access token validation failure.")
        return None


def account(place: SandboxAddresses) -> dict[str, Any]:
    """The settings of an e-mail account at this tenant."""
    base = f"http://{HOST}:{place.http_port}/graph"
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


def _no(status: int, code: str, message: str) -> web.Response:
    return web.json_response(
        {"error": {"code": code, "message": message, "innerError": {"request-id": str(uuid4())}}},
        status=status,
    )
