"""Webhook client: signed calls to checked addresses, without following redirects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from utskick import __version__
from utskick.domain.outcome import Reason, Sent
from utskick.domain.webhook import signatures
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts

#: Maximum concurrent calls of a process.
AT_ONCE: Final = 16
_TIMEOUTS: Final = Timeouts(connect=5.0, read=10.0)

#: Sentences for failed calls, by reason code.
_FAILURES: Final = {
    "unreachable": "the receiver could not be reached",
    "no-answer": "the receiver did not respond in time",
    "connection-lost": "the connection was lost before the receiver responded",
    "oversized-answer": "the receiver's response exceeds 1 MiB",
    "tls": "the TLS connection to the receiver failed",
    "address": "the receiver's address is not valid",
    "forbidden-address": "the receiver's address resolves to a host that must not be called",
}


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One call. ``id``: the same at every attempt. ``secrets``: newest first."""

    id: str
    body: bytes
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """Result of a call. ``fault``: None after a 2xx."""

    status: int | None
    fault: Reason | None = None
    retry_after: timedelta | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver must not be called again (410 Gone)."""
        return self.status == 410


class WebhookClient:
    """Client for all webhook receivers. A receiver has 15 seconds to respond."""

    def __init__(self, policy: AddressPolicy, timeouts: Timeouts = _TIMEOUTS) -> None:
        self._policy = policy
        self._wire = HttpClient(concurrency=AT_ONCE, timeouts=timeouts, reach=policy)

    async def check(self, url: str) -> str | None:
        """Return why an address cannot be a receiver's, or None if it can."""
        try:
            await self._policy.check_name(self._policy.read(url))
        except AddressRefused as refusal:
            return str(refusal)
        return None

    async def call(self, url: str, signed: WebhookCall, now: datetime) -> WebhookResponse:
        """Call the receiver once. ``now``: time of the signature."""
        try:
            address = self._policy.read(url)
        except AddressRefused:
            return _failed("forbidden-address")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Utskick/{__version__}",
            "webhook-id": signed.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signatures(signed.secrets, signed.id, now, signed.body),
        }
        answer = await self._wire.call(HttpRequest("POST", str(address), signed.body, headers))
        if isinstance(answer, HttpResponse):
            return _result(answer)
        return _failed("" if isinstance(answer, Sent) else answer.reason.code)

    async def close(self) -> None:
        await self._wire.close()


def _result(answer: HttpResponse) -> WebhookResponse:
    status = answer.status
    if 200 <= status < 300:
        return WebhookResponse(status)
    if 300 <= status < 400:
        return WebhookResponse(
            status,
            Reason("redirect", f"the receiver answered {status}; redirects are not followed"),
        )
    if status == 410:
        return WebhookResponse(
            status,
            Reason("gone", "the receiver answered 410: it must not be called any more"),
        )
    return WebhookResponse(
        status, Reason(f"http-{status}", f"the receiver answered {status}"), answer.retry_after
    )


def _failed(code: str) -> WebhookResponse:
    sentence = _FAILURES.get(code, "the receiver gave no valid response")
    return WebhookResponse(None, Reason(code, sentence))
