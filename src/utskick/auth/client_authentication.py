"""Which client is asking for a token: by its secret, or by an assertion (RFC 6749 section 2.3)."""

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

#: Digests that are worked out at once in one process, and right secrets that are known again.
_AT_ONCE: Final = 2
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client shows: its id with a secret, or an assertion."""

    client_id: str
    secret: str | None = None
    assertion: str | None = None


class LoginThrottled(Exception):
    """Wrong credentials were shown for this client too often. ``wait``: seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


class Authentication:
    """``audiences``: whom an assertion may be for.

    A right secret is known again by a keyed digest, in memory alone: it passes at once, also while
    somebody is made to wait for guessing.
    """

    def __init__(self, clients: Clients, audiences: Sequence[str], clock: Clock) -> None:
        self._clients = clients
        self._audiences = audiences
        self._clock = clock
        self._lookout = LoginThrottle()
        self._working = asyncio.Semaphore(_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._right: Cache[str, bytes] = Cache(_MOST)

    async def client(self, shown: Shown) -> Client | None:
        """None: what was shown is wrong; it took as long whatever was wrong with it. Raises
        ``LoginThrottled``."""
        client = await self._named(shown.client_id)
        known = (
            client is not None and shown.secret is not None and self._is_known(client, shown.secret)
        )
        if not known and (wait := self._lookout.wait(shown.client_id)) > 0:
            raise LoginThrottled(wait)
        if known or await self._is_right(client, shown):
            self._lookout.passed(shown.client_id)
            return client
        if is_name(shown.client_id):
            self._lookout.failed(shown.client_id)
        return None

    async def _named(self, client_id: str) -> Client | None:
        client = await self._clients.get(client_id) if is_name(client_id) else None
        return client if client is not None and client.revoked_at is None else None

    async def _is_right(self, client: Client | None, shown: Shown) -> bool:
        if shown.assertion is not None:
            return (
                client is not None
                and client.public_keys is not None
                and await self._is_proven(client, shown.assertion)
            )
        secret = shown.secret or ""
        digests = client.digests(self._clock()) if client is not None else ()
        for digest in digests or (secret_digest.of_nobody(),):
            async with self._working:
                right = await asyncio.to_thread(secret_digest.is_of, digest, secret)
            if right and digests:
                self._right.put(digest, self._keyed(secret))
                return True
        return False

    async def _is_proven(self, client: Client, text: str) -> bool:
        try:
            proof = assertion.verify(
                text, client.id, dict(client.public_keys or {}), self._audiences
            )
        except assertion.Unproven:
            return False
        until = datetime.fromtimestamp(proof.expires, UTC) + timedelta(minutes=1)
        return await self._clients.remember_assertion(client.id, proof.digest, until, self._clock())

    def _is_known(self, client: Client, secret: str) -> bool:
        shown = self._keyed(secret)
        return any(
            hmac.compare_digest(self._right.get(digest) or b"", shown)
            for digest in client.digests(self._clock())
        )

    def _keyed(self, secret: str) -> bytes:
        return hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
