"""Access tokens for tests: of a client that is made for it, fetched from the embedded issuer like
anybody would."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from utskick.auth import scopes
from utskick.channels.registry import CHANNELS
from utskick.domain.clock import utc_now
from utskick.outgoing.parsing import basic
from utskick.store.administration.clients import Client, Clients
from utskick.store.database import Database

EVERYTHING = tuple(scopes.every(CHANNELS))
SERVED = ("2281", "2262", "2260")
SECRET = "ucs_of-a-test"
#: A cheap one: there is nothing to protect, and many tests to run.
DIGEST = Argon2id(
    salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=8
).derive_phc_encoded(SECRET.encode())


async def client_of(
    database: Database,
    name: str = "everything",
    *,
    municipalities: Sequence[str] = SERVED,
    allowed: Sequence[str] = EVERYTHING,
) -> str:
    """Its id."""
    made = Client(name, tuple(municipalities), tuple(allowed), DIGEST, utc_now())
    await Clients(database).add(made)
    return name


async def fetched(session: aiohttp.ClientSession, api_url: str, client_id: str, **more: str) -> str:
    """Its token."""
    form = {"grant_type": "client_credentials", **more}
    login = basic(client_id, SECRET)
    async with session.post(
        f"{api_url}/oauth2/token", data=form, headers={"Authorization": login}
    ) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["access_token"])
