"""Calls to the receivers of webhooks: signed, guarded, and never sent on to another address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from utskick import __version__
from utskick.domain.outcome import Reason, Sent
from utskick.domain.webhook import signatures
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, Timeouts

#: Calls at once, of each process.
AT_ONCE: Final = 16
_TIMEOUTS: Final = Timeouts(connect=5.0, read=10.0)

#: What the absence of an answer is called, where a receiver is concerned.
_ABSENT: Final = {
    "unreachable": "the receiver could not be reached",
    "no-answer": "the receiver did not answer in time",
    "connection-lost": "the connection was lost before the receiver's answer",
    "oversized-answer": "the receiver's answer was longer than 1 MiB",
    "tls": "there is no secure connection to the receiver",
    "address": "the receiver's address cannot be used",
    "forbidden-address": "the receiver's address leads to where nothing may be called from here",
}


@dataclass(frozen=True, slots=True)
class Signed:
    """One call: ``id`` stays the same at every try. ``secrets``: the newest first."""

    id: str
    body: bytes
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back. ``fault``: None after a 2xx. ``gone``: it must not be called again."""

    status: int | None
    fault: Reason | None = None
    retry_after: timedelta | None = None

    @property
    def gone(self) -> bool:
        return self.status == 410


class Receivers:
    """All that are called from this process. A receiver has 15 seconds to answer."""

    def __init__(self, reach: AddressPolicy, timeouts: Timeouts = _TIMEOUTS) -> None:
        self._reach = reach
        self._wires = {
            scheme: Outgoing(
                concurrency=AT_ONCE, timeouts=timeouts, resolver=self._reach.guard(scheme)
            )
            for scheme in self._reach.schemes
        }

    async def check(self, url: str) -> str | None:
        """Why an address cannot be a receiver's; None where it can."""
        try:
            await self._reach.look(self._reach.read(url))
        except AddressRefused as why:
            return str(why)
        return None

    async def call(self, url: str, signed: Signed, now: datetime) -> Heard:
        try:
            found = self._reach.read(url)
        except AddressRefused:
            return _absent("forbidden-address")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Utskick/{__version__}",
            "webhook-id": signed.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signatures(signed.secrets, signed.id, now, signed.body),
        }
        answer = await self._wires[found.scheme].call(
            HttpRequest("POST", str(found), signed.body, headers)
        )
        if isinstance(answer, Answer):
            return _heard(answer)
        return _absent("" if isinstance(answer, Sent) else answer.reason.code)

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()


def _heard(answer: Answer) -> Heard:
    status = answer.status
    if 200 <= status < 300:
        return Heard(status)
    if 300 <= status < 400:
        return Heard(
            status,
            Reason("redirect", f"the receiver answered {status}, and redirects are not followed"),
        )
    if status == 410:
        return Heard(
            status,
            Reason("gone", "the receiver answered 410: it does not want to be called any more"),
        )
    return Heard(
        status, Reason(f"http-{status}", f"the receiver answered {status}"), answer.retry_after
    )


def _absent(code: str) -> Heard:
    return Heard(
        None, Reason(code, _ABSENT.get(code, "the receiver gave no answer that could be used"))
    )
