"""Endpoint of /audit: the audit log of a municipality, in the order of its chain."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from fastapi import Request, Response

from utskick.http.context import ApiContext
from utskick.http.events.feed import page_limit
from utskick.http.operation.schemas import Response as Model
from utskick.http.operation.schemas import member
from utskick.http.wire.params import Parameters, count
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.administration.audit_heads import linked_entries
from utskick.store.database import answering


class AuditLogEntry(Model):
    """An entry of the audit log, with its link in the chain."""

    number: int | None = member("Number of the link, from 1 without gaps", 4711)
    digest: str | None = member("Digest of the link (SHA-256, hexadecimal)")
    at: str | None = member("Time in UTC", "2026-02-25T14:54:39.254123Z")
    action: str | None = member("What was done", "read-history")
    client: str | None = member("Client of the token", "skolappen")
    origin: str | None = member("Calling system (`x-origin`)", "CASEDATA")
    issuer: str | None = member("User (`X-Sent-By`); absent after its retention", "joe01doe")
    address: str | None = member("Address of the machine; absent after its retention", "192.0.2.7")
    request_id: str | None = member("Id of the call (`x-request-id`)")
    subject: dict[str, Any] | None = member("What it concerns: ids and codes")


class AuditLogPage(Model):
    """A page of the audit log."""

    entries: list[AuditLogEntry] | None = member("Entries in the order of the chain")
    next: int | None = member("Value of `after` for the next page", 4811)
    more: bool | None = member("`true`: request the next page at once")


class AuditLogCalls:
    """Endpoint of ``/{municipalityId}/audit``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service

    async def entries(self, request: Request) -> Response:
        """Return a page; entries appear when they have been linked, after some seconds."""
        parameters = Parameters("getAuditLog", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        after, limit = count(request, "after", 0), page_limit(request, parameters)
        if after < 0:
            parameters.fault("after", "must be greater than or equal to 0")
        parameters.done()
        database = self._service.database
        async with answering():
            rows = await linked_entries(
                database.of(municipality_id), municipality_id, after, limit + 1
            )
            page = await database.vault.callers.opened(rows[:limit])
        body = {
            "entries": [_told(row) for row in page],
            "next": page[-1]["number"] if page else after,
            "more": len(rows) > limit,
        }
        return json_response(body)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    at = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return without_nulls(
        {
            "number": row["number"],
            "digest": row["digest"].hex(),
            "at": at.replace("+00:00", "Z"),
            **{name: row[name] for name in ("action", "client", "origin", "issuer", "address")},
            "requestId": row["request_id"],
            "subject": row["subject"],
        }
    )
