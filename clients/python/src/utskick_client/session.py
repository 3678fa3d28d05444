"""Connection settings of both clients: address, municipality, caller and token."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from httpx2._client import UseClientDefault

from utskick_client.errors import Unsendable
from utskick_client.steps import Fault, Request, RetryPolicy, is_header

#: Bearer token, a function that returns the current one, or any authentication of httpx2, such as
#: ``ClientCredentials``.
Token = str | Callable[[], str] | httpx2.Auth

#: Errors of requests that were not sent.
_NOT_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Session:
    """Connection settings; ``base`` is the address of the service with the municipality."""

    base: str
    headers: Mapping[str, str]
    auth: httpx2.Auth | UseClientDefault
    retry_policy: RetryPolicy

    @classmethod
    def of(
        cls,
        url: str,
        municipality: str,
        *,
        caller_headers: Mapping[str, str | None],
        token: Token | None,
        retry_policy: RetryPolicy,
    ) -> Session:
        """Validate and return the settings.

        ``caller_headers``: headers, None for those not sent. Raises ``Unsendable`` for an invalid
        address, municipality or header.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unsendable(
                f"{url} is not the address of a service, such as https://utskick.example.se"
            )
        if not re.fullmatch(r"[0-9]{4}", municipality):
            raise Unsendable(
                f"{municipality} is not a municipality id: it has four digits, such as 2281"
            )
        headers = {name: value for name, value in caller_headers.items() if value is not None}
        for name, value in headers.items():
            if not is_header(value):
                raise Unsendable(f"{name} must be one line of text")
        return cls(f"{url.rstrip('/')}/{municipality}", headers, _auth(token), retry_policy)

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of ``httpx2.Client.build_request``."""
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
                request.read_timeout or self.retry_policy.read, connect=self.retry_policy.connect
            ),
        }


def caller_headers(origin: str | None, sent_by: str | None) -> dict[str, str | None]:
    """Return the caller's headers.

    ``sent_by``: login name, or a whole ``X-Sent-By`` value (contract section 1.2).
    """
    if sent_by is not None and ";" not in sent_by:
        sent_by = f"{sent_by}; type=adAccount"
    return {"x-origin": origin, "X-Sent-By": sent_by}


def fault_of(fault: httpx2.HTTPError) -> Fault:
    return Fault(sent=not isinstance(fault, _NOT_LEFT))


def is_event_stream(response: httpx2.Response) -> bool:
    return (
        response.headers.get("content-type", "").partition(";")[0].strip().lower()
        == "text/event-stream"
    )


class _Bearer(httpx2.Auth):
    """Authentication that gets the token for each request, since it may be renewed."""

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
