"""A Web Push service (RFC 8030), strict about who sends (RFC 8292), and the browsers behind it.

A device is made by ``POST /push/devices {"name": "annas-dator"}``. Its name, or the first word of
it, may be magic (``MAGIC``); one that is called ``offline`` or ``offline-…`` gets nothing before
``POST /push/devices/{name}/wake``.
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
from utskick.sandbox.fault_responses import Misconduct, throttled
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
#: RFC 8030 section 7.2: what a push service must take, and many take no more than.
LIMIT: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TTL: Final = re.compile(r"[0-9]{1,10}\Z")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})
_PARAMETER: Final = re.compile(r"(?:^|[,\s])([tk])=([\w.-]+)")
#: RFC 8292 section 2: seconds that a token may live.
_LIFE: Final = 24 * 3600
_NOS: Final = {
    ProviderFault.REFUSE: (410, "the subscription is no more"),
    ProviderFault.TEMPORARY: (503, "try again later"),
    ProviderFault.LOGIN: (403, "who are you?"),
}


class WebPushService:
    """``server``: the public key that all devices have subscribed with."""

    server: EllipticCurvePublicKey

    def __init__(self, ledger: Ledger, misconduct: Misconduct) -> None:
        self._ledger = ledger
        self._misconduct = misconduct
        self._devices: dict[str, Browser] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/push/devices", self._register),
            web.post("/push/devices/{name}/wake", self._wake),
            web.post("/push/wp/{name}", self._take),
        ]

    async def _register(self, request: web.Request) -> web.Response:
        """The same name again is the same device."""
        name = (_members(await request.read()) or {}).get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            return web.json_response(
                {"detail": "name must be 1-64 of letters, digits, '-' and '_'"}, status=400
            )
        device = self._devices.setdefault(name, Browser(name))
        return web.json_response(device.subscription(_origin(request)), status=201)

    async def _wake(self, request: web.Request) -> web.Response:
        """The device is back for a moment."""
        device = self._devices.get(request.match_info["name"])
        if device is None:
            return web.Response(status=404)
        fetched = device.fetch()
        for received in fetched:
            self._ledger.add(received)
        return web.json_response({"received": len(fetched)})

    async def _take(self, request: web.Request) -> web.StreamResponse:
        device = self._devices.get(request.match_info["name"])
        if device is None:
            return web.Response(status=404, text="no such subscription")
        body = await request.read()
        sender = self._sender(request)
        fault = _fault_of(request, body) or (sender if isinstance(sender, tuple) else None)
        if fault is not None:
            return web.Response(status=fault[0], text=fault[1])
        rule = self._misconduct.strike(device.name)
        if rule and rule.fault is ProviderFault.THROTTLE:
            return throttled(rule)
        if rule and rule.fault in _NOS:
            status, text = _NOS[rule.fault]
            return web.Response(status=status, text=text)
        reference = self._deliver(device, request, str(sender), body)
        if reference is None:
            # A real service cannot look inside, and its browser would drop this in silence; here
            # somebody is to see it.
            return web.Response(status=400, text="the device cannot read this")
        yes = web.Response(
            status=201, headers={"Location": f"/push/m/{reference}", "TTL": request.headers["TTL"]}
        )
        return await self._misconduct.silence(request, rule) or yes

    def _deliver(
        self, device: Browser, request: web.Request, sender: str, body: bytes
    ) -> str | None:
        """What the device made of it stands in the ledger, now or when it is back; None: it could
        make nothing of it."""
        plaintext = decrypt(body, device.key, device.auth)
        said = _members(plaintext) if plaintext is not None else None
        if plaintext is None or said is None:
            return None
        text, title, key = (str(said.get(name, "")) for name in ("message", "title", "deliveryId"))
        received = Received(
            "push", "webpush", device.name, sender, text, key or None, uuid4().hex, title, plaintext
        )
        if device.is_away:
            device.keep(
                request.headers.get("Topic") or f"/{received.reference}",
                int(request.headers["TTL"]),
                received,
            )
        else:
            self._ledger.add(received)
        return received.reference

    def _sender(self, request: web.Request) -> str | tuple[int, str]:
        """Who sends, by the key that the devices have subscribed with; or why that is not believed
        (RFC 8292 section 4.2)."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        shown = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "vapid" or shown.keys() != {"t", "k"}:
            return 401, "Authorization must be vapid t=…, k=…"
        if from_base64url(shown["k"]) != point_of(self.server):
            return 403, "the subscription belongs to another application server"
        try:
            claims = jwt.decode(
                shown["t"],
                self.server,
                ["ES256"],
                audience=_origin(request),
                options={"require": ["exp", "aud"]},
            )
        except jwt.PyJWTError as fault:
            return 403, f"the token is not valid: {type(fault).__name__}"
        subject = str(claims.get("sub", ""))
        if claims["exp"] > time.time() + _LIFE or (
            subject and not subject.startswith(("mailto:", "https:"))
        ):
            return 403, "the token lives too long, or its subject is no address"
        return subject


def _fault_of(request: web.Request, body: bytes) -> tuple[int, str] | None:
    """What a push service refuses (RFC 8030 section 5, RFC 8291 section 4); None where all is
    well."""
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
    """Always by the number, as the settings allow it, also when somebody calls us localhost."""
    return f"http://{HOST}:{request.url.port}"


def _members(body: bytes) -> dict[str, Any] | None:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None
