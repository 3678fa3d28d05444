"""Webhooks after the Standard Webhooks specification: secrets, signatures and retries."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

_PREFIX: Final = "whsec_"
_OCTETS: Final = 32  # The specification requires 24 to 64.
_EIGHT_HOURS: Final = timedelta(hours=8)

#: The waits between the attempts of a call: 71 hours and 43 minutes in all.
SCHEDULE: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    *[_EIGHT_HOURS] * 8,
)
#: How far a wait is varied at random, so that what failed together is not retried together.
_SPREAD: Final = 0.2

#: How long what is signed with a new secret is signed with the one before, too.
OVERLAP: Final = timedelta(hours=24)


class WebhookKind(StrEnum):
    """What a webhook is told of: status changes of deliveries, or inbound messages."""

    DELIVERIES = "deliveries"
    INBOUND = "inbound"


class Stopped(StrEnum):
    """Why a webhook is not called any more."""

    GONE = "gone"
    EXHAUSTED = "exhausted"


STOPPED: Final = {
    Stopped.GONE: "the receiver answered 410: it does not want to be called any more",
    Stopped.EXHAUSTED: "a call failed at every try for about three days",
}


def new_secret() -> str:
    """Return a secret as receivers enter it: ``whsec_`` and base64."""
    return _PREFIX + b64encode(os.urandom(_OCTETS)).decode()


def signatures(secrets: Iterable[str], call_id: str, at: datetime, body: bytes) -> str:
    """Return the header ``webhook-signature``.

    One signature of each secret, HMAC-SHA256 over ``id.timestamp.body``.
    """
    signed = f"{call_id}.{int(at.timestamp())}.".encode() + body
    return " ".join(
        "v1," + b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
        for secret in secrets
    )


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix(_PREFIX))


def wait_after(failures: int, retry_after: timedelta | None, chance: float) -> timedelta | None:
    """Return how long to wait after so many failures of one call; None: it is not retried.

    ``chance``: 0 to 1. What the receiver requests counts where it is longer, up to eight hours.
    """
    if failures > len(SCHEDULE):
        return None
    wait = SCHEDULE[failures - 1] * (1 + _SPREAD * (2 * chance - 1))
    return max(wait, min(retry_after, _EIGHT_HOURS)) if retry_after is not None else wait
