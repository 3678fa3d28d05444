"""Whom accounts that are set from outside call, and which files they would name: no channel has a
way past the look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from utskick.channels.registry import CHANNELS
from utskick.configuration import api_restrictions as outside
from utskick.configuration.api_restrictions import ADDRESSES, HOSTS
from utskick.domain.errors import Violation
from utskick.outgoing.address_guard import AddressPolicy

#: Members that look like whom we call, and are not: shown to citizens; set by the service alone; of
#: files that are refused anyway.
_NOT_CALLED = {"public_url", "support_info.url", "known_hosts", "host_keys", "accept_any_host_key"}


def models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from models(inner)


def members(
    model: type[BaseModel], place: str = "", seen: frozenset[Any] = frozenset()
) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{place}{name}", field
        for inner in models(field.annotation):
            if inner not in seen:
                yield from members(inner, f"{name}.", seen | {inner})


def test_every_address_and_host_of_every_channel_is_looked_at() -> None:
    found = {
        place
        for entry in CHANNELS.values()
        for place, field in members(entry.section)
        if re.search(r"function _(checked_)?address\b", repr(field.metadata))
        or "host" in place.rpartition(".")[2]
        or place.rpartition(".")[2].endswith("url")
    }
    strange = {
        place
        for place in found
        if place not in _NOT_CALLED
        and place.rpartition(".")[2] not in ADDRESSES | HOSTS | _NOT_CALLED
    }
    assert strange == set()
    assert len(found) > 8


async def test_hosts_in_our_own_networks_are_refused_at_their_place() -> None:
    class Inner(BaseModel):
        url: str
        hosts: tuple[str, ...] = ()
        support_info: dict[str, str] = {}
        key_file: Path | None = None

    value = {
        "a": Inner(
            url="https://10.1.2.3/x",
            hosts=("192.0.2.7:99", "*.example.com"),
            support_info={"url": "https://10.0.0.1"},
        ),
        "b": Inner(url="https://127.0.0.1", key_file=Path("/etc/passwd")),
    }
    faults = await outside.unreachable(value, "accounts", AddressPolicy())
    assert [fault.field for fault in faults] == [
        "accounts.a.url",
        "accounts.a.hosts[0]",
        "accounts.b.url",
    ]
    assert outside.files(value, "accounts") == [
        Violation(
            "accounts.b.key_file",
            "must not name a file of the server: give its contents, in the member without _file",
        )
    ]


async def test_only_a_list_of_hosts_holds_patterns() -> None:
    class Account(BaseModel):
        url: str = ""
        host: str = ""
        hosts: tuple[str, ...] = ()
        origins: tuple[str, ...] = ()

    async def refused(**given: Any) -> list[str]:
        faults = await outside.unreachable(Account(**given), "a", AddressPolicy())
        return [fault.field for fault in faults]

    assert await refused(hosts=("*", "*.example.com")) == []
    assert await refused(hosts=("127.0.0.1*", "*.*", "a*.example")) == [
        "a.hosts[0]",
        "a.hosts[1]",
        "a.hosts[2]",
    ]
    assert await refused(host="*.example.com", origins=("https://*.example.com",)) == [
        "a.host",
        "a.origins[0]",
    ]
    assert await refused(url="https://127.0.0.1/*") == ["a.url"]
    assert await refused(url="https://203.0.113.7/*") == ["a.url"]
    assert await refused(url="https://93.184.215.14/*") == []
