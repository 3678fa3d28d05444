"""What may not be said from outside: files of this machine, and providers that lie in its own networks (SSRF)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from utskick.domain.errors import Violation
from utskick.outgoing.guard import Reach, Refused

#: Members that say whom we call, by their names (tests/configuration holds them against the channels).
ADDRESSES: Final = frozenset({"url", "token_url", "login_url", "origins"})
HOSTS: Final = frozenset({"host", "hosts"})
#: Shown to citizens, and never called.
_SHOWN: Final = "support_info"

_FILE: Final = "would name a file of the server: give its contents, in the member without _file"


def files(value: Any, place: str) -> list[Violation]:
    """``value``: a checked section, or a part of it."""
    return [Violation(where, _FILE) for where, _, found in _walk(value, place) if isinstance(found, Path)]


async def unreachable(value: Any, place: str, reach: Reach) -> list[Violation]:
    """Whom we may not call. Names are looked up."""
    faults = []
    for where, name, found in _walk(value, place):
        if not isinstance(found, str) or "*" in found or name not in ADDRESSES | HOSTS:
            continue
        try:
            await reach.look(reach.read(found if name in ADDRESSES else f"https://{found}"))
        except Refused as why:
            faults.append(Violation(where, str(why)))
    return faults


def _walk(value: Any, place: str, name: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every single value: its place, the name of the member that holds it, and it."""
    if isinstance(value, BaseModel):
        for member in type(value).model_fields:
            if member in value.model_fields_set and member != _SHOWN:
                yield from _walk(getattr(value, member), f"{place}.{member}", member)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, f"{place}.{key}", name)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, each in enumerate(value):
            yield from _walk(each, f"{place}[{index}]", name)
    else:
        yield place, name, value
