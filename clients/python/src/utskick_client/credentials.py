"""An access token by client credentials (RFC 6749 section 4.4): fetched once, shared by all calls,
renewed before it ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Final
from urllib.parse import quote_plus

import httpx2

from utskick_client.errors import NotUtskick, Refused

#: Seconds that a token is trusted when the answer names no life, and how long before its end it is
#: renewed: at most this part of it.
_UNSAID: Final = 300.0
_MARGIN, _PART = 30.0, 0.1


class ClientCredentials(httpx2.Auth):
    """``token`` of a client: ``ClientCredentials("https://utskick.example.se/oauth2/token",
    "skolappen", secret)``.

    ``scope``: words with spaces between; None: all that the client may. May be shared by several
    clients, threads and tasks. A call raises ``Refused`` where no token is given.
    """

    def __init__(
        self, token_url: str, client_id: str, client_secret: str, *, scope: str | None = None
    ) -> None:
        self._url = token_url
        self._login = httpx2.BasicAuth(quote_plus(client_id), quote_plus(client_secret))
        self._form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        self._value: str | None = None
        self._renew_at = 0.0
        self._lock = threading.Lock()
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def __repr__(self) -> str:
        return f"ClientCredentials({self._url!r}, …)"

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        for again in (False, True):
            with self._lock:
                if (token := self._valid()) is None:
                    answer = yield self._asking(request)
                    answer.read()
                    token = self._taken(answer)
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if again or not self._is_refused(response, token):
                return

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        for again in (False, True):
            async with self._async_lock():
                if (token := self._valid()) is None:
                    answer = yield self._asking(request)
                    await answer.aread()
                    token = self._taken(answer)
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if again or not self._is_refused(response, token):
                return

    def _async_lock(self) -> asyncio.Lock:
        """One for each event loop: the same credentials may be used in one after another."""
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = loop, asyncio.Lock()
        return self._turn[1]

    def _valid(self) -> str | None:
        return self._value if time.monotonic() < self._renew_at else None

    def _asking(self, cause: httpx2.Request) -> httpx2.Request:
        """With the time-outs of the request that needs the token."""
        limits = {name: value for name, value in cause.extensions.items() if name == "timeout"}
        asked = httpx2.Request(
            "POST",
            self._url,
            data=self._form,
            headers={"Accept": "application/json"},
            extensions=limits,
        )
        return next(self._login.auth_flow(asked))

    def _taken(self, answer: httpx2.Response) -> str:
        """Raises ``Refused`` or ``NotUtskick``."""
        try:
            said = json.loads(answer.content)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise NotUtskick(
                f"what answers at {self._url} gives out no tokens: it does not speak JSON"
            )
        value, life = said.get("access_token"), said.get("expires_in")
        if answer.status_code != 200 or not isinstance(value, str):
            raise _refused(answer.status_code, said)
        seconds = float(life) if isinstance(life, int | float) and life > 0 else _UNSAID
        self._value, self._renew_at = (
            value,
            time.monotonic() + seconds - min(_MARGIN, seconds * _PART),
        )
        return value

    def _is_refused(self, response: httpx2.Response, token: str) -> bool:
        """A token that is no longer taken is dropped; a newer one is left alone."""
        if response.status_code != 401:
            return False
        if self._value == token:
            self._value, self._renew_at = None, 0.0
        return True


def _refused(status: int, said: dict[str, object]) -> Refused:
    """In the shape of a problem: the token endpoint has words of its own (RFC 6749 section 5.2)."""
    why = said.get("error_description") or said.get("detail") or said.get("error")
    return Refused(
        status,
        {
            "title": "No Token",
            "detail": str(why or "the credentials were refused"),
            "code": said.get("error"),
        },
    )
