"""Client authentication at the token endpoint: secret or assertion (RFC 6749 section 2.3)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from utskick.auth import client_assertion as assertion
from utskick.auth import secret_digest
from utskick.auth.client_registry import is_name
from utskick.auth.login_throttle import LoginThrottle
from utskick.cache import Cache
from utskick.domain.clock import Clock
from utskick.store.administration.clients import Client, Clients

#: Maximum number of concurrent digest computations in a process, and of cached valid secrets.
_AT_ONCE: Final = 2
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """Credentials of a token request: the client id with a secret or an assertion."""

    client_id: str
    secret: str | None = None
    assertion: str | None = None


class LoginThrottled(Exception):
    """Too many failed attempts for this client. ``wait``: seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


class Authentication:
    """Authenticates clients. ``audiences``: accepted audiences of an assertion.

    Valid secrets are cached in memory by a keyed digest, so that a client is authenticated at once
    even while attempts to guess its secret are throttled.
    """

    def __init__(self, clients: Clients, audiences: Sequence[str], clock: Clock) -> None:
        self._clients = clients
        self._audiences = audiences
        self._clock = clock
        self._throttle = LoginThrottle()
        self._working = asyncio.Semaphore(_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._valid: Cache[str, bytes] = Cache(_MOST)

    async def client(self, presented: PresentedCredentials) -> Client | None:
        """Return the authenticated client, or None in the same time whatever is wrong.

        Raises ``LoginThrottled``.
        """
        client = await self._named(presented.client_id)
        cached = (
            client is not None
            and presented.secret is not None
            and self._is_cached(client, presented.secret)
        )
        if not cached and (wait := self._throttle.wait(presented.client_id)) > 0:
            raise LoginThrottled(wait)
        if cached or await self._is_valid(client, presented):
            self._throttle.passed(presented.client_id)
            return client
        if is_name(presented.client_id):
            self._throttle.failed(presented.client_id)
        return None

    async def _named(self, client_id: str) -> Client | None:
        client = await self._clients.get(client_id) if is_name(client_id) else None
        return client if client is not None and client.revoked_at is None else None

    async def _is_valid(self, client: Client | None, presented: PresentedCredentials) -> bool:
        if presented.assertion is not None:
            return (
                client is not None
                and client.public_keys is not None
                and await self._is_signed(client, presented.assertion)
            )
        secret = presented.secret or ""
        digests = client.digests(self._clock()) if client is not None else ()
        for digest in digests or (secret_digest.decoy_digest(),):
            async with self._working:
                right = await asyncio.to_thread(secret_digest.matches, digest, secret)
            if right and digests:
                self._valid.put(digest, self._keyed(secret))
                return True
        return False

    async def _is_signed(self, client: Client, text: str) -> bool:
        try:
            proof = assertion.verify(
                text, client.id, dict(client.public_keys or {}), self._audiences
            )
        except assertion.InvalidAssertion:
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
