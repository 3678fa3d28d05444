"""Audit of calls that were denied or asked for an unknown id, and of tokens that were issued.

In the log of the client's municipality and in that of the municipality that the call was aimed at.

Audit writes are bounded in time and volume; if the database is unavailable, the response is
unchanged.
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
from utskick.domain.errors import (
    Invalid,
    NotFound,
    OtherMunicipality,
    ScopeMissing,
    Unauthorized,
)
from utskick.domain.ids import parse_id
from utskick.domain.message import Caller
from utskick.http.audit.coalescing import MINUTE, EventCoalescer, EventCount, EventKey
from utskick.http.audit.subject import Audit, named_in
from utskick.http.wire.caller import address_of, caller_of
from utskick.store.administration.audit import Audit as AuditLog
from utskick.store.database import PASSING, Database, answering

log = structlog.get_logger(__name__)

#: Keys that are kept apart and entries of each per minute, for clients and for callers of whom only
#: the address is known.
_CLIENTS, _OF_A_CLIENT = 1_000, 20
_STRANGERS, _OF_A_STRANGER = 20, 1
#: Seconds that a response waits for its entry, and for which writing is tried; entries that are
#: written at a time.
_WAIT, _PATIENCE, _AT_ONCE = 0.5, 10.0, 200


@dataclass(frozen=True, slots=True)
class Denial:
    """A call that was denied, or that asked for something that does not exist.

    ``municipality_id``: that of the path, served or not. ``grant``: None where there was no valid
    token; ``audit``: how the operation is audited.
    """

    request: Request
    operation: str
    municipality_id: str
    error: Unauthorized | ScopeMissing | OtherMunicipality | NotFound
    grant: AccessGrant | None
    audit: Audit | None = None

    @property
    def reason(self) -> str:
        if isinstance(self.error, NotFound):  # its sentence names the id
            return self.error.code
        return self.error.why if isinstance(self.error, Unauthorized) else self.error.detail

    def caller(self, municipality_id: str) -> Caller:
        """Return the caller. Names that are too long to be recorded are left out."""
        client = self.grant.client if self.grant is not None else None
        return replace(_caller(self.request, municipality_id), client=client)


def _caller(request: Request, municipality_id: str) -> Caller:
    """Return the caller. Names that are too long to be recorded are left out."""
    try:
        return caller_of(request, municipality_id)
    except Invalid:
        address = address_of(request) or None
        return Caller(municipality_id, request_id=request.state.request_id, address=address)


class DenialLog:
    """Writes entries of denied calls and of issued tokens, coalesced.

    ``municipalities``: those that are served; ``minute``: seconds for which calls are counted.
    """

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
            _CLIENTS, _OF_A_CLIENT, self._report, minute
        )
        self._strangers: EventCoalescer[AuditEntry] = EventCoalescer(
            _STRANGERS, _OF_A_STRANGER, self._report, minute
        )
        self._writing: set[asyncio.Task[None]] = set()

    async def note(self, denial: Denial) -> None:
        """Record a denied call before it is answered.

        Returns when the entry is committed, or after half a second: then writing continues, and a
        failure is logged.
        """
        counters = self._clients if denial.grant is not None else self._strangers
        individual = []
        for municipality_id in self._logs(denial):
            entry = self._entry(municipality_id, denial)
            who = entry.caller.client if denial.grant is not None else entry.caller.address
            if counters.count(
                EventKey(municipality_id, who, denial.reason), denial.operation, entry
            ):
                individual.append(entry)
        if individual and (task := self._write(individual, self._party(denial))) is not None:
            await asyncio.wait([task], timeout=_WAIT)

    async def issued(self, request: Request, grant: AccessGrant, scope: str) -> None:
        """Record a token before it is handed out, in the logs of the client's municipalities.

        ``scope``: of the token. Returns when the entries are committed.
        """
        entries = []
        for municipality_id in sorted(grant.municipalities & self._served):
            caller = replace(_caller(request, municipality_id), client=grant.client)
            subject = {"operation": "token", "scope": scope}
            entry = AuditEntry(Action.TOKEN, caller, self._clock(), subject)
            key = EventKey(municipality_id, grant.client, Action.TOKEN)
            if self._clients.count(key, "token", entry):
                entries.append(entry)
        async with answering():
            await asyncio.gather(*(self._audit.note(entry) for entry in entries))

    async def close(self) -> None:
        """Report all counts and wait for the entries being written."""
        for counters in (self._clients, self._strangers):
            counters.close()
        if self._writing:
            await asyncio.wait(self._writing, timeout=_PATIENCE)

    def _logs(self, denial: Denial) -> Sequence[str]:
        """Return the municipalities that get an entry.

        That of the path and, where the client belongs to another, those of the client.
        """
        aimed = {denial.municipality_id} & self._served
        grant = denial.grant
        own = (
            grant.municipalities & self._served
            if grant is not None and not aimed & grant.municipalities
            else frozenset()
        )
        return sorted(aimed | own)

    def _entry(self, municipality_id: str, denial: Denial) -> AuditEntry:
        unknown = isinstance(denial.error, NotFound)
        subject: dict[str, Any] = {"operation": denial.operation.removesuffix("Short")}
        if not unknown:
            subject |= {"refused": denial.error.code, "why": denial.reason}
        if denial.municipality_id in self._served:
            subject["municipality"] = denial.municipality_id
        if denial.grant is not None:  # not validated yet: a value that is not an id may be anything
            named, _ = named_in(denial.request, denial.audit)
            subject |= {name: value for name, value in named.items() if parse_id(value) is not None}
        action = Action.NOT_FOUND if unknown else Action.REFUSED
        return AuditEntry(action, denial.caller(municipality_id), self._clock(), subject)

    def _party(self, denial: Denial) -> tuple[str, str] | None:
        """Return municipality and party id of the person whom an authenticated client named.

        None where there is none.
        """
        if denial.grant is None or denial.municipality_id not in self._served:
            return None
        _, party = named_in(denial.request, denial.audit)
        found = parse_id(party) if party is not None else None
        return (denial.municipality_id, str(found)) if found is not None else None

    def _report(self, key: EventKey, count: EventCount[AuditEntry]) -> None:
        """Write one entry for all calls that were only counted."""
        assert count.last is not None
        last = count.last
        subject = {
            name: last.subject[name]
            for name in ("refused", "why", "municipality")
            if name in last.subject
        }
        operations = sorted({name.removesuffix("Short") for name in count.names})
        summary: dict[str, Any] = {
            **subject,
            "operations": operations,
            "times": count.suppressed,
        }
        caller = last.caller if key.source is not None else Caller(key.municipality_id)
        self._write(
            [AuditEntry(last.action, replace(caller, request_id=None), self._clock(), summary)],
            None,
        )

    def _write(
        self, entries: Sequence[AuditEntry], party: tuple[str, str] | None
    ) -> asyncio.Task[None] | None:
        """Start writing entries.

        Returns None where too many are being written, and these are only logged.
        """
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
        except Exception as fault:  # a bug; no caller awaits this task
            log.error("refusal-fault", exc_info=fault)


def _lost(entries: Sequence[AuditEntry], fault: str) -> None:
    """Log entries that could not be written; the request id is in the log."""
    for entry in entries:
        subject = entry.subject
        what = {
            name: subject[name]
            for name in ("operation", "operations", "refused", "times")
            if name in subject
        }
        log.warning("refusal-untraced", trail=entry.caller.municipality_id, fault=fault, **what)
