"""E-mail addresses as they travel: the domain in ASCII (RFC 5890), the local part as it was
written."""

from __future__ import annotations

import re

import idna

#: RFC 5321 section 4.5.3.1: 256 octets for a path, its two angle brackets included; 64 for the
#: local part.
_LONGEST = 254
_LONGEST_LOCAL = 64
#: RFC 1035 section 2.3.4, with the underscore that some hosts carry all the same.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


def wire_domain(domain: str) -> str:
    """In lower case and ASCII. Raises ``ValueError`` for what no name server could hold."""
    lowered = domain.lower()
    return lowered if lowered.isascii() else idna.encode(lowered, uts46=True).decode("ascii")


def wire_address(address: str) -> str:
    """With its domain as it is written in the DNS. Raises ``ValueError`` as ``wire_domain``
    does."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{wire_domain(domain)}"


def domain_of(address: str) -> str:
    return wire_domain(address.rpartition("@")[2])


def is_deliverable(address: str) -> bool:
    """Whether the address can stand in an envelope and in a header, and mean the same to every
    reader.

    Encoded words have no place in an address (RFC 2047 section 5), and readers that decode them
    there have been led to deliver elsewhere; invisible characters serve only to deceive.
    """
    if "=?" in address or not address.isprintable():
        return False
    try:
        local, _, domain = wire_address(address).rpartition("@")
    except ValueError:
        return False
    octets = len(local.encode())
    return (
        octets <= _LONGEST_LOCAL
        and octets + 1 + len(domain) <= _LONGEST
        and all(map(_LABEL.match, domain.split(".")))
    )
