"""Access tokens for tests: of a client that is made for it, fetched from the embedded issuer like anybody would."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp

from utskick.auth import scopes
from utskick.auth.secret_digest import digest_of
from utskick.channels.register import CHANNELS
from utskick.domain.clock import utc_now
from utskick.outgoing.reading import basic
from utskick.store.clients import Client, Clients
from utskick.store.database import Database

EVERYTHING = tuple(scopes.every(CHANNELS))
SERVED = ("2281", "2262", "2260")
SECRET = "ucs_of-a-test"


async def client_of(
    database: Database, name: str = "everything", *, municipalities: Sequence[str] = SERVED, allowed: Sequence[str] = EVERYTHING
) -> str:
    """Its id. The digest of its secret is a cheap one: there is nothing to protect, and many tests to run."""
    made = Client(name, tuple(municipalities), tuple(allowed), digest_of(SECRET), utc_now())
    await Clients(database).add(made)
    return name


async def fetched(session: aiohttp.ClientSession, api_url: str, client_id: str, **more: str) -> str:
    """Its token."""
    form = {"grant_type": "client_credentials", **more}
    login = basic(client_id, SECRET)
    async with session.post(f"{api_url}/oauth2/token", data=form, headers={"Authorization": login}) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["access_token"])
