"""Endpoints of /webhooks.

A calling system registers URLs that receive status changes of its deliveries, or inbound messages.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.errors import Invalid, NotAllowedHere, NotFound, Violation
from utskick.domain.ids import new_id
from utskick.domain.webhook import OVERLAP, STOPPED, WebhookKind
from utskick.http.context import ApiContext
from utskick.http.events.webhook_schemas import WebhookRequest
from utskick.http.messages.results import reason_of
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.caller import caller_of, require_scope
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response, time_of, without_nulls
from utskick.outgoing.webhooks import WebhookCall
from utskick.store.administration.audit import Audit as AuditLog
from utskick.store.database import answering
from utskick.store.events.webhooks import MOST, Owner, Webhook, Webhooks

_LIMIT = 65_536
#: What a webhook of inbound messages needs beside the scope of webhooks: it tells of all of them.
INBOUND_SCOPE = "inbound:read"


class WebhookEndpoints:
    """Endpoints below ``/{municipalityId}/webhooks``.

    Each calling system of a client sees its own only.
    """

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._webhooks = Webhooks(service.database)
        self._audit = AuditLog(service.database)

    async def create(self, request: Request, change: AuditEntry) -> Response:
        body = parse(WebhookRequest, await read_json(request, _LIMIT))
        owner, _ = self._owned(request, "createWebhook")
        if body.kind is WebhookKind.INBOUND:
            await require_scope(request, INBOUND_SCOPE)
        if (why := await self._service.receivers.check(body.url)) is not None:
            raise Invalid([Violation("url", why)])
        async with answering():
            added = await self._webhooks.add(owner, body.wanted(), change)
            if added is None:
                raise NotAllowedHere(
                    f"there are {MOST} webhooks of this calling system already; delete one of "
                    f"them first"
                )
            made, secret = added
            webhook = await self._found(owner, made)
        headers = {"Location": f"/{owner.municipality_id}/webhooks/{made}"}
        return json_response({**_body(webhook), "secret": secret}, 201, headers)

    async def find(self, request: Request) -> Response:
        owner, _ = self._owned(request, "getWebhooks")
        async with answering():
            return json_response([_body(webhook) for webhook in await self._webhooks.listed(owner)])

    async def read(self, request: Request) -> Response:
        owner, (webhook_id,) = self._owned(request, "getWebhook", "id")
        async with answering():
            return await self._state(owner, webhook_id)

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        owner, (webhook_id,) = self._owned(request, "deleteWebhook", "id")
        async with answering():
            if not await self._webhooks.delete(owner, webhook_id, change):
                raise _missing(webhook_id)
        return Response(status_code=204)

    async def enable(self, request: Request, change: AuditEntry) -> Response:
        owner, (webhook_id,) = self._owned(request, "enableWebhook", "id")
        async with answering():
            await self._webhooks.enable(owner, webhook_id, change)
            return await self._state(owner, webhook_id)

    async def rotate(self, request: Request, change: AuditEntry) -> Response:
        owner, (webhook_id,) = self._owned(request, "rotateWebhookSecret", "id")
        async with answering():
            secret = await self._webhooks.rotate(owner, webhook_id, change)
        if secret is None:
            raise _missing(webhook_id)
        return json_response(
            {"id": str(webhook_id), "secret": secret, "previousUntil": time_of(change.at + OVERLAP)}
        )

    async def ping(self, request: Request, change: AuditEntry) -> Response:
        """Call the receiver now, also where it is disabled.

        Returns status and reason, never the content of its response.
        """
        owner, (webhook_id,) = self._owned(request, "pingWebhook", "id")
        now = self._service.clock()
        async with answering():
            webhook = await self._found(owner, webhook_id)
            secrets = await self._webhooks.secrets(owner, webhook_id, now)
            await self._audit.note(change)
        data = {"municipalityId": owner.municipality_id, "webhookId": str(webhook_id)}
        body = orjson.dumps(
            {"type": "ping", "timestamp": now.isoformat().replace("+00:00", "Z"), "data": data}
        )
        answer = await self._service.receivers.call(
            webhook.wanted.url, WebhookCall(str(new_id()), body, secrets), now
        )
        return json_response(
            without_nulls(
                {
                    "delivered": answer.fault is None,
                    "status": answer.status,
                    "reason": reason_of(answer.fault),
                }
            )
        )

    def _owned(self, request: Request, operation: str, *names: str) -> tuple[Owner, list[UUID]]:
        """Return the owner of the webhooks, and the ids in the path.

        Raises ``Invalid`` with every violation.
        """
        parameters = Parameters(operation, self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        ids = [parameters.uuid(name, request.path_params[name]) for name in names]
        caller = caller_of(request, municipality_id)
        origin = caller.origin or ""
        faults = [] if origin.strip() else [Violation("x-origin", "must not be blank")]
        try:
            parameters.done()
        except Invalid as fault:
            faults = [*fault.violations, *faults]
        if faults:
            raise Invalid(faults)
        return Owner(municipality_id, origin, caller.client or ""), ids

    async def _found(self, owner: Owner, webhook_id: UUID) -> Webhook:
        webhook = await self._webhooks.get(owner, webhook_id)
        if webhook is None:
            raise _missing(webhook_id)
        return webhook

    async def _state(self, owner: Owner, webhook_id: UUID) -> Response:
        webhook = await self._found(owner, webhook_id)
        waiting, more = await self._webhooks.waiting(owner, webhook)
        return json_response(
            {**_body(webhook), "waiting": waiting, **({"waitingMore": True} if more else {})}
        )


def _missing(webhook_id: UUID) -> NotFound:
    return NotFound(f"No webhook found for id {webhook_id}")


def _body(webhook: Webhook) -> dict[str, Any]:
    wanted, fault, stopped = webhook.wanted, webhook.fault, webhook.stopped
    disabled = stopped and {
        "since": time_of(webhook.stopped_at),
        "reason": {"code": stopped.value, "message": STOPPED[stopped]},
    }
    last_fault = fault and without_nulls(
        {"at": time_of(fault.at), "status": fault.status, "reason": reason_of(fault.reason)}
    )
    return without_nulls(
        {
            "id": str(webhook.id),
            "url": wanted.url,
            "events": wanted.kind.value,
            "statuses": [status.value for status in wanted.statuses] or None,
            "description": wanted.description,
            "created": time_of(webhook.created),
            "state": "disabled" if stopped else "enabled",
            "disabled": disabled,
            "lastSuccess": time_of(webhook.succeeded_at),
            "lastFault": last_fault,
        }
    )
