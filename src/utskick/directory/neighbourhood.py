"""A look at the municipality's services: each that is used is asked about a person that there is not."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

import orjson

from utskick.directory.peer import Peer
from utskick.directory.settings import DirectorySection, Neighbour
from utskick.domain.channel import Health

#: Each question that may be remote: the service's table in the settings, and what it is asked.
_ASKED: Final = {
    "parties": ("party", "/{m}/PRIVATE/legalIds"),
    "addresses": ("citizen", "/{m}/{nobody}?ShowClassified=false"),
    "contacts": ("contact_settings", "/{m}/settings?partyId={nobody}"),
}


async def look(section: DirectorySection, municipality_id: str) -> list[Health]:
    """Of those that the settings name and use, in the order of the settings."""
    wanted = {name: path for question, (name, path) in _ASKED.items() if getattr(section, question) == "remote"}
    return list(await asyncio.gather(*(_one(name, path, getattr(section.remote, name), municipality_id) for name, path in wanted.items())))


async def _one(name: str, path: str, settings: Neighbour, municipality_id: str) -> Health:
    peer, nobody = Peer(name, settings), str(uuid4())
    try:
        body = None if "{nobody}" in path else orjson.dumps([nobody])
        return await peer.look(path.format(m=municipality_id, nobody=nobody), body)
    finally:
        await peer.close()
