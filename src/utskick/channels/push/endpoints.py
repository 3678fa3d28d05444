"""Which push services may be called. A subscription's endpoint comes from outside: without a guard it could name any machine (SSRF)."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from utskick.outgoing.calls import Forbidden

#: The push services of the browsers; ``*.`` stands for any names before.
BROWSERS: Final = (
    "fcm.googleapis.com",
    "jmt17.google.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "*.push.apple.com",
)
_GLOBAL: Final = IPv6Network("2000::/3")
#: RFC 7526: deprecated; leads to the IPv4 address in it.
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
#: RFC 6052: how an IPv4 address looks behind NAT64.
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: RFC 6890 section 2.2.2 and RFC 7526, which not every Python knows to be closed.
_CLOSED: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z")


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the open internet: not to this machine, its networks, their infrastructure or a group."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _is_public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
        return address in _GLOBAL and address not in _SIX_TO_FOUR and address.is_global
    return _is_public_v4(address)


def _is_public_v4(address: IPv4Address) -> bool:
    closed = address.is_multicast or address.is_reserved or any(address in network for network in _CLOSED)
    return address.is_global and not closed


def origin_of(url: URL) -> str:
    """Scheme, host and port as RFC 6454 section 6.2 writes them: the port only where it is not the scheme's own."""
    host = url.raw_host or ""
    port = "" if url.port is None or url.is_default_port() else f":{url.port}"
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}"


class Endpoints:
    """``hosts``: names (``push.example.com``), all below one (``*.example.com``), or ``*`` for every public one; by https on port 443.

    ``origins`` are allowed exactly as they are written, and wherever they lead: a push service on a network of our own.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._names = frozenset(hosts)
        self._parents = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._origins = frozenset(origins)
        self.ours = frozenset((url.raw_host, url.port) for url in map(URL, origins))

    def allowed(self, endpoint: str) -> URL | None:
        """The endpoint as it will be called; None where it must not be. Read by the client's own parser, so that both see one host."""
        try:
            url = URL(endpoint)
            origin = origin_of(url)
        except ValueError:
            return None
        if url.raw_user is not None or url.raw_password is not None:
            return None
        if origin in self._origins:
            return url
        host = url.raw_host or ""
        # A name only: an address written as a number would never be seen by the resolver's guard.
        usual = url.scheme == "https" and url.port == 443 and _NAME.match(host) is not None
        known = host in self._names or "*" in self._names or host.endswith(self._parents)
        return url if usual and known else None


class PublicOnly(AbstractResolver):
    """Every address that a name stands for must be public, or none of them is called. ``ours``: (host, port) that may lead anywhere."""

    def __init__(self, ours: frozenset[tuple[str | None, int | None]] = frozenset(), inner: AbstractResolver | None = None) -> None:
        self._ours = ours
        self._inner = inner

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        if (host, port) not in self._ours and not all(is_public(each["host"]) for each in found):
            raise Forbidden
        return found

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()
