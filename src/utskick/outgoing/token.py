"""OAuth 2.0 access tokens of the client credentials grant (RFC 6749 section 4.4), cached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, by_status
from utskick.outgoing.parsing import basic, is_success, members

#: Lifetime in seconds of a token without ``expires_in`` (only recommended, RFC 6749 section 5.1).
DEFAULT_LIFETIME: Final = 300.0
#: How long before its expiry a token is renewed: seconds, and at most this share of its lifetime.
MARGIN: Final = 30.0
PART: Final = 0.1


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Token endpoint and client credentials. ``scope``: only if the provider requires it."""

    url: str
    client_id: str
    client_secret: str
    scope: str | None = None


class Token:
    """Access token of one account; concurrent callers share a fetch."""

    def __init__(
        self, source: TokenSource, wire: HttpClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # RFC 6749 section 2.3.1: id and secret are form-encoded before they are used for Basic.
        login = basic(quote_plus(source.client_id), quote_plus(source.client_secret))
        headers = {
            "Authorization": login,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        scope = {"scope": source.scope} if source.scope else {}
        body = urlencode({"grant_type": "client_credentials", **scope})
        self._call = HttpRequest("POST", source.url, body.encode(), headers)
        self._wire = wire
        self._clock = clock
        self._value: str | None = None
        self._renew_at = 0.0
        self._fetching: asyncio.Task[str | Outcome] | None = None

    async def get(self) -> str | Outcome:
        """Return the token, or the outcome of a message that could not be sent without it."""
        if self._value is not None and self._clock() < self._renew_at:
            return self._value
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    def refuse(self, value: str) -> None:
        """Discard the token after the provider rejected it, unless it has been renewed."""
        if value == self._value:
            self._value = None

    async def _fetch(self) -> str | Outcome:
        answer = await self._wire.call(self._call)
        if not isinstance(answer, HttpResponse):
            return _unsent(answer)
        fields = members(answer.body)
        value, lifetime = fields.get("access_token"), fields.get("expires_in")
        if not is_success(answer) or not isinstance(value, str) or not value:
            return _unsent(by_status(answer))
        # Some providers answer -1 for a token that does not expire.
        if not isinstance(lifetime, int | float) or lifetime <= 0:
            lifetime = DEFAULT_LIFETIME
        seconds = float(lifetime)
        self._value, self._renew_at = value, self._clock() + seconds - min(MARGIN, seconds * PART)
        return value


def _unsent(outcome: Outcome) -> Outcome:
    """Map the outcome of a failed token request, which has sent no message in any case."""
    if isinstance(outcome, Uncertain):
        return Deferred(
            Reason(
                "no-token",
                "the provider's login service gave no valid response",
                outcome.reason.provider_code,
            )
        )
    if isinstance(outcome, Rejected):
        return Misconfigured(
            Reason(
                "refused-login",
                "the provider's login service rejected the client credentials",
                outcome.reason.provider_code,
            )
        )
    return outcome
