"""What of the API is traced, and as what: an operation that is not here tells nothing of a person
and changes nothing.

Sending writes its own entry, in the transaction that accepts the message (``store.messages``).
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request

from utskick.domain.audit import Action, AuditEntry
from utskick.http.audit.subject import named_in
from utskick.http.context import ApiContext
from utskick.http.wire.caller import caller_of
from utskick.http.wire.params import UNIT
from utskick.store.administration.audit import Audit
from utskick.store.database import answering

ACTIONS: Final[dict[str, Action]] = {
    **dict.fromkeys(
        (
            "getConversationHistory",
            "getConversationHistoryShort",
            "getMessage",
            "getMessageMetadata",
            "readAttachment",
            "readAttachmentByRequestParameter",
            "getUserBatches",
            "getUserMessages",
            "getUserMessage",
            "getParty",
            "findContactSettings",
            "findContactSettingsByDestination",
            "readContactSetting",
            "readContactSettingChildren",
            "findDelegates",
            "readDelegate",
            "readDelegateFilter",
            "getSubscriptions",
            "getMailboxes",
            "getHolds",
            "getHold",
        ),
        Action.READ_HISTORY,
    ),
    "resolveDelivery": Action.RESOLVE,
    "resolveDeliveryShort": Action.RESOLVE,
    **dict.fromkeys(
        (
            "createContactSetting",
            "updateContactSetting",
            "deleteContactSetting",
            "createDelegate",
            "deleteDelegate",
            "createDelegateFilter",
            "updateDelegateFilter",
            "deleteDelegateFilter",
            "putParty",
            "createSubscription",
            "deleteSubscription",
        ),
        Action.CHANGE_DIRECTORY,
    ),
    "getPartyExtract": Action.EXTRACT,
    "deleteParty": Action.ERASE,
    **dict.fromkeys(("createHold", "liftHold"), Action.HOLD),
    "triggerSnailMailBatchProcessing": Action.SEND,
    **dict.fromkeys(
        ("createWebhook", "deleteWebhook", "enableWebhook", "rotateWebhookSecret", "pingWebhook"),
        Action.CONFIGURE,
    ),
    **dict.fromkeys(
        ("putRetentionRule", "deleteRetentionRule", "putConfiguration", "deleteConfiguration"),
        Action.CONFIGURE,
    ),
}


class AuditRecorder:
    """``note`` is called when the work is done and before anybody is answered."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._audit = Audit(service.database)

    async def note(self, request: Request, operation: str, action: Action) -> None:
        municipality_id = str(
            request.path_params.get("municipalityId", self._service.default_municipality)
        )
        named, party = named_in(request)
        subject: dict[str, Any] = {"operation": operation.removesuffix("Short"), **named}
        for name in UNIT:
            if action is Action.CONFIGURE and (value := request.query_params.get(name)) is not None:
                subject[name] = value
        async with answering():
            if party is not None:
                subject["party"] = (
                    await self._service.database.vault.index(municipality_id, party)
                ).hex()
            await self._audit.note(
                AuditEntry(
                    action, caller_of(request, municipality_id), self._service.clock(), subject
                )
            )
