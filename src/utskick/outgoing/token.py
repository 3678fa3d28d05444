"""An OAuth 2.0 access token of the client credentials grant (RFC 6749 section 4.4): fetched once,
shared, renewed before it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, by_status
from utskick.outgoing.parsing import basic, members, taken

#: Seconds that a token is trusted when the answer names no life (RFC 6749 section 5.1 only
#: recommends it).
UNSAID_LIFE: Final = 300.0
#: How long before its end a token is renewed: seconds, and at most this part of its life.
MARGIN: Final = 30.0
PART: Final = 0.1


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens are given out, to whom, and for what (``scope``, where the provider wants it
    named)."""

    url: str
    client_id: str
    client_secret: str
    scope: str | None = None


class Token:
    """The token of one account. Many may wait for the same fetch; all of them get its end."""

    def __init__(
        self, grant: TokenSource, wire: Outgoing, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # RFC 6749 section 2.3.1: id and secret are form-encoded before they become Basic
        # credentials.
        login = basic(quote_plus(grant.client_id), quote_plus(grant.client_secret))
        headers = {
            "Authorization": login,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        body = urlencode(
            {"grant_type": "client_credentials", **({"scope": grant.scope} if grant.scope else {})}
        )
        self._call = HttpRequest("POST", grant.url, body.encode(), headers)
        self._wire = wire
        self._clock = clock
        self._value: str | None = None
        self._renew_at = 0.0
        self._fetching: asyncio.Task[str | Outcome] | None = None

    async def get(self) -> str | Outcome:
        """The token, or what its absence means for a message: known not to have been sent."""
        if self._value is not None and self._clock() < self._renew_at:
            return self._value
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    def refuse(self, value: str) -> None:
        """The provider no longer takes this token; a newer one is left alone."""
        if value == self._value:
            self._value = None

    async def _fetch(self) -> str | Outcome:
        answer = await self._wire.call(self._call)
        if not isinstance(answer, Answer):
            return _unsent(answer)
        said = members(answer.body)
        value, life = said.get("access_token"), said.get("expires_in")
        if not taken(answer) or not isinstance(value, str) or not value:
            return _unsent(by_status(answer))
        seconds = (
            float(life) if isinstance(life, int | float) and life > 0 else UNSAID_LIFE
        )  # some answer -1 for "for ever"
        self._value, self._renew_at = value, self._clock() + seconds - min(MARGIN, seconds * PART)
        return value


def _unsent(outcome: Outcome) -> Outcome:
    """A call for a token that failed has sent no message, however it failed."""
    if isinstance(outcome, Uncertain):
        return Deferred(
            Reason(
                "no-token",
                "the provider's login service gave no usable answer",
                outcome.reason.provider_code,
            )
        )
    if isinstance(outcome, Rejected):
        return Misconfigured(
            Reason(
                "refused-login",
                "the provider's login service refused our client",
                outcome.reason.provider_code,
            )
        )
    return outcome
