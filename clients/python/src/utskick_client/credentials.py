"""Access tokens by client credentials (RFC 6749 section 4.4), shared by all calls."""

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

#: Assumed lifetime in seconds if the response has none, and how long before its end a token is
#: renewed: at most this fraction of the lifetime.
_DEFAULT_LIFETIME: Final = 300.0
_MARGIN, _FRACTION = 30.0, 0.1


class ClientCredentials(httpx2.Auth):
    """Client credentials: ``ClientCredentials("https://…/oauth2/token", "skolappen", secret)``.

    ``scope``: scopes separated by spaces, by default all that are granted. May be shared by several
    clients, threads and tasks. A call raises ``Refused`` if no token is issued.
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
        self._loop_lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def __repr__(self) -> str:
        return f"ClientCredentials({self._url!r}, …)"

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        for retry in (False, True):
            with self._lock:
                if (token := self._valid()) is None:
                    answer = yield self._token_request(request)
                    answer.read()
                    token = self._store_token(answer)
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if retry or not self._is_rejected(response, token):
                return

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        for retry in (False, True):
            async with self._async_lock():
                if (token := self._valid()) is None:
                    answer = yield self._token_request(request)
                    await answer.aread()
                    token = self._store_token(answer)
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if retry or not self._is_rejected(response, token):
                return

    def _async_lock(self) -> asyncio.Lock:
        """Return a lock for the running event loop, since several loops may use the credentials."""
        loop = asyncio.get_running_loop()
        if self._loop_lock is None or self._loop_lock[0] is not loop:
            self._loop_lock = loop, asyncio.Lock()
        return self._loop_lock[1]

    def _valid(self) -> str | None:
        return self._value if time.monotonic() < self._renew_at else None

    def _token_request(self, cause: httpx2.Request) -> httpx2.Request:
        """Return the token request, with the timeouts of the request that needs the token."""
        limits = {name: value for name, value in cause.extensions.items() if name == "timeout"}
        token_request = httpx2.Request(
            "POST",
            self._url,
            data=self._form,
            headers={"Accept": "application/json"},
            extensions=limits,
        )
        return next(self._login.auth_flow(token_request))

    def _store_token(self, answer: httpx2.Response) -> str:
        """Store and return the token of a response; raise ``Refused`` or ``NotUtskick``."""
        try:
            body = json.loads(answer.content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise NotUtskick(
                f"the server at {self._url} issues no tokens: its response is not JSON"
            )
        value, life = body.get("access_token"), body.get("expires_in")
        if answer.status_code != 200 or not isinstance(value, str):
            raise _refused(answer.status_code, body)
        seconds = float(life) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFETIME
        self._value, self._renew_at = (
            value,
            time.monotonic() + seconds - min(_MARGIN, seconds * _FRACTION),
        )
        return value

    def _is_rejected(self, response: httpx2.Response, token: str) -> bool:
        """Whether the token was rejected; if so it is discarded, unless already renewed."""
        if response.status_code != 401:
            return False
        if self._value == token:
            self._value, self._renew_at = None, 0.0
        return True


def _refused(status: int, body: dict[str, object]) -> Refused:
    """Convert an error of the token endpoint (RFC 6749 section 5.2) into a problem."""
    why = body.get("error_description") or body.get("detail") or body.get("error")
    return Refused(
        status,
        {
            "title": "No Token",
            "detail": str(why or "the credentials were rejected"),
            "code": body.get("error"),
        },
    )
