"""Signing keys of the embedded issuer, rotated every 30 days.

A key is published before it signs, and kept until its last token has expired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from utskick.auth.jwks import KeySet, VerifyingKey, read_set
from utskick.domain.clock import Clock
from utskick.domain.ids import new_id
from utskick.store.administration.signing_keys import SigningKey, SigningKeys
from utskick.store.database import answering

ALGORITHM: Final = "ES256"
#: How long a key signs, how long before that it is published, and how long after that it is kept
#: (longer than any token is valid).
TERM: Final = timedelta(days=30)
AHEAD: Final = timedelta(days=1)
AFTER: Final = timedelta(hours=2)
#: How long a process caches the keys, and the minimum time between reads for unknown key ids.
_FRESH: Final = timedelta(minutes=10)
_PAUSE: Final = timedelta(seconds=2)


def plan_rotation(keys: Sequence[SigningKey], now: datetime) -> tuple[list[SigningKey], list[str]]:
    """Return the keys to add and the ids of those to remove. ``keys``: in signing order."""
    if not keys:
        return [_new_key(now, now)], []
    expired = [old.id for old, new in pairwise(keys) if new.signs_from + AFTER <= now]
    due = keys[-1].signs_from + TERM
    added = [_new_key(now, max(due, now + AHEAD))] if now >= due - AHEAD else []
    return added, expired


class TokenSigner:
    """Signs tokens, and is the ``JwksSource`` of the embedded issuer."""

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._store = keys
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._public = KeySet()
        self._read_at: datetime | None = None

    async def sign(self, payload: Mapping[str, Any], kind: str) -> str:
        """Sign a compact JWS whose header has ``kind`` as its type."""
        now = self._clock()
        keys = await self._current()
        # No key may be due yet if the clock of the process that made it is ahead of ours.
        key = next((key for key in reversed(keys) if key.signs_from <= now), keys[0])
        return jwt.encode(
            dict(payload), _private(key.private), ALGORITHM, {"kid": key.id, "typ": kind}
        )

    async def find(
        self, kid: str | None, algorithm: str, failed: VerifyingKey | None = None
    ) -> VerifyingKey | None:
        """Return the key of a token; its own tokens all name one."""
        if kid is None or failed is not None:
            return None
        await self._current()
        if kid not in self._public.named and (
            self._read_at is None or self._clock() - self._read_at >= _PAUSE
        ):
            await self._read()
        return self._public.find(kid, algorithm)

    async def published(self) -> dict[str, Any]:
        """Return the JWK set to publish."""
        return {"keys": [dict(key.public) for key in await self._current()]}

    async def _current(self) -> Sequence[SigningKey]:
        if self._read_at is None or self._clock() - self._read_at >= _FRESH:
            await self._read()
        return self._keys

    async def _read(self) -> None:
        now = self._clock()
        async with answering():
            keys = await self._store.listed()
            if any(plan_rotation(keys, now)):
                keys = await self._store.replan(lambda current: plan_rotation(current, now))
        self._keys, self._public, self._read_at = (
            keys,
            read_set({"keys": [dict(key.public) for key in keys]}),
            now,
        )


def _new_key(now: datetime, signs_from: datetime) -> SigningKey:
    private, kid = generate_private_key(SECP256R1()), new_id().hex
    public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    jwk = {**public, "kid": kid, "use": "sig", "alg": ALGORITHM}
    return SigningKey(kid, der, jwk, now, signs_from)


@lru_cache(maxsize=8)
def _private(der: bytes) -> EllipticCurvePrivateKey:
    key = load_der_private_key(der, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key
