"""The keys of an issuer elsewhere: found by its metadata, kept, and asked for again when an unknown
one comes, and every hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from utskick.auth.jwks import VerifyingKey, read_set
from utskick.auth.settings import IssuerSection, is_secure
from utskick.domain.errors import IssuerAway
from utskick.domain.outcome import Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts
from utskick.outgoing.parsing import is_success, members

log = structlog.get_logger(__name__)

#: Seconds: the longest that keys are used without a look at the issuer, and the shortest between
#: two looks.
AGE: Final = 3600.0
PAUSE: Final = 30.0


class DiscoveryFault(StrEnum):
    """What keeps an issuer's keys from being read."""

    METADATA_AWAY = "metadata-away"
    METADATA_OF_ANOTHER = "metadata-of-another"
    METADATA_WITHOUT_KEYS = "metadata-without-keys"
    KEYS_AWAY = "keys-away"
    KEYS_UNUSABLE = "keys-unusable"


class Unread(Exception):
    """The keys cannot be read; the text says what was found, for whoever runs the service."""

    def __init__(self, why: DiscoveryFault, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


class _Unanswered(Exception):
    """No answer, or none with a yes."""


class RemoteKeys:
    """``auth.keys.Keys`` of one issuer. An issuer that is away keeps the keys that it had."""

    def __init__(self, issuer: IssuerSection, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        timeouts = Timeouts(issuer.connect_timeout, issuer.read_timeout)
        self._wire = HttpClient(concurrency=issuer.concurrency, timeouts=timeouts, tls=issuer.tls)
        self._keys: dict[str, VerifyingKey] | None = None
        self._asked_at = -AGE
        self._read_at = -AGE
        self._asking: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> VerifyingKey | None:
        """Whoever has a known key does not wait for the hourly look."""
        known = (self._keys or {}).get(kid)
        now = self._clock()
        if (known is None or now - self._read_at >= AGE) and now - self._asked_at >= PAUSE:
            self._asked_at = now
            self._asking = asyncio.create_task(self._refresh())
        if known is not None:
            return known
        if self._asking is not None:
            await asyncio.shield(self._asking)
        if self._keys is None:
            raise IssuerAway(
                "the issuer of this token cannot be asked for its keys; try again",
                headers={"Retry-After": "30"},
            )
        return self._keys.get(kid)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._wire.close()

    async def read(self) -> dict[str, VerifyingKey]:
        """Its usable keys, asked for now. Raises ``Unread``."""
        where = self._issuer.jwks_url or await self._discovered()
        try:
            said = await self._get(where)
        except _Unanswered as fault:
            raise Unread(
                DiscoveryFault.KEYS_AWAY, f"its keys cannot be fetched from {where} ({fault})"
            ) from None
        found = read_set(said)
        if not found:
            raise Unread(
                DiscoveryFault.KEYS_UNUSABLE,
                f"none of its keys at {where} is one that is taken here",
            )
        return found

    async def _refresh(self) -> None:
        try:
            self._keys, self._read_at = await self.read(), self._clock()
        except Unread as fault:
            log.warning(
                "issuer-keys-unreadable",
                issuer=self._issuer.name,
                why=fault.why.value,
                kept=len(self._keys or {}),
            )

    async def _discovered(self) -> str:
        """``jwks_uri`` of the metadata that name this very issuer (RFC 8414 section 3.3)."""
        faults = []
        for url in _metadata(self._issuer.url):
            try:
                said = await self._get(url)
            except _Unanswered as fault:
                faults.append(
                    Unread(
                        DiscoveryFault.METADATA_AWAY,
                        f"its metadata cannot be fetched from {url} ({fault})",
                    )
                )
                continue
            where = said.get("jwks_uri")
            if said.get("issuer") != self._issuer.name:
                faults.append(
                    Unread(
                        DiscoveryFault.METADATA_OF_ANOTHER,
                        f"the metadata at {url} name {_named(said.get('issuer'))}",
                    )
                )
            elif not isinstance(where, str) or not is_secure(where):
                faults.append(
                    Unread(
                        DiscoveryFault.METADATA_WITHOUT_KEYS,
                        f"the metadata at {url} name no jwks_uri with an https address",
                    )
                )
            else:
                return where
        raise next(
            (fault for fault in faults if fault.why is not DiscoveryFault.METADATA_AWAY), faults[0]
        )

    async def _get(self, url: str) -> Mapping[str, Any]:
        answer = await self._wire.call(
            HttpRequest("GET", url, None, {"Accept": "application/json"})
        )
        if not isinstance(answer, HttpResponse):
            raise _Unanswered("unreachable" if isinstance(answer, Sent) else answer.reason.code)
        if not is_success(answer):
            raise _Unanswered(f"HTTP {answer.status}")
        return members(answer.body)


def _named(issuer: object) -> str:
    return f"the issuer {issuer[:200]}" if isinstance(issuer, str) else "no issuer"


def _metadata(issuer: str) -> Iterator[str]:
    """Where the metadata may be: OpenID Connect Discovery section 4, RFC 8414 section 3.1."""
    parts = urlsplit(issuer)
    yield f"{issuer}/.well-known/openid-configuration"
    yield f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
