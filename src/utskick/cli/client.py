"""The command line as a client of the HTTP API: which service, who asks, and what a fault means to
a person at a terminal."""

from __future__ import annotations

import getpass
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx2

import utskick_client
from utskick.domain.errors import SettingsFault, Unreadable, UtskickError
from utskick_client import AsyncUtskickClient, NotUtskick, Patience, Token

ORIGIN: Final = "utskick-cli"
_LOGIN: Final = re.compile(
    r"[!-:<-~]{1,100}\Z"
)  # one word of ASCII, without the semicolon that ends it in the header
#: Each batch that is watched takes one.
_CONNECTIONS: Final = 200


class NoAnswer(UtskickError):
    """Nothing answers at the address of the service, or what answers is something else."""

    code, status, title = "no-answer", 503, "No Answer"


class RequestRefused(UtskickError):
    """The service answered with a problem; the sentence lists every violation."""

    code, status, title = "refused", 400, "Refused"


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """Which service, and for which municipality."""

    url: str
    municipality: str = "2281"
    token: Token | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsFault(
                f"{self.url} is no address of a service; write --url or UTSKICK_URL like http://127.0.0.1:8080"
            )
        if not re.fullmatch(r"[0-9]{4}", self.municipality):
            raise SettingsFault(
                f"{self.municipality} is no municipality id: that is four digits, like 2281"
            )


@asynccontextmanager
async def reaching(
    target: ServiceTarget, patience: Patience = Patience()
) -> AsyncIterator[AsyncUtskickClient]:
    """The client. Its faults leave this block as ``RequestRefused``, ``NoAnswer`` or
    ``Unreadable``, with a sentence that says what to do.

    Proxies of the environment are not used: most services are on this machine, or beside it.
    """
    limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=32)
    async with httpx2.AsyncClient(
        trust_env=False, verify=ssl.create_default_context(), limits=limits
    ) as http:
        who = {"origin": ORIGIN, "sent_by": login()}
        try:
            yield AsyncUtskickClient(
                target.url,
                target.municipality,
                token=target.token,
                patience=patience,
                http=http,
                **who,
            )
        except utskick_client.Refused as fault:
            raise RequestRefused(_sentence(fault)) from fault
        except utskick_client.NoAnswer as fault:
            raise NoAnswer(_lost(fault, target.url)) from fault
        except utskick_client.Unsendable as fault:
            raise Unreadable(str(fault)) from fault


def login() -> str | None:
    """Who is logged in here; None where nobody is, or where the name cannot stand in a header."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return None
    return name if _LOGIN.match(name) else None


def _lost(fault: utskick_client.NoAnswer, url: str) -> str:
    if isinstance(fault, NotUtskick):
        return f"what answers at {url} is not Utskick's API: it does not speak JSON"
    if fault.maybe_accepted:
        found = (
            f". The same command with --key {fault.key} finds out, and sends nothing twice (for 24 hours)"
            if fault.key
            else ""
        )
        return f"the connection to {url} was lost before the answer came, so it may have been accepted or not{found}"
    return f"nothing answers at {url}. Is the service running? Start it with `utskick serve`, or name another with --url or UTSKICK_URL"


def _sentence(fault: utskick_client.Refused) -> str:
    """Every violation on a line of its own."""
    head = f"the service refused it ({fault.status} {fault.title})".replace(" )", ")")
    if fault.violations:
        return "\n".join(
            [f"{head}:", *(f"  {v.field} {v.message}".rstrip() for v in fault.violations)]
        )
    lines = [f"{head}: {fault.detail}" if fault.detail else head]
    if fault.delivery_id:
        lines.append(f"  its story: utskick status {fault.delivery_id}")
    return "\n".join(lines)
