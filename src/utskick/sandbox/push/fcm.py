"""Firebase Cloud Messaging, HTTP v1, with Google's token endpoint.

The first word of a registration token may simulate a fault.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final
from uuid import uuid4

import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from utskick.sandbox.addresses import HOST
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

PROJECT: Final = "sandbox"
EMAIL: Final = f"push@{PROJECT}.iam.gserviceaccount.example"
MAGIC: Final = {
    "gone": FaultRule(ProviderFault.REFUSE, times=None),
    "throttled": FaultRule(ProviderFault.THROTTLE, times=2),
    "down": FaultRule(ProviderFault.TEMPORARY, times=None),
    "temporary": FaultRule(ProviderFault.TEMPORARY),
    "timeout": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "drop": FaultRule(ProviderFault.DROP),
    "garbage": FaultRule(ProviderFault.GARBAGE),
    "stranger": FaultRule(ProviderFault.LOGIN, times=None),  # an app of another project
}
#: Maximum size of title, text and data in bytes.
LIMIT: Final = 4096
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
#: Lifetime of an access token, and maximum lifetime of an assertion, in seconds.
_TOKEN_LIFETIME, _ASSERTION_LIFETIME = 3599, 3600
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:%.-]{4,4096}\Z")
_DURATION: Final = re.compile(r"[0-9]+(\.[0-9]{1,9})?s\Z")
_KNOWN: Final = frozenset(
    {
        "name",
        "token",
        "topic",
        "condition",
        "notification",
        "data",
        "android",
        "apns",
        "webpush",
        "fcm_options",
    }
)
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


class FcmService:
    """Project with a service account; ``public_key`` verifies its assertions."""

    public_key: RSAPublicKey

    def __init__(self, ledger: Ledger, injector: FaultInjector) -> None:
        self._ledger = ledger
        self._injector = injector
        self._tokens: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/push/fcm/token", self._issue_token),
            web.post("/push/fcm/v1/projects/{project}/messages:send", self._send),
        ]

    def rotate(self, public_key: RSAPublicKey) -> None:
        """Replace the service account's key, and revoke all tokens."""
        self.public_key = public_key
        self._tokens.clear()

    async def _issue_token(self, request: web.Request) -> web.Response:
        """Issue a token (RFC 7523 section 3 and RFC 6749 section 5)."""
        form = await request.post()
        if form.get("grant_type") != _GRANT:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        audience = f"http://{HOST}:{request.url.port}/push/fcm/token"
        try:
            claims = jwt.decode(
                str(form.get("assertion", "")),
                self.public_key,
                ["RS256"],
                audience=audience,
                issuer=EMAIL,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError:
            return web.json_response(
                {"error": "invalid_grant", "error_description": "Invalid JWT Signature."},
                status=400,
            )
        if (
            claims["exp"] - claims["iat"] > _ASSERTION_LIFETIME
            or _SCOPE not in str(claims.get("scope", "")).split()
        ):
            return web.json_response({"error": "invalid_scope"}, status=400)
        token = f"ya29.{uuid4().hex}"
        self._tokens[token] = time.monotonic() + _TOKEN_LIFETIME
        return web.json_response(
            {"access_token": token, "expires_in": _TOKEN_LIFETIME, "token_type": "Bearer"}
        )

    async def _send(self, request: web.Request) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(bearer, 0.0) <= time.monotonic():
            return _error_response(
                401, "UNAUTHENTICATED", "Request had invalid authentication credentials."
            )
        if request.match_info["project"] != PROJECT:
            return _error_response(403, "PERMISSION_DENIED", "Permission denied on the project.")
        body = await request.read()
        message = _message(body)
        if isinstance(message, str):
            return _error_response(400, "INVALID_ARGUMENT", message)
        rule = self._injector.apply(message["token"])
        if refusal := _refusal(rule):
            return refusal
        name = f"projects/{PROJECT}/messages/0:{uuid4().hex}"
        notification, data = message.get("notification", {}), message.get("data", {})
        self._ledger.add(
            Received(
                "push",
                "fcm",
                message["token"],
                PROJECT,
                notification.get("body", ""),
                data.get("deliveryId"),
                name,
                notification.get("title"),
                body,
            )
        )
        return await self._injector.faulty_response(request, rule) or web.json_response(
            {"name": name}
        )


def _refusal(rule: FaultRule | None) -> web.Response | None:
    match rule:
        case FaultRule(fault=ProviderFault.THROTTLE):
            return throttled(
                rule,
                _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", "QUOTA_EXCEEDED"),
                "application/json",
            )
        case FaultRule(fault=ProviderFault.REFUSE):
            return _error_response(
                404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"
            )
        case FaultRule(fault=ProviderFault.TEMPORARY):
            return _error_response(
                503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"
            )
        case FaultRule(fault=ProviderFault.LOGIN):
            return _error_response(
                403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH"
            )
    return None


def _message(body: bytes) -> dict[str, Any] | str:
    """Return the message, or a description of the fault; as strict as Google's JSON parser."""
    try:
        message = orjson.loads(body)["message"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return "Invalid JSON payload received."
    if not isinstance(message, dict) or message.keys() - _KNOWN:
        return "Invalid JSON payload received. Unknown name at 'message'."
    if not isinstance(message.get("token"), str) or not _TOKEN.match(message["token"]):
        return "The registration token is not a valid FCM registration token"
    data, notification, android = (
        message.get(name, {}) for name in ("data", "notification", "android")
    )
    if not all(isinstance(value, str) for value in (*data.values(), *notification.values())):
        return "Invalid value at 'message.data' (TYPE_STRING)"
    if not _DURATION.match(android.get("ttl", "0s")) or android.get("priority", "NORMAL") not in (
        "NORMAL",
        "HIGH",
    ):
        return "Invalid value at 'message.android'"
    size = sum(len(k.encode()) + len(v.encode()) for k, v in (*data.items(), *notification.items()))
    return "Message is too big" if size > LIMIT else message


def _error_response(
    status: int, status_name: str, message_text: str, code: str | None = None
) -> web.Response:
    return web.Response(
        status=status,
        body=_error(status, status_name, message_text, code),
        content_type="application/json",
    )


def _error(status: int, status_name: str, message_text: str, code: str | None) -> bytes:
    """Return a google.rpc.Status with FCM's error code, if there is one."""
    details = {"details": [{"@type": _FCM_ERROR, "errorCode": code}]} if code else {}
    return orjson.dumps(
        {"error": {"code": status, "message": message_text, "status": status_name, **details}}
    )
