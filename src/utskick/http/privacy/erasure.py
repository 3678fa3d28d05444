"""Endpoint of DELETE /parties/{partyId}.

Erase a person and list what was kept and why, or delete the directory entry only.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.errors import NotAllowedHere, NotFound, Unreadable
from utskick.domain.retention import Kept
from utskick.domain.validators import LONGEST_NAME, is_clean
from utskick.http.context import ApiContext
from utskick.http.wire.caller import responsible
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.database import answering
from utskick.store.retention.erasure import ErasureOrder, ErasureResult, Erasures, KeptItem
from utskick.store.retention.holds import Holds

_SCOPES: Final = ("all", "directory")


class Erasing:
    """Endpoint at ``/{municipalityId}/parties/{partyId}``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._erasures = Erasures(service.database, service.retention)
        self._holds = Holds(service.database)

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        scope = request.query_params.get("scope") or "all"
        if scope not in _SCOPES:
            raise Unreadable(f"Failed to convert 'scope' with value: '{scope[:100]}'")
        order = self._order(request, change)
        async with answering():
            return await (
                self._forget(order, change) if scope == "directory" else self._erase(order, change)
            )

    def _order(self, request: Request, change: AuditEntry) -> ErasureOrder:
        parameters = Parameters("deleteParty", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        party_id = parameters.uuid("partyId", request.path_params["partyId"])
        reference = request.query_params.get("reference") or None
        if reference is not None and (not is_clean(reference) or len(reference) > LONGEST_NAME):
            parameters.fault(
                "reference", f"must be at most {LONGEST_NAME} characters without control characters"
            )
        parameters.done()
        return ErasureOrder(municipality_id, party_id, responsible(change.caller), reference)

    async def _forget(self, order: ErasureOrder, change: AuditEntry) -> Response:
        """Delete the directory entry only.

        Contact settings and devices have operations of their own.
        """
        database = self._service.database
        key = await database.vault.index(order.municipality_id, str(order.party_id))
        if (
            await self._holds.on_party(
                database.of(order.municipality_id), order.municipality_id, key
            )
            is not None
        ):
            raise NotAllowedHere("the party is held; lift the hold first")
        if not await self._service.directory.parties.delete(order.party_id, change):
            raise _missing(order.party_id)
        return Response(status_code=204)

    async def _erase(self, order: ErasureOrder, change: AuditEntry) -> Response:
        erased = await self._erasures.erase(order, change)
        if erased.found_nothing:
            raise _missing(order.party_id)
        return json_response(_result(erased))


def _missing(party_id: UUID) -> NotFound:
    return NotFound(f"No party found for party id {party_id}")


def _result(erased: ErasureResult) -> dict[str, Any]:
    gone = erased.removed
    removed = {
        "messages": gone.messages,
        "deliveries": gone.deliveries,
        "batches": gone.batches,
        "files": gone.files,
        **erased.entries,
    }
    return {
        "removed": removed,
        "kept": [_kept(why, count) for why, count in sorted(erased.kept.items(), key=_order)],
    }


def _order(item: tuple[KeptItem, int]) -> tuple[str, str, str]:
    why, _ = item
    return why.what, why.reason.value, why.said or ""


def _kept(why: KeptItem, count: int) -> dict[str, Any]:
    member = "decision" if why.reason is Kept.PRESERVE else "reference"
    return without_nulls(
        {"what": why.what, "count": count, "reason": why.reason.value, member: why.said}
    )
