"""Who is told: a party's own contact setting, then its delegates', and theirs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from utskick.domain.contact_setting import ContactSetting, Query
from utskick.store.directory.contact_settings import ContactSettings
from utskick.store.directory.delegates import Delegates

#: How far delegates of delegates are followed. Everybody is told once, so a circle ends by itself.
DEPTH: Final = 10
#: How many settings a chain may come to: beyond it lies a mistake, not a family.
WIDTH: Final = 500


class Chain:
    """One look-up for each step of the way, however many stand on it."""

    def __init__(self, settings: ContactSettings, delegates: Delegates) -> None:
        self._settings = settings
        self._delegates = delegates

    async def of(self, municipality_id: str, party_id: UUID, query: Query) -> list[ContactSetting]:
        """The party's own setting always, and those of agents whose filters match; nearest first.
        Empty: there is none."""
        own = await self._settings.of_party(municipality_id, party_id)
        if own is None:
            return []
        found, seen, edge = [own], {own.id}, [own.id]
        for _ in range(DEPTH):
            delegates = await self._delegates.of_principals(municipality_id, edge)
            edge = list(
                dict.fromkeys(
                    d.agent_id for d in delegates if d.agent_id not in seen and d.passes(query)
                )
            )[: WIDTH - len(seen)]
            if not edge:
                break
            seen.update(edge)
            settings = {
                setting.id: setting
                for setting in await self._settings.all_of(municipality_id, edge)
            }
            found += [settings[agent] for agent in edge if agent in settings]
        return found
