"""Web Push service (RFC 8030) with authenticated senders (RFC 8292), and its devices.

``POST /push/devices {"name": "annas-dator"}`` registers a device. The first word of its name may
simulate a fault (``MAGIC``); a device named ``offline`` or ``offline-…`` receives its notifications
after ``POST /push/devices/{name}/wake``.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final
from uuid import uuid4

import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from utskick.sandbox.addresses import HOST
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, ProviderFault
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.push.device import Browser, decrypt, from_base64url, point_of

MAGIC: Final = {
    "gone": FaultRule(ProviderFault.REFUSE, times=None),
    "throttled": FaultRule(ProviderFault.THROTTLE, times=2),
    "down": FaultRule(ProviderFault.TEMPORARY, times=None),
    "temporary": FaultRule(ProviderFault.TEMPORARY),
    "timeout": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "drop": FaultRule(ProviderFault.DROP),
    "garbage": FaultRule(ProviderFault.GARBAGE),
}
#: Payload size that a push service must support (RFC 8030 section 7.2), and many do not exceed.
LIMIT: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TTL: Final = re.compile(r"[0-9]{1,10}\Z")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})
_PARAMETER: Final = re.compile(r"(?:^|[,\s])([tk])=([\w.-]+)")
#: Maximum lifetime of a token in seconds (RFC 8292 section 2).
_MAX_LIFETIME: Final = 24 * 3600
_REJECTIONS: Final = {
    ProviderFault.REFUSE: (410, "the subscription has expired"),
    ProviderFault.TEMPORARY: (503, "try again later"),
    ProviderFault.LOGIN: (403, "the sender is not recognised"),
}


class WebPushService:
    """Push service; ``server_key`` is the public key that all devices have subscribed with."""

    server_key: EllipticCurvePublicKey

    def __init__(self, ledger: Ledger, injector: FaultInjector) -> None:
        self._ledger = ledger
        self._injector = injector
        self._devices: dict[str, Browser] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/push/devices", self._register),
            web.post("/push/devices/{name}/wake", self._wake),
            web.post("/push/wp/{name}", self._accept),
        ]

    async def _register(self, request: web.Request) -> web.Response:
        """Register a device; the same name returns the same device."""
        name = (_members(await request.read()) or {}).get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            return web.json_response(
                {"detail": "name must be 1-64 of letters, digits, '-' and '_'"}, status=400
            )
        device = self._devices.setdefault(name, Browser(name))
        return web.json_response(device.subscription(_origin(request)), status=201)

    async def _wake(self, request: web.Request) -> web.Response:
        """Deliver the pending notifications of a device."""
        device = self._devices.get(request.match_info["name"])
        if device is None:
            return web.Response(status=404)
        fetched = device.fetch()
        for received in fetched:
            self._ledger.add(received)
        return web.json_response({"received": len(fetched)})

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        device = self._devices.get(request.match_info["name"])
        if device is None:
            return web.Response(status=404, text="no such subscription")
        body = await request.read()
        sender = self._sender(request)
        fault = _request_fault(request, body) or (sender if isinstance(sender, tuple) else None)
        if fault is not None:
            return web.Response(status=fault[0], text=fault[1])
        rule = self._injector.apply(device.name)
        if rule and rule.fault is ProviderFault.THROTTLE:
            return throttled(rule)
        if rule and rule.fault in _REJECTIONS:
            status, text = _REJECTIONS[rule.fault]
            return web.Response(status=status, text=text)
        reference = self._deliver(device, request, str(sender), body)
        if reference is None:
            # A real service cannot decrypt the payload, and the browser would discard it silently.
            return web.Response(status=400, text="the device cannot decrypt the payload")
        response = web.Response(
            status=201, headers={"Location": f"/push/m/{reference}", "TTL": request.headers["TTL"]}
        )
        return await self._injector.faulty_response(request, rule) or response

    def _deliver(
        self, device: Browser, request: web.Request, sender: str, body: bytes
    ) -> str | None:
        """Add the decrypted notification to the ledger, or to those pending for the device.

        Returns its reference, or None if it cannot be decrypted.
        """
        plaintext = decrypt(body, device.key, device.auth)
        members = _members(plaintext) if plaintext is not None else None
        if plaintext is None or members is None:
            return None
        text, title, key = (
            str(members.get(name, "")) for name in ("message", "title", "deliveryId")
        )
        received = Received(
            "push", "webpush", device.name, sender, text, key or None, uuid4().hex, title, plaintext
        )
        if device.is_offline:
            device.keep(
                request.headers.get("Topic") or f"/{received.reference}",
                int(request.headers["TTL"]),
                received,
            )
        else:
            self._ledger.add(received)
        return received.reference

    def _sender(self, request: web.Request) -> str | tuple[int, str]:
        """Return the authenticated sender (RFC 8292 section 4.2), or (status, reason)."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "vapid" or parameters.keys() != {"t", "k"}:
            return 401, "Authorization must be vapid t=…, k=…"
        if from_base64url(parameters["k"]) != point_of(self.server_key):
            return 403, "the subscription belongs to another application server"
        try:
            claims = jwt.decode(
                parameters["t"],
                self.server_key,
                ["ES256"],
                audience=_origin(request),
                options={"require": ["exp", "aud"]},
            )
        except jwt.PyJWTError as fault:
            return 403, f"the token is not valid: {type(fault).__name__}"
        subject = str(claims.get("sub", ""))
        if claims["exp"] > time.time() + _MAX_LIFETIME or (
            subject and not subject.startswith(("mailto:", "https:"))
        ):
            return 403, "the token lifetime is too long, or its subject is not an address"
        return subject


def _request_fault(request: web.Request, body: bytes) -> tuple[int, str] | None:
    """Return (status, reason) for a request that a push service rejects, or None.

    RFC 8030 section 5, RFC 8291 section 4.
    """
    headers = request.headers
    if not _TTL.match(headers.get("TTL", "")):
        return 400, "TTL must be a number of seconds"
    if headers.get("Urgency", "normal") not in _URGENCIES or not _TOPIC.match(
        headers.get("Topic", "none")
    ):
        return 400, "Urgency or Topic is malformed"
    if headers.get("Content-Encoding") != "aes128gcm":
        return 415, "Content-Encoding must be aes128gcm"
    return (413, f"more than {LIMIT} bytes") if len(body) > LIMIT else None


def _origin(request: web.Request) -> str:
    """Return the origin with the IP address, as in the settings, even if called as localhost."""
    return f"http://{HOST}:{request.url.port}"


def _members(body: bytes) -> dict[str, Any] | None:
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return members if isinstance(members, dict) else None
