"""Fictitious people of the demo: numbers of the sandbox, addresses, settings and devices."""

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
    """Fictitious person; ``number`` is one of the sandbox's, which no real person has."""

    party_id: str
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class DemoPhone:
    """Device with the municipality's app, and the party that owns it."""

    name: str
    party_id: str


async def add_person(
    client: AsyncUtskickClient, serial: int, magic: str = "00", **more: Any
) -> Person:
    """Add a person to the directory.

    ``magic``: behaviour of the mailbox (docs/reference/sandbox.md). ``more``: further members of
    the party.
    """
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


async def add_contact_settings(client: AsyncUtskickClient, *ways: tuple[str, str]) -> str:
    """Create contact settings from (method, destination) pairs, and return the party id."""
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


async def register_device(
    client: AsyncUtskickClient, viewer: str, name: str, party_id: str
) -> DemoPhone:
    """Register a device with the sandbox's push service, and store its subscription."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{viewer}/push/devices", json={"name": name}, raise_for_status=True
        ) as answer,
    ):
        result = await answer.json()
    keys = {"p256dh": result["p256dh"], "auth": result["auth"]}
    body = {
        "party": {"partyId": party_id},
        "webpush": {"endpoint": result["endpoint"], "keys": keys},
    }
    await client.request("POST", "push/subscriptions", body)
    return DemoPhone(name, party_id)
