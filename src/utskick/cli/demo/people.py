"""The people of the demo: invented, with numbers of the sandbox's citizens, homes, contact settings
and telephones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from utskick.domain.ids import new_id
from utskick.sandbox.digital_mail.citizens import number
from utskick_client import AsyncUtskickClient

_STREETS: Final = (
    "Storgatan",
    "Kyrkogatan",
    "Skolhusallén",
    "Åkargatan",
    "Östermalmsgatan",
    "Ängsvägen",
)
_NAMES: Final = (
    "Anna Öberg",
    "Nils Ek",
    "Åsa Lind",
    "Björn Ström",
    "Sara Häggström",
    "Mikael Ås",
    "Eva Norberg",
    "Lars Sjö",
)


@dataclass(frozen=True, slots=True)
class Person:
    """``number``: of the sandbox's citizens; nobody in the country has it."""

    party_id: str
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class DemoPhone:
    """A telephone with the municipality's app, and whose it is."""

    name: str
    party_id: str


async def enter(client: AsyncUtskickClient, serial: int, magic: str = "00", **more: Any) -> Person:
    """One more person in the directory; ``magic``: how their mailbox behaves (docs/reference/sandbox.md).
    ``more``: members of the party."""
    name = _NAMES[serial % len(_NAMES)]
    first, _, last = name.partition(" ")
    home = {
        "address": f"{_STREETS[serial % len(_STREETS)]} {serial}",
        "zipCode": "85230",
        "city": "Sundsvall",
    }
    person = Person(str(new_id()), number(serial, magic), name)
    body = {
        "legalId": person.number,
        "names": {"firstName": first, "lastName": last},
        "address": home,
        **more,
    }
    await client.request("PUT", f"parties/{person.party_id}", body)
    return person


async def choose(client: AsyncUtskickClient, *ways: tuple[str, str]) -> str:
    """The party id of somebody who wants to be reached by these: (method, destination)."""
    party_id = str(new_id())
    channels = [
        {
            "contactMethod": method,
            "alias": method.lower(),
            **({"destination": where} if where else {}),
        }
        for method, where in ways
    ]
    body = {"partyId": party_id, "alias": "mina uppgifter", "contactChannels": channels}
    await client.request("POST", "settings", body)
    return party_id


async def take_push(client: AsyncUtskickClient, viewer: str, name: str, party_id: str) -> DemoPhone:
    """A device registers with the sandbox's push service, and its subscription is entered for the
    party."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{viewer}/push/devices", json={"name": name}, raise_for_status=True
        ) as answer,
    ):
        found = await answer.json()
    keys = {"p256dh": found["p256dh"], "auth": found["auth"]}
    body = {
        "party": {"partyId": party_id},
        "webpush": {"endpoint": found["endpoint"], "keys": keys},
    }
    await client.request("POST", "push/subscriptions", body)
    return DemoPhone(name, party_id)
