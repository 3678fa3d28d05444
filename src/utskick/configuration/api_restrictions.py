"""Restrictions on configuration set over the API: no server files, no internal hosts (SSRF)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from utskick.domain.errors import Violation
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused, is_this_machine
from utskick.outgoing.settings_types import PeerSection

#: Names of members that hold addresses of peers (tests/configuration compares them with the
#: channels).
ADDRESSES: Final = frozenset({"url", "token_url", "token_uri", "login_url", "origins"})
HOSTS: Final = frozenset({"host", "hosts"})
#: Lists of hosts that may hold patterns (``*.example.com``, ``*``), whose hosts are checked when
#: they are called.
_PATTERNS: Final = "hosts"
#: Shown to citizens, but never called.
_NEVER_CALLED: Final = "support_info"

ELSEWHERE: Final = (
    "must be on this machine: nothing leaves a sandbox (sandbox.enabled = false in the settings"
    " turns it off)"
)
_FILE: Final = "must not name a file of the server: give its contents, in the member without _file"


def files(value: Any, place: str) -> list[Violation]:
    """Return violations for file paths in ``value``, a validated section or a part of it."""
    return [
        Violation(where, _FILE) for where, _, each in _walk(value, place) if isinstance(each, Path)
    ]


async def unreachable(value: Any, place: str, reach: AddressPolicy) -> list[Violation]:
    """Return violations for addresses that may not be called; names are resolved."""
    faults = []
    for where, name, text in _addresses(value, place):
        if name == _PATTERNS and _is_pattern(text):
            continue
        try:
            if name in HOSTS and ":" not in text:
                await reach.check_host(text)
            else:
                await reach.check_name(reach.read(text if name in ADDRESSES else f"https://{text}"))
        except AddressRefused as refusal:
            faults.append(Violation(where, str(refusal)))
    return faults


def _is_pattern(text: str) -> bool:
    return text == "*" or (text.startswith("*.") and "*" not in text[1:])


def elsewhere(value: Any, place: str) -> str | None:
    """Return the first place with a peer on another machine, including defaults, if any.

    Names are not resolved.
    """
    for where, _, text in _addresses(value, place, whole=True):
        if not _is_here(text):
            return where
    return None


def has_address(value: Any) -> bool:
    """Return whether an account names a peer, including by default."""
    return any(True for _ in _addresses(value, "", whole=True))


def _is_here(text: str) -> bool:
    try:
        return is_this_machine(urlsplit(text if "://" in text else f"//{text}").hostname or "")
    except ValueError:
        return False


def _addresses(value: Any, place: str, *, whole: bool = False) -> Iterator[tuple[str, str, str]]:
    """Iterate over all addresses and hosts of peers: place, name of the member, and text."""
    for where, name, text in _walk(value, place, whole=whole):
        if isinstance(text, str) and name in ADDRESSES | HOSTS:
            yield where, name, text


def _walk(
    value: Any, place: str, name: str = "", *, whole: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Iterate over all given values: place, name of the containing member, and value.

    ``whole``: include defaults.
    """
    if isinstance(value, BaseModel):
        for member in type(value).model_fields:
            if (whole or member in value.model_fields_set) and member != _NEVER_CALLED:
                yield from _walk(getattr(value, member), f"{place}.{member}", member, whole=whole)
        if isinstance(value, PeerSection):
            for where, address in value.further_addresses().items():
                yield f"{place}.{where}", where.rpartition(".")[2], address
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, f"{place}.{key}", name, whole=whole)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, each in enumerate(value):
            yield from _walk(each, f"{place}[{index}]", name, whole=whole)
    else:
        yield place, name, value
