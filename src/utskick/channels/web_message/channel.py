"""Web message channel: planning, selection of the Open-E instance, and author resolution."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.web_message.open_e import OpenE
from utskick.channels.web_message.requests import WebMessageRequest
from utskick.channels.web_message.settings import WebMessageSettings
from utskick.channels.web_message.soap_request import Principal, WebMessage
from utskick.channels.web_message.soap_responses import UNKNOWN_CASE
from utskick.domain.attachment import Attachment, listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    Priority,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.clock import Clock, utc_now
from utskick.domain.directory_ports import LegalId, LegalIds
from utskick.domain.errors import Invalid, NotBuilt, Violation
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.preparation import READY, Prepared, Ready
from utskick.domain.recipient import Recipient

_MIB: Final = 1_048_576
_DEFAULT: Final = "EXTERNAL"
FORMS: Final = (
    SendEndpoint(
        "webmessage",
        "sendWebMessage",
        "Send a message in a case of Open-E",
        WebMessageRequest,
        None,
        many=False,
        limit=96 * _MIB,
    ),
)


class WebMessageChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for web messages.

    A recipient's destination is the number of a case (flowInstanceID).
    """

    name = "web_message"
    message_type = "WEB_MESSAGE"
    titled = True
    integration = "OepIntegrator"
    label = "Webbmeddelande"
    forms = FORMS
    not_found = ChannelDefaults.not_found | {UNKNOWN_CASE}

    def __init__(
        self, settings: WebMessageSettings, directory: LegalIds, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._directory = directory
        self._clock = clock
        self._instances = {
            name: OpenE(name, account) for name, account in settings.accounts.items()
        }
        self.accounts = tuple(
            Account(n, a.provider, a.priority, a.concurrency, a.rate)
            for n, a in settings.accounts.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, WebMessageRequest):
            raise TypeError(f"{type(request).__name__} is not a web message request")
        instance = request.oep_instance or _DEFAULT
        if self._settings.account_of(asked.municipality_id, instance) is None:
            raise NotBuilt(
                f"no {instance} instance of Open-E is configured for this municipality; see"
                " section [web_message] of the settings"
            )
        attachments = tuple(
            a.decoded(number) for number, a in enumerate(request.attachments or (), 1)
        )
        if violations := self._too_large(attachments):
            raise Invalid(violations)
        content = request.content()
        if attachments:
            content["attachments"] = [_described(attachment) for attachment in attachments]
        return Plan(
            content=content,
            recipients=[Recipient(str(request.party.case), request.party.party_id)],
            entries=[0],
            attachments=attachments,
            priority=Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL,
            department=request.department,
            reference=request.reference,
            send_at=request.send_at,
            valid_until=request.valid_until,
        )

    def _too_large(self, attachments: tuple[Attachment, ...]) -> list[Violation]:
        limit, total_limit = self._settings.attachment_limit, self._settings.total_limit
        sizes = [len(attachment.data) for attachment in attachments]
        violations = [
            Violation(f"attachments[{index}].base64Data", f"is {size} bytes; the limit is {limit}")
            for index, size in enumerate(sizes)
            if size > limit
        ]
        if sum(sizes) > total_limit:
            violations.append(
                Violation(
                    "attachments", f"are {sum(sizes)} bytes in total; the limit is {total_limit}"
                )
            )
        return violations

    def able(self, draft: Draft) -> tuple[str, ...]:
        name = self._settings.account_of(
            draft.municipality_id, draft.content.get("oepInstance", _DEFAULT)
        )
        return (name,) if name is not None else ()

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """Hold: Open-E does not recognise a message, and a second one would be visible."""
        return "hold"

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        """Check that the case's owner is known, and fix the time shown in the case."""
        citizen = await self._citizen(draft)
        if isinstance(citizen, Deferred | Rejected):
            return citizen
        return (
            READY if draft.frozen is not None else Ready(self._clock().isoformat().encode("ascii"))
        )

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:  # noqa: ARG002
        instance = self._instances.get(account)
        if instance is None:
            return Misconfigured(
                Reason("no-account", "the account is no longer configured"), Concern.OURSELVES
            )
        # Looked up again, since a personal number must not be stored with the prepared draft.
        citizen = await self._citizen(draft)
        if isinstance(citizen, Deferred | Rejected):
            return citizen
        return await instance.send(self._message(draft, instance, citizen))

    async def _citizen(self, draft: Draft) -> LegalId | Deferred | Rejected | None:
        """Return the legal id of the party that writes as the case's owner; None if none does."""
        party_id = draft.recipient.party_id
        if not draft.content.get("sendAsOwner") or party_id is None:
            return None
        legal_ids = await self._directory.legal_ids(draft.municipality_id, [party_id])
        if isinstance(legal_ids, Deferred):
            return legal_ids
        return legal_ids.get(party_id) or Rejected(Reason("no-legal-id", "the party is not known"))

    def _message(self, draft: Draft, instance: OpenE, citizen: LegalId | None) -> WebMessage:
        content = draft.content
        named = (content.get("sender") or {}).get("userId") or None
        party_id = draft.recipient.party_id
        as_owner = bool(content.get("sendAsOwner"))
        user = named if as_owner else named or party_id
        number = citizen.number if citizen else None
        principal = Principal(user, number) if as_owner or user else None
        return WebMessage(
            case=int(draft.recipient.destination),
            added=datetime.fromisoformat(draft.frozen.decode("ascii"))
            if draft.frozen
            else draft.created_at or self._clock(),
            text=content["message"],
            user=named or party_id or instance.user,
            principal=principal,
            as_owner=as_owner,
            attachments=draft.attachments,
            read_receipts=instance.account.read_receipts,
        )

    def show(self, draft: Draft) -> dict[str, Any]:
        members = dict(draft.content)
        if draft.recipient.party_id is not None:
            members["party"] = {"partyId": draft.recipient.party_id, **members.get("party", {})}
        if "attachments" in members:
            members["attachments"] = listed(members["attachments"], draft.attachments, "base64Data")
        return members

    async def look(self) -> list[AccountHealth]:
        return list(
            await asyncio.gather(*(instance.check() for instance in self._instances.values()))
        )

    async def close(self) -> None:
        await asyncio.gather(*(instance.close() for instance in self._instances.values()))


def build(
    settings: WebMessageSettings, directory: LegalIds, clock: Clock = utc_now
) -> WebMessageChannel:
    """Build the channel with one client per configured instance."""
    return WebMessageChannel(settings, directory, clock)


def _described(attachment: Attachment) -> dict[str, Any]:
    kind = {} if attachment.content_type is None else {"mimeType": attachment.content_type}
    return {"fileName": attachment.name, **kind, "digest": attachment.digest.hex()}
