"""Address of the caller behind trusted proxies (RFC 7239, and ``X-Forwarded-For`` before it)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: A parameter of a ``Forwarded`` element: token "=" value, the value quoted or not (section 4).
_PAIR: Final = re.compile(r"""\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s";,]+)\s*""")
#: Elements of the header, and pairs of an element: separators within quotes do not count.
_SEPARATE: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|[^,"]|")+""")
_PAIRS: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|[^;"]|")+""")
#: An address with an optional port; IPv6 in brackets where it has one (section 6).
_NODE: Final = re.compile(
    r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9.]+)(?::\d{1,5})?|([0-9A-Fa-f:.]+)"
)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Proxies whose header is believed, and the one header that they set.

    ``header``: in lower case. A proxy passes on what it does not set itself, so that no other
    header is ever read.
    """

    networks: Collection[Network] = ()
    header: str = "x-forwarded-for"

    def caller(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """Return the address of the caller.

        That of the connection (``peer``), unless it is a trusted proxy's: then the last address in
        the header that is not one. Where the header is not well-formed up to there, the last
        address that is known for certain.
        """
        known = _address(peer)
        if known is None or not self._trusts(known):
            return peer
        name = self.header.encode()
        lines = [value.decode("latin-1") for key, value in headers if key == name]
        read = forwarded_for if self.header == "forwarded" else _listed
        # each line by itself: a quote that one leaves open does not reach into the next
        for node in reversed([node for line in lines for node in read(line)]):
            address = _address(node)
            if address is None:
                break
            known = address
            if not self._trusts(address):
                break
        return str(known)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def forwarded_for(value: str) -> list[str]:
    """Return the ``for`` of each element of a ``Forwarded`` header.

    "" where an element has none or is not well-formed.
    """
    return [_for(element) for element in _SEPARATE.findall(value) if element.strip()]


def _for(element: str) -> str:
    pairs = [_PAIR.fullmatch(pair) for pair in _PAIRS.findall(element) if pair.strip()]
    nodes = [pair[2] for pair in pairs if pair is not None and pair[1].lower() == "for"]
    return _unquoted(nodes[0]) if len(nodes) == 1 and None not in pairs else ""


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _address(node: str) -> Address | None:
    """Return the address of a node, None where it is obfuscated, unknown or not an address."""
    match = _NODE.fullmatch(node)
    try:
        return _plain(ip_address(match[1] or match[2] or match[3])) if match else None
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """Return an IPv4 address that is written as IPv6 as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
