"""Calls that the door refused, in the audit trail: of those whose client it was, and of those whom
it was aimed at.

Nobody who is refused waits for long, nobody's flood fills the trail, and a database that is away
changes no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import structlog
from fastapi import Request

from utskick.auth.claims import AccessGrant
from utskick.domain.audit import Action, AuditEntry
from utskick.domain.clock import Clock
from utskick.domain.errors import Invalid, OtherMunicipality, ScopeMissing, Unauthorized
from utskick.domain.ids import parse_id
from utskick.domain.message import Caller
from utskick.http.audit.coalescing import MINUTE, EventCoalescer, EventCount, EventKey
from utskick.http.audit.subject import Audit, named_in
from utskick.http.wire.caller import caller_of
from utskick.store.administration.audit import Audit as AuditLog
from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: Of clients, and of those of whom only the machine's address is known: how many are told apart,
#: and how often each in a minute.
_CLIENTS, _OF_A_CLIENT = 1_000, 20
_STRANGERS, _OF_A_STRANGER = 20, 1
#: Seconds that an answer waits for its entry, and that an entry is tried; entries that are tried at
#: a time.
_WAIT, _PATIENCE, _AT_ONCE = 0.5, 10.0, 200


@dataclass(frozen=True, slots=True)
class Denial:
    """``municipality_id``: of the path, served or not. ``grant``: None where no token could be
    taken."""

    request: Request
    operation: str
    municipality_id: str
    error: Unauthorized | ScopeMissing | OtherMunicipality
    grant: AccessGrant | None
    audit: Audit | None = None

    @property
    def why(self) -> str:
        return self.error.why if isinstance(self.error, Unauthorized) else self.error.detail

    def caller(self, trail: str) -> Caller:
        """Names that are too long to be counted by are left out: a refusal is told all the same."""
        request, client = self.request, self.grant.client if self.grant is not None else None
        try:
            return replace(caller_of(request, trail), client=client)
        except Invalid:
            address = request.client.host if request.client else None
            return Caller(
                trail, request_id=request.state.request_id, client=client, address=address
            )


class DenialLog:
    """``note`` is called before who is refused is answered. ``municipalities``: those that are
    served. ``minute``: in seconds."""

    def __init__(
        self,
        database: Database,
        municipalities: Iterable[str],
        clock: Clock,
        minute: float = MINUTE,
    ) -> None:
        self._vault = database.vault
        self._audit = AuditLog(database)
        self._served = frozenset(municipalities)
        self._clock = clock
        self._clients: EventCoalescer[AuditEntry] = EventCoalescer(
            _CLIENTS, _OF_A_CLIENT, self._tell, minute
        )
        self._strangers: EventCoalescer[AuditEntry] = EventCoalescer(
            _STRANGERS, _OF_A_STRANGER, self._tell, minute
        )
        self._writing: set[asyncio.Task[None]] = set()

    async def note(self, refused: Denial) -> None:
        """Returns when it is on disk, or after half a second: then it is still tried, and logged
        where it cannot be kept."""
        spates = self._clients if refused.grant is not None else self._strangers
        told = []
        for trail in self._trails(refused):
            entry = self._entry(trail, refused)
            who = entry.caller.client if refused.grant is not None else entry.caller.address
            if spates.take(EventKey(trail, who, refused.why), refused.operation, entry):
                told.append(entry)
        if told and (task := self._write(told, self._party(refused))) is not None:
            await asyncio.wait([task], timeout=_WAIT)

    async def close(self) -> None:
        """What has been counted is told."""
        for spates in (self._clients, self._strangers):
            spates.close()
        if self._writing:
            await asyncio.wait(self._writing, timeout=_PATIENCE)

    def _trails(self, refused: Denial) -> Sequence[str]:
        """That of the path; where the client is another's, also its own."""
        aimed = {refused.municipality_id} & self._served
        grant = refused.grant
        whose = (
            grant.municipalities & self._served
            if grant is not None and not aimed & grant.municipalities
            else frozenset()
        )
        return sorted(aimed | whose)

    def _entry(self, trail: str, refused: Denial) -> AuditEntry:
        subject: dict[str, Any] = {
            "operation": refused.operation.removesuffix("Short"),
            "refused": refused.error.code,
            "why": refused.why,
        }
        if refused.municipality_id in self._served:
            subject["municipality"] = refused.municipality_id
        if (
            refused.grant is not None
        ):  # nobody has looked at them yet: what is no id may be anything
            named, _ = named_in(refused.request, refused.audit)
            subject |= {name: value for name, value in named.items() if parse_id(value) is not None}
        return AuditEntry(Action.REFUSED, refused.caller(trail), self._clock(), subject)

    def _party(self, refused: Denial) -> tuple[str, str] | None:
        """The person whom a client named, and by whose key: who asked for whom is what the trail is
        for."""
        if refused.grant is None or refused.municipality_id not in self._served:
            return None
        _, party = named_in(refused.request, refused.audit)
        found = parse_id(party) if party is not None else None
        return (refused.municipality_id, str(found)) if found is not None else None

    def _tell(self, kind: EventKey, spate: EventCount[AuditEntry]) -> None:
        """One entry for all that were not told by themselves."""
        assert spate.last is not None
        last = spate.last
        subject = {
            name: last.subject[name]
            for name in ("refused", "why", "municipality")
            if name in last.subject
        }
        operations = sorted({name.removesuffix("Short") for name in spate.names})
        told: dict[str, Any] = {**subject, "operations": operations, "times": spate.untold}
        caller = last.caller if kind.who is not None else Caller(kind.trail)
        self._write(
            [AuditEntry(Action.REFUSED, replace(caller, request_id=None), self._clock(), told)],
            None,
        )

    def _write(
        self, entries: Sequence[AuditEntry], party: tuple[str, str] | None
    ) -> asyncio.Task[None] | None:
        """None: so many are being written already that this one is only logged."""
        if len(self._writing) >= _AT_ONCE:
            _lost(entries, "too many at once")
            return None
        task = asyncio.create_task(self._keep(entries, party))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _keep(self, entries: Sequence[AuditEntry], party: tuple[str, str] | None) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                if party is not None:
                    index = (await self._vault.index(*party)).hex()
                    entries = [
                        replace(entry, subject={**entry.subject, "party": index})
                        for entry in entries
                    ]
                await asyncio.gather(*(self._audit.note(entry) for entry in entries))
        except (*PASSING, asyncpg.PostgresError) as fault:
            _lost(entries, type(fault).__name__)
        except Exception as fault:  # a bug; nobody waits for this task
            log.error("refusal-fault", exc_info=fault)


def _lost(entries: Sequence[AuditEntry], fault: str) -> None:
    """The answer is given all the same; the log knows the call by its id."""
    for entry in entries:
        subject = entry.subject
        what = {
            name: subject[name]
            for name in ("operation", "operations", "refused", "times")
            if name in subject
        }
        log.warning("refusal-untraced", trail=entry.caller.municipality_id, fault=fault, **what)
