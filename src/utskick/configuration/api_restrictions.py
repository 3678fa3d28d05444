"""What may not be said from outside: files of this machine, providers in its own networks (SSRF),
and in a sandbox any elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from utskick.domain.errors import Violation
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused, is_this_machine

#: Members that say whom we call, by their names (tests/configuration holds them against the
#: channels).
ADDRESSES: Final = frozenset({"url", "token_url", "login_url", "origins"})
HOSTS: Final = frozenset({"host", "hosts"})
#: Shown to citizens, and never called.
_SHOWN: Final = "support_info"

ELSEWHERE: Final = "must be on this machine: nothing leaves a sandbox (sandbox.enabled = false in the settings ends it)"
_FILE: Final = "would name a file of the server: give its contents, in the member without _file"


def files(value: Any, place: str) -> list[Violation]:
    """``value``: a checked section, or a part of it."""
    return [
        Violation(where, _FILE)
        for where, _, found in _walk(value, place)
        if isinstance(found, Path)
    ]


async def unreachable(value: Any, place: str, reach: AddressPolicy) -> list[Violation]:
    """Whom we may not call. Names are looked up."""
    faults = []
    for where, name, found in _walk(value, place):
        if not isinstance(found, str) or "*" in found or name not in ADDRESSES | HOSTS:
            continue
        try:
            await reach.check_name(reach.read(found if name in ADDRESSES else f"https://{found}"))
        except AddressRefused as why:
            faults.append(Violation(where, str(why)))
    return faults


def elsewhere(value: Any, place: str) -> str | None:
    """The first place where somebody is named who is not on this machine, be it by default. Nothing
    is looked up."""
    for where, name, found in _walk(value, place, whole=True):
        if isinstance(found, str) and name in ADDRESSES | HOSTS and not _is_here(found):
            return where
    return None


def _is_here(text: str) -> bool:
    try:
        return is_this_machine(urlsplit(text if "://" in text else f"//{text}").hostname or "")
    except ValueError:
        return False


def _walk(
    value: Any, place: str, name: str = "", *, whole: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Every single value that was given: its place, the name of the member that holds it, and it.
    ``whole``: with the defaults."""
    if isinstance(value, BaseModel):
        for member in type(value).model_fields:
            if (whole or member in value.model_fields_set) and member != _SHOWN:
                yield from _walk(getattr(value, member), f"{place}.{member}", member, whole=whole)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, f"{place}.{key}", name, whole=whole)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, each in enumerate(value):
            yield from _walk(each, f"{place}[{index}]", name, whole=whole)
    else:
        yield place, name, value
