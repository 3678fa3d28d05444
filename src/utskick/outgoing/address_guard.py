"""Which machines may be called where an address comes from outside: without a guard it could name
any of ours (SSRF)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from utskick.domain.validators import is_clean
from utskick.outgoing.http_client import Forbidden

Network = IPv4Network | IPv6Network

_GLOBAL: Final = IPv6Network("2000::/3")
#: RFC 7526: deprecated; leads to the IPv4 address in it.
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
#: RFC 6052: how an IPv4 address looks behind NAT64.
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: RFC 6890 section 2.2.2 and RFC 7526, which not every Python knows to be closed.
_CLOSED: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
#: RFC 1123 section 2.1; the last label starts with a letter, so that no way to write a number is
#: one (0x7f000001, 127.1).
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
_LONGEST: Final = 2048
_FORBIDDEN: Final = "must not lead to an address that may not be called from here"
_LOOK_UP: Final = 5.0  # seconds


class AddressRefused(ValueError):
    """An address that must not be called; the text says why, as the message of a violation."""


def is_this_machine(host: str) -> bool:
    """Of a host as an address names it; names are not looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the open internet: not to this machine, its networks, their
    infrastructure or a group."""
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
    closed = (
        address.is_multicast
        or address.is_reserved
        or any(address in network for network in _CLOSED)
    )
    return address.is_global and not closed


def origin_of(url: URL) -> str:
    """Scheme, host and port as RFC 6454 section 6.2 writes them: the port only where it is not the
    scheme's own."""
    host = url.raw_host or ""
    port = "" if url.port is None or url.is_default_port() else f":{url.port}"
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}"


class Guard(AbstractResolver):
    """Every address that a name stands for must be one that ``may`` be called, or none of them is.

    ``ours``: (host, port) that may lead anywhere. ``inner``: who is asked.
    """

    def __init__(
        self,
        may: Callable[[str], bool] = is_public,
        *,
        ours: frozenset[tuple[str | None, int | None]] = frozenset(),
        inner: AbstractResolver | None = None,
    ) -> None:
        self.may = may
        self._ours = ours
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        if (host, port) not in self._ours and not all(self.may(each["host"]) for each in found):
            raise Forbidden
        return found

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


class AddressPolicy:
    """What may be called: by https every public machine, and by https or http those in
    ``networks``, which are our own.

    ``public``: False in a sandbox, which nothing leaves but to ``networks``.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        inner: AbstractResolver | None = None,
        *,
        public: bool = True,
    ) -> None:
        self._networks = tuple(networks)
        self._public = public
        self._forbidden = (
            _FORBIDDEN
            if public
            else f"{_FORBIDDEN}: a sandbox calls this machine alone, and webhooks.networks"
        )
        self._guards = {"https": Guard(self._secure, inner=inner)}
        if networks:
            self._guards["http"] = Guard(self._own, inner=inner)

    def read(self, text: str) -> URL:
        """The address as the client will call it, read by its own parser. Raises
        ``AddressRefused``; names have not been looked up yet."""
        if len(text) > _LONGEST or not is_clean(text):
            raise AddressRefused(
                f"must be at most {_LONGEST} characters, none of them a control character"
            )
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError:
            raise AddressRefused("must be an https address") from None
        if url.scheme not in self._guards or not host or not port:
            raise AddressRefused("must be an https address")
        if url.raw_user is not None or url.raw_password is not None:
            raise AddressRefused("must not contain a user name or a password")
        self._read_host(url.scheme, host)
        return url

    def _read_host(self, scheme: str, host: str) -> None:
        """A number in any but its usual form would go past the resolver, and so past the guard: the
        client takes it for an address."""
        if _NAME.match(host):
            return
        try:
            ip_address(host)
        except ValueError:
            raise AddressRefused(
                "must name its host by a domain name, or by an IP address in its usual form"
            ) from None
        if not self.guard(scheme).may(host):
            raise AddressRefused(self._forbidden)

    async def look(self, url: URL) -> None:
        """Look up the name of an address that was read. Raises ``AddressRefused``."""
        host, port = url.raw_host or "", url.port or 0
        if not _NAME.match(host):
            return
        try:
            await asyncio.wait_for(self.guard(url.scheme).resolve(host, port), _LOOK_UP)
        except Forbidden:
            raise AddressRefused(self._forbidden) from None
        except (OSError, TimeoutError):
            raise AddressRefused("must name a host that can be found") from None

    def guard(self, scheme: str) -> Guard:
        return self._guards[scheme]

    @property
    def schemes(self) -> tuple[str, ...]:
        return tuple(self._guards)

    def _secure(self, text: str) -> bool:
        return (self._public and is_public(text)) or self._own(text)

    def _own(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
