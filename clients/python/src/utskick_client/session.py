"""What both clients know of the service: where it is, for which municipality, and who asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from httpx2._client import UseClientDefault

from utskick_client.errors import Unsendable
from utskick_client.steps import Fault, Patience, Request, is_header

#: A bearer token, something that gives the one that is valid now, or any authentication of httpx2
#: (``ClientCredentials`` is one).
Token = str | Callable[[], str] | httpx2.Auth

#: Faults of a request that never left.
_NOT_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Session:
    """``base``: the address of the service, with the municipality."""

    base: str
    headers: Mapping[str, str]
    auth: httpx2.Auth | UseClientDefault
    patience: Patience

    @classmethod
    def of(
        cls,
        url: str,
        municipality: str,
        *,
        who: Mapping[str, str | None],
        token: Token | None,
        patience: Patience,
    ) -> Session:
        """Raises ``Unsendable`` where the address or the municipality cannot be one. ``who``:
        headers; None: not told."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unsendable(
                f"{url} is no address of a service: write it like https://utskick.example.se"
            )
        if not re.fullmatch(r"[0-9]{4}", municipality):
            raise Unsendable(
                f"{municipality} is no municipality id: that is four digits, like 2281"
            )
        headers = {name: value for name, value in who.items() if value is not None}
        for name, value in headers.items():
            if not is_header(value):
                raise Unsendable(f"{name} must be one line of text")
        return cls(f"{url.rstrip('/')}/{municipality}", headers, _auth(token), patience)

    def asked(self, request: Request) -> dict[str, Any]:
        """The arguments of ``httpx2.Client.build_request``."""
        return {
            "method": request.method,
            "url": f"{self.base}/{request.path}",
            "params": dict(request.query) or None,
            "content": request.body,
            "headers": {
                name.encode(): value.encode()
                for name, value in (*self.headers.items(), *request.headers.items())
            },
            "timeout": httpx2.Timeout(
                request.quiet or self.patience.read, connect=self.patience.connect
            ),
        }


def who(origin: str | None, sent_by: str | None) -> dict[str, str | None]:
    """``sent_by``: a login name, or the whole of ``X-Sent-By`` (contract section 1.2)."""
    if sent_by is not None and ";" not in sent_by:
        sent_by = f"{sent_by}; type=adAccount"
    return {"x-origin": origin, "X-Sent-By": sent_by}


def fault_of(fault: httpx2.HTTPError) -> Fault:
    return Fault(left=not isinstance(fault, _NOT_LEFT))


def is_event_stream(response: httpx2.Response) -> bool:
    return (
        response.headers.get("content-type", "").partition(";")[0].strip().lower()
        == "text/event-stream"
    )


class _Bearer(httpx2.Auth):
    """The token is asked for with each request: it may have been renewed."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request


def _auth(token: Token | None) -> httpx2.Auth | UseClientDefault:
    if token is None:
        return httpx2.USE_CLIENT_DEFAULT
    if isinstance(token, httpx2.Auth):
        return token
    if isinstance(token, str):
        return _Bearer(lambda: token)
    return _Bearer(token)
