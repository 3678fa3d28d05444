"""The embedded issuer's signing keys: a new one every 30 days, published before it signs, and kept
until its last token has expired."""

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

from utskick.auth.jwks import VerifyingKey, read_set
from utskick.domain.clock import Clock
from utskick.domain.ids import new_id
from utskick.store.administration.signing_keys import SigningKey, SigningKeys
from utskick.store.database import answering

ALGORITHM: Final = "ES256"
#: How long a key signs, how long before that it is published, and how long it is kept after (longer
#: than any token lives).
TERM: Final = timedelta(days=30)
AHEAD: Final = timedelta(days=1)
AFTER: Final = timedelta(hours=2)
#: How long a process believes what it has read, and how long it does not look again for a key that
#: it did not find.
_FRESH: Final = timedelta(minutes=10)
_PAUSE: Final = timedelta(seconds=2)


def planned(keys: Sequence[SigningKey], now: datetime) -> tuple[list[SigningKey], list[str]]:
    """What is to be added, and the ids of what may go. ``keys``: in the order in which they
    sign."""
    if not keys:
        return [_made(now, now)], []
    gone = [old.id for old, new in pairwise(keys) if new.signs_from + AFTER <= now]
    due = keys[-1].signs_from + TERM
    return ([_made(now, max(due, now + AHEAD))] if now >= due - AHEAD else []), gone


class Signing:
    """Signs, and is ``auth.keys.Keys`` for its own tokens."""

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._store = keys
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._public: Mapping[str, VerifyingKey] = {}
        self._read_at: datetime | None = None

    async def sign(self, payload: Mapping[str, Any], kind: str) -> str:
        """A compact JWS with ``kind`` as its type."""
        now = self._clock()
        keys = await self._current()
        key = next(
            (key for key in reversed(keys) if key.signs_from <= now), keys[0]
        )  # its maker's clock may be ahead of ours
        return jwt.encode(
            dict(payload), _private(key.private), ALGORITHM, {"kid": key.id, "typ": kind}
        )

    async def find(self, kid: str) -> VerifyingKey | None:
        await self._current()
        if kid not in self._public and (
            self._read_at is None or self._clock() - self._read_at >= _PAUSE
        ):
            await self._read()
        return self._public.get(kid)

    async def published(self) -> dict[str, Any]:
        """The JWK set."""
        return {"keys": [dict(key.public) for key in await self._current()]}

    async def _current(self) -> Sequence[SigningKey]:
        if self._read_at is None or self._clock() - self._read_at >= _FRESH:
            await self._read()
        return self._keys

    async def _read(self) -> None:
        now = self._clock()
        async with answering():
            keys = await self._store.listed()
            if any(planned(keys, now)):
                keys = await self._store.replan(lambda found: planned(found, now))
        self._keys, self._public, self._read_at = (
            keys,
            read_set({"keys": [dict(key.public) for key in keys]}),
            now,
        )


def _made(now: datetime, signs_from: datetime) -> SigningKey:
    private, kid = generate_private_key(SECP256R1()), new_id().hex
    public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    sealed = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(
        kid, sealed, {**public, "kid": kid, "use": "sig", "alg": ALGORITHM}, now, signs_from
    )


@lru_cache(maxsize=8)
def _private(der: bytes) -> EllipticCurvePrivateKey:
    found = load_der_private_key(der, None)
    assert isinstance(found, EllipticCurvePrivateKey)
    return found
