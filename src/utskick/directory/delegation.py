"""Delegation: contact settings of a party, its delegates and their delegates."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from utskick.domain.contact_setting import ContactSetting, Query
from utskick.store.directory.contact_settings import ContactSettings
from utskick.store.directory.delegates import Delegates

#: Maximum depth of delegation. Each setting is visited once, so cycles end.
DEPTH: Final = 10
#: Maximum number of settings reached; more indicate a mistake.
WIDTH: Final = 500


class DelegationChain:
    """Follows delegations, with one query for each level."""

    def __init__(self, settings: ContactSettings, delegates: Delegates) -> None:
        self._settings = settings
        self._delegates = delegates

    async def of(self, municipality_id: str, party_id: UUID, query: Query) -> list[ContactSetting]:
        """Return the party's own setting and those of matching delegates, nearest first.

        Empty if the party has none.
        """
        own = await self._settings.of_party(municipality_id, party_id)
        if own is None:
            return []
        result, seen, level = [own], {own.id}, [own.id]
        for _ in range(DEPTH):
            delegates = await self._delegates.of_principals(municipality_id, level)
            level = list(
                dict.fromkeys(
                    d.agent_id for d in delegates if d.agent_id not in seen and d.passes(query)
                )
            )[: WIDTH - len(seen)]
            if not level:
                break
            seen.update(level)
            settings = {
                setting.id: setting
                for setting in await self._settings.all_of(municipality_id, level)
            }
            result += [settings[agent] for agent in level if agent in settings]
        return result
