"""Restrictions on configuration set over the API: no server files, no internal hosts (SSRF)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from utskick.domain.errors import Violation
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused, is_this_machine

#: Names of members that hold addresses of peers (tests/configuration compares them with the
#: channels).
ADDRESSES: Final = frozenset({"url", "token_url", "login_url", "origins"})
HOSTS: Final = frozenset({"host", "hosts"})
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
    for where, name, text in _walk(value, place):
        if not isinstance(text, str) or "*" in text or name not in ADDRESSES | HOSTS:
            continue
        try:
            await reach.check_name(reach.read(text if name in ADDRESSES else f"https://{text}"))
        except AddressRefused as refusal:
            faults.append(Violation(where, str(refusal)))
    return faults


def elsewhere(value: Any, place: str) -> str | None:
    """Return the first place with a peer on another machine, including defaults, if any.

    Names are not resolved.
    """
    for where, name, text in _walk(value, place, whole=True):
        if isinstance(text, str) and name in ADDRESSES | HOSTS and not _is_here(text):
            return where
    return None


def has_address(value: Any) -> bool:
    """Return whether an account names a peer, including by default."""
    return any(
        isinstance(text, str) and name in ADDRESSES | HOSTS
        for _, name, text in _walk(value, "", whole=True)
    )


def _is_here(text: str) -> bool:
    try:
        return is_this_machine(urlsplit(text if "://" in text else f"//{text}").hostname or "")
    except ValueError:
        return False


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
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, f"{place}.{key}", name, whole=whole)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, each in enumerate(value):
            yield from _walk(each, f"{place}[{index}]", name, whole=whole)
    else:
        yield place, name, value
