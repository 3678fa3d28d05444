"""E-mail addresses in wire form: the domain in ASCII (RFC 5890), the local part unchanged."""

from __future__ import annotations

import re

import idna

#: RFC 5321 section 4.5.3.1: 256 octets for a path including its angle brackets; 64 for the local
#: part.
_LONGEST = 254
LONGEST_LOCAL = 64
#: RFC 1035 section 2.3.4, plus the underscore that some host names contain.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


def wire_domain(domain: str) -> str:
    """Return the domain in lower case and ASCII. Raises ``ValueError`` for an invalid name."""
    lowered = domain.lower()
    return lowered if lowered.isascii() else idna.encode(lowered, uts46=True).decode("ascii")


def wire_address(address: str) -> str:
    """Return the address with its domain as in the DNS. Raises ``ValueError``."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{wire_domain(domain)}"


def domain_of(address: str) -> str:
    return wire_domain(address.rpartition("@")[2])


def is_deliverable(address: str) -> bool:
    """Return whether an address is safe in an envelope and in a header.

    Encoded words must not occur in an address (RFC 2047 section 5): readers that decode them there
    have been led to deliver elsewhere. Invisible characters are rejected as deceptive.
    """
    if "=?" in address or not address.isprintable():
        return False
    try:
        local, _, domain = wire_address(address).rpartition("@")
    except ValueError:
        return False
    octets = len(local.encode())
    return (
        octets <= LONGEST_LOCAL
        and octets + 1 + len(domain) <= _LONGEST
        and all(map(_LABEL.match, domain.split(".")))
    )
