"""Web Push: end-to-end encrypted messages to a browser's push service (RFC 8030, RFC 8291)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from utskick.channels.push.endpoints import Endpoints
from utskick.channels.push.payload import Notification
from utskick.channels.push.provider import gone
from utskick.channels.push.settings import WebPushAccount
from utskick.channels.push.vapid import Vapid, from_base64url, read_key
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Misconfigured, Outcome, Reason, Rejected, Sent, of_destination
from utskick.domain.validators import is_clean
from utskick.outgoing.address_guard import AddressGuard, AddressPolicy, origin_of
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status

_FORBIDDEN: Final = Rejected(
    Reason("forbidden-address", "the subscription's push service is not allowed by the settings")
)
_BROKEN: Final = Rejected(
    Reason("broken-subscription", "the subscription's keys are not valid for encryption")
)
_KEY: Final = Misconfigured(Reason("vapid-key", "the VAPID key in the settings cannot be loaded"))
_ACCEPTED: Final = frozenset({200, 201, 202})
_GONE: Final = frozenset({404, 410})
#: Errors that concern this subscription's address only, not the account.
_REFUSED: Final = frozenset({400, 405, 413, 415})
_LONGEST_REFERENCE: Final = 512
#: RFC 8291 section 3.2.
_AUTH_OCTETS: Final = 16


def encrypt(plaintext: bytes, p256dh: str, auth: str) -> bytes:
    """Encrypt for a device's keys (base64url) with an ephemeral key (RFC 8291 section 3).

    Raises ``ValueError`` for invalid keys.
    """
    point, secret = from_base64url(p256dh), from_base64url(auth)
    if len(secret) != _AUTH_OCTETS:
        raise ValueError("auth must be 16 octets")
    encrypted: bytes = http_ece.encrypt(
        plaintext,
        private_key=generate_private_key(SECP256R1()),
        dh=point,
        auth_secret=secret,
        version="aes128gcm",
    )
    return encrypted


class WebPush:
    """Client of one VAPID identity. ``resolver``: address guard, for tests."""

    def __init__(self, account: WebPushAccount, resolver: AddressGuard | None = None) -> None:
        self._endpoints = Endpoints(account.hosts, account.origins)
        self._vapid = Vapid(_key(account), account.subject)
        timeouts, reach = Timeouts(account.connect_timeout, account.read_timeout), account.reach
        self._wire = HttpClient(
            concurrency=account.concurrency,
            timeouts=timeouts,
            resolver=resolver or _guard(reach, self._endpoints),
        )
        #: Origins of an account set over the API are the only ones in the operator's networks.
        self._own = (
            HttpClient(concurrency=account.concurrency, timeouts=timeouts, reach=reach)
            if reach is not None
            else self._wire
        )

    async def send(self, notification: Notification, address: Mapping[str, str]) -> Outcome:
        url = self._endpoints.allowed(address["endpoint"])
        if url is None:
            return _FORBIDDEN
        origin = origin_of(url)
        try:
            authorization = self._vapid.authorization(origin)
        except (OSError, ValueError):
            return _KEY
        try:
            body = encrypt(notification.encode(), address["p256dh"], address["auth"])
        except ValueError:
            return _BROKEN
        wire = self._own if self._endpoints.is_origin(url) else self._wire
        answer = await wire.call(
            HttpRequest(
                "POST", str(url), body, {"Authorization": authorization, **_headers(notification)}
            )
        )
        if not isinstance(answer, HttpResponse):
            return of_destination(answer)
        if answer.status in (401, 403):
            self._vapid.refuse(origin)
        return of_destination(read(answer))

    async def check(self, name: str) -> AccountHealth:
        """Load the VAPID key; the push services depend on the subscriptions."""
        try:
            self._vapid.key()
        except (OSError, ValueError):
            return AccountHealth(name, False, _KEY.reason.sentence)
        return AccountHealth(
            name,
            True,
            "the VAPID key is valid; which push services are called depends on the subscriptions",
        )

    async def close(self) -> None:
        await self._wire.close()
        await self._own.close()


def _guard(reach: AddressPolicy | None, endpoints: Endpoints) -> AddressGuard:
    """Return the guard of push services: on the public internet, and where the account may call."""
    return AddressGuard(ours=endpoints.ours) if reach is None else reach.public_guard()


def _key(account: WebPushAccount) -> EllipticCurvePrivateKey | Path:
    if account.vapid_private_key is not None:
        return read_key(account.vapid_private_key.get_secret_value())
    assert account.vapid_private_key_file is not None  # validated with the settings
    return account.vapid_private_key_file


def _headers(notification: Notification) -> dict[str, str]:
    """Build the headers of RFC 8030 sections 5.2 to 5.4 and RFC 8291 section 4."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(notification.ttl),
        "Urgency": notification.urgency,
    }
    return {**headers, "Topic": notification.topic} if notification.topic else headers


def read(answer: HttpResponse) -> Outcome:
    """Map the response to an outcome (RFC 8030 sections 5 and 7.3, RFC 8292 section 4.2)."""
    status, code = answer.status, str(answer.status)
    if status in _ACCEPTED:
        return Sent(_reference(answer.headers.get("Location")))
    if status in _GONE:
        return gone(code)
    if status in _REFUSED or 300 <= status < 400:
        return Rejected(Reason("refused", "the push service rejected the message", code))
    return by_status(answer)


def _reference(location: str | None) -> str | None:
    """Return the path of the push message resource (RFC 8030 section 5)."""
    try:
        path = urlsplit(location or "").path
    except ValueError:
        return None
    return path if path and len(path) <= _LONGEST_REFERENCE and is_clean(path) else None
