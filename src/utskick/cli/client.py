"""Command line as an HTTP client: target service, credentials and readable errors."""

from __future__ import annotations

import getpass
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

import utskick_client
from utskick.auth import sandbox_client
from utskick.domain.errors import SettingsFault, Unreadable, UtskickError
from utskick.settings import Data
from utskick_client import AsyncUtskickClient, ClientCredentials, NotUtskick, RetryPolicy, Token

ORIGIN: Final = "utskick-cli"
_VALID_LOGIN: Final = re.compile(
    r"[!-:<-~]{1,100}\Z"
    # ASCII without blanks and without the semicolon that ends the value in the header.
)
#: Every watched batch holds one connection.
_CONNECTIONS: Final = 200


class NoAnswer(UtskickError):
    """The service does not answer, or another program answers at its address."""

    code, status, title = "no-answer", 503, "No Answer"


class RequestRefused(UtskickError):
    """The service answered with a problem; the message lists every violation."""

    code, status, title = "refused", 400, "Refused"


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """Address and credentials of a service, and the municipality to act for."""

    url: str
    municipality: str = "2281"
    token: Token | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsFault(
                f"{self.url} is not the address of a service; give --url or UTSKICK_URL like "
                "http://127.0.0.1:8080"
            )
        if not re.fullmatch(r"[0-9]{4}", self.municipality):
            raise SettingsFault(
                f"{self.municipality} is not a municipality id: it has four digits, such as 2281"
            )


def token_for(url: str) -> Token | None:
    """Return the credentials for a service, or None.

    Taken from ``UTSKICK_TOKEN``, else from ``UTSKICK_CLIENT_ID`` and ``UTSKICK_CLIENT_SECRET``,
    else from the sandbox client of a service on this machine.
    """
    if token := os.environ.get("UTSKICK_TOKEN"):
        return token
    client_id, secret = os.environ.get("UTSKICK_CLIENT_ID"), os.environ.get("UTSKICK_CLIENT_SECRET")
    if client_id and secret:
        return ClientCredentials(
            os.environ.get("UTSKICK_TOKEN_URL") or _token_url(url), client_id, secret
        )
    if client_id or secret:
        raise SettingsFault(
            "UTSKICK_CLIENT_ID and UTSKICK_CLIENT_SECRET must be set together; one of them is "
            "missing"
        )
    folder = Path(os.environ.get("UTSKICK_DATA__FOLDER") or Data().folder)
    return (
        sandbox_credentials(url, folder)
        if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        else None
    )


def sandbox_credentials(url: str, folder: Path) -> ClientCredentials | None:
    """Return the credentials of the sandbox client in a data folder, or None if there are none."""
    found = sandbox_client.read(folder.expanduser() / sandbox_client.FILE)
    return ClientCredentials(_token_url(url), *found) if found is not None else None


def _token_url(url: str) -> str:
    return f"{url.rstrip('/')}/oauth2/token"


@asynccontextmanager
async def open_client(
    target: ServiceTarget, retry_policy: RetryPolicy = RetryPolicy()
) -> AsyncIterator[AsyncUtskickClient]:
    """Yield a client for the service, and translate its errors.

    Raises ``RequestRefused``, ``NoAnswer`` or ``Unreadable``, with a message that tells the user
    what to do.

    Proxies of the environment are ignored: the service usually runs on this machine or close to it.
    """
    limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=32)
    async with httpx2.AsyncClient(
        trust_env=False, verify=ssl.create_default_context(), limits=limits
    ) as http:
        headers = {"origin": ORIGIN, "sent_by": login()}
        try:
            yield AsyncUtskickClient(
                target.url,
                target.municipality,
                token=target.token,
                retry_policy=retry_policy,
                http=http,
                **headers,
            )
        except utskick_client.Refused as fault:
            raise RequestRefused(_refusal(fault)) from fault
        except utskick_client.NoAnswer as fault:
            raise NoAnswer(_connection_error(fault, target.url)) from fault
        except utskick_client.Unsendable as fault:
            raise Unreadable(str(fault)) from fault


def login() -> str | None:
    """Return the login name, or None if there is none or it cannot be put into a header."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return None
    return name if _VALID_LOGIN.match(name) else None


def _connection_error(fault: utskick_client.NoAnswer, url: str) -> str:
    if isinstance(fault, NotUtskick):
        return f"the server at {url} is not Utskick's API: its response is not JSON"
    if fault.maybe_accepted:
        hint = (
            (
                f". Repeat the command with --key {fault.key} to find out; it sends nothing twice "
                "within 24 hours"
            )
            if fault.key
            else ""
        )
        return (
            f"the connection to {url} was lost before the response arrived: the request may or "
            f"may not have been accepted{hint}"
        )
    return (
        f"no service responds at {url}. Start it with `utskick serve`, or give another address "
        "with --url or UTSKICK_URL"
    )


def _refusal(fault: utskick_client.Refused) -> str:
    """Return a message with every violation on a line of its own."""
    head = f"the service refused the request ({fault.status} {fault.title})".replace(" )", ")")
    if fault.violations:
        return "\n".join(
            [f"{head}:", *(f"  {v.field} {v.message}".rstrip() for v in fault.violations)]
        )
    lines = [f"{head}: {fault.detail}" if fault.detail else head]
    if fault.delivery_id:
        lines.append(f"  details: utskick status {fault.delivery_id}")
    return "\n".join(lines)
