"""The keys of an issuer elsewhere: found by its metadata, kept, and asked for again when an unknown one comes, and every hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from utskick.auth.keys import VerifyingKey, read_set
from utskick.auth.settings import IssuerSection, is_secure
from utskick.domain.errors import IssuerAway
from utskick.outgoing.calls import Answer, Call, Outgoing, Timeouts
from utskick.outgoing.reading import members, taken

log = structlog.get_logger(__name__)

#: Seconds: the longest that keys are used without a look at the issuer, and the shortest between two looks.
AGE: Final = 3600.0
PAUSE: Final = 30.0


class RemoteKeys:
    """``auth.keys.Keys`` of one issuer. An issuer that is away keeps the keys that it had."""

    def __init__(self, issuer: IssuerSection, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        timeouts = Timeouts(issuer.connect_timeout, issuer.read_timeout)
        self._wire = Outgoing(concurrency=issuer.concurrency, timeouts=timeouts, tls=issuer.tls)
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
            raise IssuerAway("the issuer of this token cannot be asked for its keys; try again", headers={"Retry-After": "30"})
        return self._keys.get(kid)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._wire.close()

    async def _refresh(self) -> None:
        where = self._issuer.jwks_url or await self._discovered()
        said = await self._get(where) if where is not None else None
        found = read_set(said) if said is not None else {}
        if not found:
            log.warning("issuer-keys-unreadable", issuer=self._issuer.name, kept=len(self._keys or {}))
            return
        self._keys, self._read_at = found, self._clock()

    async def _discovered(self) -> str | None:
        """``jwks_uri`` of the metadata that name this very issuer (RFC 8414 section 3.3)."""
        for url in _metadata(self._issuer.url):
            said = await self._get(url)
            if said is None:
                continue
            where = said.get("jwks_uri")
            if said.get("issuer") == self._issuer.name and isinstance(where, str) and is_secure(where):
                return where
            log.warning("issuer-metadata-refused", issuer=self._issuer.name)
        return None

    async def _get(self, url: str) -> Mapping[str, Any] | None:
        answer = await self._wire.call(Call("GET", url, None, {"Accept": "application/json"}))
        return members(answer.body) if isinstance(answer, Answer) and taken(answer) else None


def _metadata(issuer: str) -> Iterator[str]:
    """Where the metadata may be: OpenID Connect Discovery section 4, RFC 8414 section 3.1."""
    parts = urlsplit(issuer)
    yield f"{issuer}/.well-known/openid-configuration"
    yield f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
