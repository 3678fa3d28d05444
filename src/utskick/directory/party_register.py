"""Client of the municipality's Party service: legal id by party id (contract: party 2.0)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from utskick.cache import Cache
from utskick.directory.service_client import ServiceClient
from utskick.domain.directory_ports import LegalId
from utskick.domain.ids import parse_id
from utskick.domain.legal_id import of_register
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success
from utskick.store.group_commit import GroupCommit

log = structlog.get_logger(__name__)

#: Maximum ids of one call.
LIMIT: Final = 1_000
_REMEMBERED: Final = 20_000
_SECONDS: Final = 300.0

_Found = LegalId | Deferred | None


class PartyRegister:
    """Legal ids of a remote service; queries are combined, and results cached for five minutes."""

    def __init__(self, client: ServiceClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._queries: GroupCommit[tuple[str, UUID], _Found] = GroupCommit(
            self._load, limit=LIMIT, writers=4
        )
        self._cache: Cache[tuple[str, UUID], LegalId] = Cache(
            _REMEMBERED, seconds=_SECONDS, clock=clock
        )
        self._reported: Cache[tuple[str, UUID], bool] = Cache(_REMEMBERED)

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        given = {text: uuid for text in party_ids if (uuid := parse_id(text)) is not None}
        wanted = list(dict.fromkeys(given.values()))
        results = dict(
            zip(
                wanted,
                await asyncio.gather(*(self._one(municipality_id, each) for each in wanted)),
                strict=True,
            )
        )
        failure = next((each for each in results.values() if isinstance(each, Deferred)), None)
        if failure is not None:
            return failure
        return {
            text: legal_id
            for text, party_id in given.items()
            if isinstance(legal_id := results[party_id], LegalId)
        }

    async def _one(self, municipality_id: str, party_id: UUID) -> _Found:
        cached = self._cache.get((municipality_id, party_id))
        if cached is not None:
            return cached
        return await self._queries.put((municipality_id, party_id))

    async def _load(self, keys: Sequence[tuple[str, UUID]]) -> Sequence[_Found]:
        by_municipality: dict[str, list[UUID]] = defaultdict(list)
        for municipality_id, party_id in dict.fromkeys(keys):
            by_municipality[municipality_id].append(party_id)
        results: dict[tuple[str, UUID], _Found] = {}
        for municipality_id, party_ids in by_municipality.items():
            answers = await self._of_municipality(municipality_id, party_ids)
            results |= {(municipality_id, party_id): answer for party_id, answer in answers.items()}
        for key, answer in results.items():
            if isinstance(answer, LegalId):
                self._cache.put(key, answer)
        return [results[key] for key in keys]

    async def _of_municipality(
        self, municipality_id: str, party_ids: Sequence[UUID]
    ) -> dict[UUID, _Found]:
        """Query persons in one call, then organisations one by one, as the contract requires."""
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
        answer = await self._client.post(
            f"/{municipality_id}/PRIVATE/legalIds", orjson.dumps([str(each) for each in party_ids])
        )
        if isinstance(answer, Deferred):
            return answer
        if not is_success(answer):
            return {}
        try:
            members: Any = orjson.loads(answer.body) if answer.body else {}
            pairs = [(parse_id(key), value) for key, value in members.items() if value is not None]
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            return self._client.garbled()
        numbers = {
            party_id: self._number(municipality_id, party_id, value)
            for party_id, value in pairs
            if party_id is not None
        }
        return {party_id: number for party_id, number in numbers.items() if number is not None}

    async def _organization(self, municipality_id: str, party_id: UUID) -> _Found:
        answer = await self._client.get(
            f"/{municipality_id}/ENTERPRISE/{party_id}/legalId", "text/plain"
        )
        if isinstance(answer, Deferred):
            return answer
        text = answer.body.decode(errors="replace").strip().strip('"')
        return (
            self._number(municipality_id, party_id, text) if is_success(answer) and text else None
        )

    def _number(self, municipality_id: str, party_id: UUID, text: object) -> LegalId | None:
        """Parse a number, accepting a wrong check digit, as the register is authoritative.

        It is logged once for each party, without the number.
        """
        parsed = of_register(text) if isinstance(text, str) else None
        if (parsed is None or not parsed[1]) and self._reported.get(
            (municipality_id, party_id)
        ) is None:
            self._reported.put((municipality_id, party_id), True)
            event = (
                "register-number-unreadable" if parsed is None else "register-number-check-digit"
            )
            log.warning(
                event,
                service=self._client.name,
                municipality=municipality_id,
                party=str(party_id),
            )
        return parsed[0] if parsed else None
