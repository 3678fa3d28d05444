"""The municipality's Party service: party id → number (contract: party 2.0)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from utskick.directory.service_client import Peer
from utskick.domain.directory_ports import LegalId
from utskick.domain.ids import parse_id
from utskick.domain.legal_id import of_register
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success
from utskick.outgoing.ttl_cache import TtlCache
from utskick.store.group_commit import GroupCommit

log = structlog.get_logger(__name__)

#: Ids that one call may ask for.
LIMIT: Final = 1_000
_REMEMBERED: Final = 20_000
_SECONDS: Final = 300.0

_Found = LegalId | Deferred | None


class PartyRegister:
    """Questions that come at the same time go out together; what was told is remembered for five
    minutes."""

    def __init__(self, peer: Peer, clock: Callable[[], float] = time.monotonic) -> None:
        self._peer = peer
        self._asking: GroupCommit[tuple[str, UUID], _Found] = GroupCommit(
            self._look, limit=LIMIT, writers=4
        )
        self._known: TtlCache[tuple[str, UUID], LegalId] = TtlCache(
            limit=_REMEMBERED, life=_SECONDS, clock=clock
        )
        self._reported: TtlCache[tuple[str, UUID], bool] = TtlCache(
            limit=_REMEMBERED, life=float("inf"), clock=clock
        )

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        given = {text: found for text in party_ids if (found := parse_id(text)) is not None}
        wanted = list(dict.fromkeys(given.values()))
        told = dict(
            zip(
                wanted,
                await asyncio.gather(*(self._one(municipality_id, each) for each in wanted)),
                strict=True,
            )
        )
        silent = next((answer for answer in told.values() if isinstance(answer, Deferred)), None)
        if silent is not None:
            return silent
        return {
            text: answer
            for text, found in given.items()
            if isinstance(answer := told[found], LegalId)
        }

    async def _one(self, municipality_id: str, party_id: UUID) -> _Found:
        known = self._known.get((municipality_id, party_id))
        return known if known is not None else await self._asking.put((municipality_id, party_id))

    async def _look(self, asked: Sequence[tuple[str, UUID]]) -> Sequence[_Found]:
        by_municipality: dict[str, list[UUID]] = defaultdict(list)
        for municipality_id, party_id in dict.fromkeys(asked):
            by_municipality[municipality_id].append(party_id)
        found: dict[tuple[str, UUID], _Found] = {}
        for municipality_id, party_ids in by_municipality.items():
            answers = await self._of_municipality(municipality_id, party_ids)
            found |= {(municipality_id, party_id): answer for party_id, answer in answers.items()}
        for key, answer in found.items():
            if isinstance(answer, LegalId):
                self._known.put(key, answer)
        return [found[key] for key in asked]

    async def _of_municipality(
        self, municipality_id: str, party_ids: Sequence[UUID]
    ) -> dict[UUID, _Found]:
        """Persons in one call, then organisations one by one: the contract has no other way."""
        persons = await self._persons(municipality_id, party_ids)
        if isinstance(persons, Deferred):
            return dict.fromkeys(party_ids, persons)
        rest = [party_id for party_id in party_ids if party_id not in persons]
        others = await asyncio.gather(
            *(self._organization(municipality_id, party_id) for party_id in rest)
        )
        return {**persons, **dict(zip(rest, others, strict=True))}

    async def _persons(
        self, municipality_id: str, party_ids: Sequence[UUID]
    ) -> dict[UUID, LegalId] | Deferred:
        answer = await self._peer.post(
            f"/{municipality_id}/PRIVATE/legalIds", orjson.dumps([str(each) for each in party_ids])
        )
        if isinstance(answer, Deferred):
            return answer
        if not is_success(answer):
            return {}
        try:
            said: Any = orjson.loads(answer.body) if answer.body else {}
            pairs = [(parse_id(key), value) for key, value in said.items() if value is not None]
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            return self._peer.garbled()
        read = {
            party_id: self._number(municipality_id, party_id, value)
            for party_id, value in pairs
            if party_id is not None
        }
        return {party_id: number for party_id, number in read.items() if number is not None}

    async def _organization(self, municipality_id: str, party_id: UUID) -> _Found:
        answer = await self._peer.get(
            f"/{municipality_id}/ENTERPRISE/{party_id}/legalId", "text/plain"
        )
        if isinstance(answer, Deferred):
            return answer
        text = answer.body.decode(errors="replace").strip().strip('"')
        return (
            self._number(municipality_id, party_id, text) if is_success(answer) and text else None
        )

    def _number(self, municipality_id: str, party_id: UUID, said: object) -> LegalId | None:
        """An authority's register knows better than the check digit; that it is wrong is told once,
        without the number."""
        found = of_register(said) if isinstance(said, str) else None
        if (found is None or not found[1]) and self._reported.get(
            (municipality_id, party_id)
        ) is None:
            self._reported.put((municipality_id, party_id), True)
            event = "register-number-unreadable" if found is None else "register-number-check-digit"
            log.warning(
                event, neighbour=self._peer.name, municipality=municipality_id, party=str(party_id)
            )
        return found[0] if found else None
