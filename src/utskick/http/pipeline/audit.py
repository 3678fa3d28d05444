"""Audit of operations: the entry is built before the endpoint runs, and written before the response
is sent.

Sending writes its own entry, in the transaction that accepts the message (``store.messages``).
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request

from utskick.domain.audit import Action, AuditEntry
from utskick.http.audit.subject import Audit
from utskick.http.context import ApiContext
from utskick.http.wire.caller import caller_of
from utskick.http.wire.params import UNIT
from utskick.store.administration.audit import Audit as AuditLog
from utskick.store.database import answering

_READ, _DIRECTORY, _CONFIGURE = Action.READ_HISTORY, Action.CHANGE_DIRECTORY, Action.CONFIGURE

ACTIONS: Final[dict[str, Audit]] = {
    "getConversationHistory": Audit(_READ, party="partyId"),
    "getConversationHistoryShort": Audit(_READ, party="personId"),
    **dict.fromkeys(
        (
            "getMessage",
            "getMessageMetadata",
            "readAttachment",
            "readAttachmentByRequestParameter",
        ),
        Audit(_READ, ("messageId",)),
    ),
    **dict.fromkeys(("getUserBatches", "getUserMessages"), Audit(_READ, ("userId",))),
    "getUserMessage": Audit(_READ, ("userId", "messageId")),
    **dict.fromkeys(("getParty", "getSubscriptions"), Audit(_READ, party="partyId")),
    "findContactSettings": Audit(_READ, party="partyId"),
    **dict.fromkeys(
        ("findContactSettingsByDestination", "findDelegates", "getHolds"), Audit(_READ)
    ),
    **dict.fromkeys(
        ("readContactSetting", "readContactSettingChildren", "readDelegate", "getHold"),
        Audit(_READ, ("id",)),
    ),
    "readDelegateFilter": Audit(_READ, ("id", "filterId")),
    "getMailboxes": Audit(_READ, ("organizationNumber",)),
    "resolveDelivery": Audit(Action.RESOLVE, ("deliveryId",)),
    "resolveDeliveryShort": Audit(Action.RESOLVE, ("deliveryId",)),
    **dict.fromkeys(
        ("createContactSetting", "createDelegate", "createSubscription"), Audit(_DIRECTORY)
    ),
    **dict.fromkeys(
        (
            "updateContactSetting",
            "deleteContactSetting",
            "deleteDelegate",
            "createDelegateFilter",
            "deleteSubscription",
        ),
        Audit(_DIRECTORY, ("id",)),
    ),
    **dict.fromkeys(
        ("updateDelegateFilter", "deleteDelegateFilter"), Audit(_DIRECTORY, ("id", "filterId"))
    ),
    "putParty": Audit(_DIRECTORY, party="partyId"),
    "getPartyExtract": Audit(Action.EXTRACT, party="partyId"),
    "deleteParty": Audit(Action.ERASE, party="partyId"),
    "createHold": Audit(Action.HOLD),
    "liftHold": Audit(Action.HOLD, ("id",)),
    "triggerSnailMailBatchProcessing": Audit(Action.SEND, ("batchId",)),
    "createWebhook": Audit(_CONFIGURE),
    **dict.fromkeys(
        ("deleteWebhook", "enableWebhook", "rotateWebhookSecret", "pingWebhook"),
        Audit(_CONFIGURE, ("id",)),
    ),
    **dict.fromkeys(
        ("putRetentionRule", "deleteRetentionRule"), Audit(_CONFIGURE, ("messageType", *UNIT))
    ),
    **dict.fromkeys(
        ("putConfiguration", "deleteConfiguration"), Audit(_CONFIGURE, ("section", *UNIT))
    ),
}


class AuditRecorder:
    """Builds the entries of audited operations, and writes those that read."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._served = frozenset(service.municipalities)
        self._log = AuditLog(service.database)

    async def entry(self, request: Request, operation: str, audit: Audit) -> AuditEntry:
        """Build the entry. Raises ``Invalid`` where the caller's headers cannot be recorded, and
        ``Unavailable``."""
        municipality_id = str(
            request.path_params.get("municipalityId", self._service.default_municipality)
        )
        caller = caller_of(request, municipality_id)
        subject: dict[str, Any] = {
            "operation": operation.removesuffix("Short"),
            **audit.subject_of(request),
        }
        party = audit.party_of(request)
        # the endpoint rejects a municipality that is not served; no key is made for it here
        if party is not None and municipality_id in self._served:
            subject["party"] = await self.index(municipality_id, party)
        return AuditEntry(audit.action, caller, self._service.clock(), subject)

    async def index(self, municipality_id: str, party: str) -> str:
        """Return the keyed hash under which a person is recorded."""
        async with answering():
            return (await self._service.database.vault.index(municipality_id, party)).hex()

    async def note(self, entry: AuditEntry) -> None:
        """Write an entry; returns when it is committed."""
        async with answering():
            await self._log.note(entry)
