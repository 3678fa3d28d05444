"""Audit of operations.

The entry is built before the endpoint runs, and written before the response is sent.

Sending writes its own entry, in the transaction that accepts the message (``store.messages``).
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from utskick.domain.audit import AuditEntry
from utskick.http.context import ApiContext
from utskick.http.operation import Operation
from utskick.http.wire.caller import caller_of
from utskick.store.administration.audit import Audit as AuditLog
from utskick.store.administration.audit import sealed
from utskick.store.database import answering


class AuditRecorder:
    """Builds the entries of audited operations, and writes those that read."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._served = frozenset(service.municipalities)
        self._log = AuditLog(service.database)

    async def entry(self, request: Request, operation: Operation) -> AuditEntry:
        """Build the entry of an audited operation.

        Raises ``Invalid`` where the caller's headers cannot be recorded, and ``Unavailable``.
        """
        municipality_id = str(
            request.path_params.get("municipalityId", self._service.default_municipality)
        )
        caller, audit = caller_of(request, municipality_id), operation.audit
        assert audit is not None
        subject: dict[str, Any] = {
            "operation": operation.name,
            **audit.subject_of(request),
        }
        party = audit.party_of(request)
        # the endpoint rejects a municipality that is not served; no keys are made for it here
        if party is not None and municipality_id in self._served:
            subject["party"] = await self.index(municipality_id, party)
        entry = AuditEntry(audit.action, caller, self._service.clock(), subject)
        if municipality_id not in self._served:
            return entry
        async with answering():
            return await sealed(self._service.database.vault, entry)

    async def index(self, municipality_id: str, party: str) -> str:
        """Return the keyed hash under which a person is recorded."""
        async with answering():
            return (await self._service.database.vault.index(municipality_id, party)).hex()

    async def note(self, entry: AuditEntry) -> None:
        """Write an entry; returns when it is committed."""
        async with answering():
            await self._log.note(entry)
