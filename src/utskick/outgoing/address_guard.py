"""Address checks for URLs from outside, as a protection against SSRF."""

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

Network = IPv4Network | IPv6Network

_GLOBAL: Final = IPv6Network("2000::/3")
#: RFC 7526: deprecated; embeds an IPv4 address.
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
#: RFC 6052: IPv4 addresses behind NAT64.
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: RFC 6890 section 2.2.2 and RFC 7526, which some Python versions take for global.
_CLOSED: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
#: RFC 1123 section 2.1; the last label starts with a letter, which excludes all notations of a
#: numeric address (0x7f000001, 127.1).
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
_LONGEST: Final = 2048
_FORBIDDEN: Final = "must not resolve to an address that may not be called from here"
_LOOK_UP: Final = 5.0  # seconds allowed for name resolution


class AddressRefused(ValueError):
    """The address must not be called; the text is the message of a violation."""


class ForbiddenAddress(Exception):
    """Raised by a resolver: the name resolves to an address that must not be called."""


def is_this_machine(host: str) -> bool:
    """Return whether a URL's host is the loopback interface; names are not resolved."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(text: str) -> bool:
    """Return whether an IP address is on the public internet.

    False for loopback, private networks, infrastructure and multicast.
    """
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
    """Serialise the origin (RFC 6454 section 6.2), with the port unless it is the default."""
    host = url.raw_host or ""
    port = "" if url.port is None or url.is_default_port() else f":{url.port}"
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}"


class AddressGuard(AbstractResolver):
    """Resolver that refuses a name unless every address it resolves to is allowed.

    ``may``: predicate of an allowed address. ``ours``: (host, port) pairs exempt from it.
    ``inner``: resolver that does the lookup.
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
        results = await self._inner.resolve(host, port, family)
        if (host, port) not in self._ours and not all(self.may(each["host"]) for each in results):
            raise ForbiddenAddress
        return results

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


class AddressPolicy:
    """Allowed addresses: public hosts over https, hosts in ``networks`` over https or http.

    ``networks``: the operator's own. ``public``: False in a sandbox, which may call ``networks``
    only; ``named``: what these are, in the reason of a refusal there. Other protocols than HTTP
    (SMTP, SMPP, SFTP, SMB) may reach the same addresses as https.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        inner: AbstractResolver | None = None,
        *,
        public: bool = True,
        named: str = "this machine and webhooks.networks",
    ) -> None:
        self._networks = tuple(networks)
        self._inner = inner
        self._public = public
        self._forbidden = _FORBIDDEN if public else f"{_FORBIDDEN}: a sandbox calls only {named}"
        self._guards = {"https": AddressGuard(self._secure, inner=inner)}
        if networks:
            self._guards["http"] = AddressGuard(self._own, inner=inner)

    def read(self, text: str) -> URL:
        """Parse the address as the client will. Raises ``AddressRefused``; resolves no name."""
        if len(text) > _LONGEST or not is_clean(text):
            raise AddressRefused(
                f"must be at most {_LONGEST} characters, without control characters"
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
        """Refuse unusual notations of numeric addresses, which would bypass the resolver."""
        if _NAME.match(host):
            return
        try:
            ip_address(host)
        except ValueError:
            raise AddressRefused(
                "must name its host by a domain name, or by an IP address in standard notation"
            ) from None
        if not self.guard(scheme).may(host):
            raise AddressRefused(self._forbidden)

    def read_host(self, text: str) -> str:
        """Parse a host of another protocol than HTTP. Raises ``AddressRefused``."""
        host = text.lower().removeprefix("[").removesuffix("]")
        self._read_host("https", host)
        return host

    async def check_name(self, url: URL) -> None:
        """Resolve the host of a parsed address. Raises ``AddressRefused``."""
        await self._check(url.scheme, url.raw_host or "", url.port or 0)

    async def check_host(self, text: str) -> None:
        """Resolve a host of another protocol than HTTP. Raises ``AddressRefused``."""
        await self._check("https", self.read_host(text), 0)

    async def _check(self, scheme: str, host: str, port: int) -> None:
        if not _NAME.match(host):
            return
        try:
            await asyncio.wait_for(self.guard(scheme).resolve(host, port), _LOOK_UP)
        except ForbiddenAddress:
            raise AddressRefused(self._forbidden) from None
        except (OSError, TimeoutError):
            raise AddressRefused("must name a host that can be resolved") from None

    async def addresses(self, host: str, port: int) -> list[str]:
        """Resolve a host of another protocol than HTTP to IP addresses, all of which are allowed.

        Connections must use these, as the name may resolve to others a moment later. Raises
        ``ForbiddenAddress`` and ``OSError``.
        """
        try:
            name = self.read_host(host)
        except AddressRefused:
            raise ForbiddenAddress from None
        if not _NAME.match(name):
            return [name]
        return [each["host"] for each in await self.guard("https").resolve(name, port)]

    def public_guard(self) -> AddressGuard:
        """Return a guard of names that third parties give: without ``networks`` of the operator."""
        return AddressGuard(
            lambda address: is_public(address) and self._secure(address), inner=self._inner
        )

    def guard(self, scheme: str) -> AddressGuard:
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
