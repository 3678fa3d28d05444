"""Client authentication at the token endpoint: secret or assertion (RFC 6749 section 2.3)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from utskick.auth import client_assertion as assertion
from utskick.auth import secret_digest
from utskick.auth.client_registry import is_name
from utskick.auth.login_throttle import LoginThrottle
from utskick.cache import Cache
from utskick.domain.clock import Clock
from utskick.store.administration.clients import Client, Clients

#: Maximum number of concurrent digest computations in a process, of callers that wait for one, and
#: of cached valid secrets.
_AT_ONCE: Final = 2
_WAITING: Final = 40
_MOST: Final = 1_000
#: Digests that are computed for a wrong secret: as many as a client has while its secret rotates.
_DIGESTS: Final = 2
#: Seconds until a caller who found too many waiting may try again.
_BUSY: Final = 5.0


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """Credentials of a token request: the client id with a secret or an assertion.

    ``address``: of the caller, "" where it is unknown.
    """

    client_id: str
    secret: str | None = None
    assertion: str | None = None
    address: str = ""


class LoginThrottled(Exception):
    """Too many failed attempts from this address, or too many under way. ``wait``: seconds."""

    def __init__(self, wait: float, *, busy: bool = False) -> None:
        super().__init__()
        self.wait = wait
        self.busy = busy


class Authentication:
    """Authenticates clients. ``audiences``: accepted audiences of an assertion.

    Valid secrets are cached in memory by a keyed digest, so that a client is authenticated at once
    even while attempts to guess its secret are throttled. Assertions are never throttled: to verify
    one costs less than an answer.
    """

    def __init__(self, clients: Clients, audiences: Sequence[str], clock: Clock) -> None:
        self._clients = clients
        self._audiences = audiences
        self._clock = clock
        self._throttle = LoginThrottle()
        self._working = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._valid: Cache[str, bytes] = Cache(_MOST)

    async def client(self, presented: PresentedCredentials) -> Client | None:
        """Return the authenticated client, or None in the same time whatever is wrong.

        Raises ``LoginThrottled``.
        """
        client = await self._named(presented.client_id)
        if presented.assertion is not None:
            return client if await self._is_signed(client, presented.assertion) else None
        address, client_id = presented.address, presented.client_id
        cached = (
            client is not None
            and presented.secret is not None
            and self._is_cached(client, presented.secret)
        )
        if not cached and (wait := self._throttle.wait(address, client_id)) > 0:
            raise LoginThrottled(wait)
        if cached or await self._is_valid(client, presented.secret or ""):
            self._throttle.passed(address, client_id)
            return client
        if is_name(client_id):
            self._throttle.failed(address, client_id)
        return None

    async def _named(self, client_id: str) -> Client | None:
        client = await self._clients.get(client_id) if is_name(client_id) else None
        return client if client is not None and client.revoked_at is None else None

    async def _is_valid(self, client: Client | None, secret: str) -> bool:
        """Compare the secret; a wrong one takes as long for every client, and for none."""
        digests = client.digests(self._clock()) if client is not None else ()
        decoys = [secret_digest.decoy_digest()] * (_DIGESTS - len(digests))
        for digest in (*digests, *decoys):
            if await self._matches(digest, secret) and digest in digests:
                self._valid.put(digest, self._keyed(secret))
                return True
        return False

    async def _matches(self, digest: str, secret: str) -> bool:
        """Compute a digest when it is this caller's turn. Raises ``LoginThrottled``."""
        if self._waiting >= _WAITING:
            raise LoginThrottled(_BUSY, busy=True)
        self._waiting += 1
        try:
            async with self._working:
                return await asyncio.to_thread(secret_digest.matches, digest, secret)
        finally:
            self._waiting -= 1

    async def _is_signed(self, client: Client | None, text: str) -> bool:
        """Verify an assertion; without a client or its keys, against a key that nobody has."""
        name, known = (client.id, client.public_keys) if client is not None else ("", None)
        keys = _decoy_keys() if known is None else dict(known)
        try:
            proof = assertion.verify(text, name, keys, self._audiences)
        except assertion.InvalidAssertion:
            return False
        if client is None or known is None:
            return False
        until = datetime.fromtimestamp(proof.expires, UTC) + timedelta(minutes=1)
        return await self._clients.remember_assertion(client.id, proof.digest, until, self._clock())

    def _is_cached(self, client: Client, secret: str) -> bool:
        keyed = self._keyed(secret)
        return any(
            hmac.compare_digest(self._valid.get(digest) or b"", keyed)
            for digest in client.digests(self._clock())
        )

    def _keyed(self, secret: str) -> bytes:
        return hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)


@cache
def _decoy_keys() -> dict[str, Any]:
    """Return a JWK set with one key, whose private part nobody has."""
    public = generate_private_key(SECP256R1()).public_key()
    return {"keys": [jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)]}
