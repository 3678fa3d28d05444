"""Keys of an external issuer: discovered by its metadata, cached, and refreshed.

They are refreshed every hour, and when a token has an unknown key.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from utskick.auth.jwks import KeySet, VerifyingKey, read_set
from utskick.auth.settings import IssuerSection, is_secure
from utskick.domain.errors import IssuerAway
from utskick.domain.outcome import Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts
from utskick.outgoing.parsing import is_success, members

log = structlog.get_logger(__name__)

#: Seconds: maximum age of the keys before a refresh, and minimum time between refreshes.
AGE: Final = 3600.0
PAUSE: Final = 30.0


class DiscoveryFault(StrEnum):
    """Why an issuer's keys cannot be read."""

    METADATA_AWAY = "metadata-away"
    METADATA_OF_ANOTHER = "metadata-of-another"
    METADATA_WITHOUT_KEYS = "metadata-without-keys"
    KEYS_AWAY = "keys-away"
    KEYS_UNUSABLE = "keys-unusable"


class KeysUnavailable(Exception):
    """The keys cannot be read; the text tells the operator why."""

    def __init__(self, why: DiscoveryFault, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


class _RequestFailed(Exception):
    """No response, or one without a 2xx status."""


class RemoteKeys:
    """``JwksSource`` of one issuer. While the issuer is unavailable, the last keys are used."""

    def __init__(self, issuer: IssuerSection, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        timeouts = Timeouts(issuer.connect_timeout, issuer.read_timeout)
        self._wire = HttpClient(concurrency=issuer.concurrency, timeouts=timeouts, tls=issuer.tls)
        self._keys: KeySet | None = None
        self._tried_at = -AGE
        self._read_at = -AGE
        self._refreshing: asyncio.Task[bool] | None = None

    async def find(
        self, kid: str | None, algorithm: str, failed: VerifyingKey | None = None
    ) -> VerifyingKey | None:
        """Return the key, without waiting for the hourly refresh if it is known.

        That there is none is only said when the issuer has just been asked for its keys. Raises
        ``IssuerAway`` where that was not possible, or is too soon after the last time.
        """
        if failed is not None and self._keys is not None and kid in self._keys.named:
            return None
        known, now = self._known(kid, algorithm, failed), self._clock()
        if (known is None or now - self._read_at >= AGE) and now - self._tried_at >= PAUSE:
            self._tried_at = now
            self._refreshing = asyncio.create_task(self._refresh())
        if known is not None:
            return known
        running = self._refreshing
        if running is None or running.done() or not await asyncio.shield(running):
            wait = max(1, math.ceil(self._tried_at + PAUSE - self._clock()))
            raise IssuerAway(
                "the keys of the token's issuer are not available; try again later",
                headers={"Retry-After": str(wait)},
            )
        return self._known(kid, algorithm, failed)

    def _known(
        self, kid: str | None, algorithm: str, failed: VerifyingKey | None
    ) -> VerifyingKey | None:
        found = self._keys.find(kid, algorithm) if self._keys is not None else None
        return None if found is not None and found is failed else found

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._wire.close()

    async def read(self) -> KeySet:
        """Fetch the usable keys. Raises ``KeysUnavailable``."""
        url = self._issuer.jwks_url or await self._discovered()
        try:
            jwks = await self._get(url)
        except _RequestFailed as fault:
            raise KeysUnavailable(
                DiscoveryFault.KEYS_AWAY, f"its keys cannot be fetched from {url} ({fault})"
            ) from None
        keys = read_set(jwks)
        if not keys:
            raise KeysUnavailable(
                DiscoveryFault.KEYS_UNUSABLE, f"none of its keys at {url} is supported"
            )
        return keys

    async def _refresh(self) -> bool:
        """Read the keys anew. False: they cannot be read, and the old ones stay."""
        try:
            self._keys, self._read_at = await self.read(), self._clock()
            return True
        except KeysUnavailable as fault:
            log.warning(
                "issuer-keys-unreadable",
                issuer=self._issuer.name,
                why=fault.why.value,
                kept=len(self._keys or ()),
            )
            return False

    async def _discovered(self) -> str:
        """Return ``jwks_uri`` of the metadata issued by this very issuer (RFC 8414 section 3.3)."""
        faults = []
        for url in _metadata_urls(self._issuer):
            try:
                metadata = await self._get(url)
            except _RequestFailed as fault:
                sentence = f"its metadata cannot be fetched from {url} ({fault})"
                faults.append(KeysUnavailable(DiscoveryFault.METADATA_AWAY, sentence))
                continue
            jwks_url = metadata.get("jwks_uri")
            if metadata.get("issuer") != self._issuer.name:
                sentence = f"the metadata at {url} names {_named(metadata.get('issuer'))}"
                faults.append(KeysUnavailable(DiscoveryFault.METADATA_OF_ANOTHER, sentence))
            elif not isinstance(jwks_url, str) or not is_secure(jwks_url):
                sentence = f"the metadata at {url} has no jwks_uri with an https address"
                faults.append(KeysUnavailable(DiscoveryFault.METADATA_WITHOUT_KEYS, sentence))
            else:
                return jwks_url
        raise next(
            (fault for fault in faults if fault.why is not DiscoveryFault.METADATA_AWAY), faults[0]
        )

    async def _get(self, url: str) -> Mapping[str, Any]:
        answer = await self._wire.call(
            HttpRequest("GET", url, None, {"Accept": "application/json"})
        )
        if not isinstance(answer, HttpResponse):
            raise _RequestFailed("unreachable" if isinstance(answer, Sent) else answer.reason.code)
        if not is_success(answer):
            raise _RequestFailed(f"HTTP {answer.status}")
        return members(answer.body)


def _named(issuer: object) -> str:
    return f"the issuer {issuer[:200]}" if isinstance(issuer, str) else "no issuer"


def _metadata_urls(issuer: IssuerSection) -> Iterator[str]:
    """Iterate over metadata addresses (OpenID Connect Discovery 4, RFC 8414 section 3.1)."""
    yield issuer.metadata_url
    parts = urlsplit(issuer.url.rstrip("/"))
    yield f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
