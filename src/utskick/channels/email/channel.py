"""E-mail as the engine sees it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.email import requests
from utskick.channels.email.mime import Encoded, Mail, compose
from utskick.channels.email.planning import foreign_sender, plan
from utskick.channels.email.settings import EmailSettings
from utskick.channels.email.signature import ROOM, Signatures
from utskick.channels.email.smtp import Smtp
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Account, Asked, Draft, Form, Health, Plain, Plan
from utskick.domain.clock import utc_now
from utskick.domain.errors import Violation
from utskick.domain.outcome import Misconfigured, Outcome, Reason

_MIB = 1024 * 1024

FORMS = (
    Form(
        path="email",
        operation="sendEmail",
        summary="Send an e-mail",
        request=requests.EmailRequest,
        short=requests.ShortEmailRequest,
        many=False,
        limit=32 * _MIB,
    ),
    Form(
        path="email/batch",
        operation="sendEmailBatch",
        summary="Send an e-mail to many recipients",
        request=requests.EmailBatchRequest,
        short=requests.ShortEmailBatchRequest,
        many=True,
        limit=64 * _MIB,
        waits=False,
    ),
)


class EmailChannel(Plain):
    """Plans, composes, signs and hands over to the accounts."""

    name = "email"
    message_type = "EMAIL"
    integration = "EmailSender"
    forms = FORMS

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._signatures = Signatures(dict(settings.dkim))
        self._encoded = Encoded()
        self._carriers = {name: Smtp(name, account) for name, account in settings.accounts.items()}
        self.accounts = tuple(Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in settings.accounts.items())

    def plan(self, request: BaseModel, asked: Asked) -> Plan:
        return plan(cast(requests.AnyEmailRequest, request), asked.municipality_id, self._settings, ROOM if self._settings.dkim else 0)

    async def inspect(self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: Asked) -> list[Violation]:  # noqa: ARG002
        """Of what another channel's request hands over: a sender that the municipality may send from."""
        sender = content.get("_sender")
        default = self._settings.sender_of(asked.municipality_id)
        if sender is None or sender["address"] == default.address:
            return []
        return foreign_sender("sender.email.address", sender["address"], asked.municipality_id, self._settings)

    def able(self, draft: Draft) -> tuple[str, ...]:
        return self._settings.accounts_of(draft.municipality_id)

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """A second copy carries the same Message-ID and the same bytes: readers show one, or two that are identical."""
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        carrier = self._carriers.get(account)
        if carrier is None:
            return Misconfigured(Reason("no-account", "the account is no longer in the settings"))
        return await carrier.send(
            await asyncio.to_thread(self._compose, draft, key) if self._is_heavy(draft) else self._compose(draft, key)
        )

    def _is_heavy(self, draft: Draft) -> bool:
        """Whether composing would keep the event loop from its other work."""
        size = sum(len(a.data) for a in draft.attachments) + len(draft.content.get("htmlMessage") or "")
        return size > 65_536 or self._signatures.covers(self._whole(draft).content["_sender"]["address"])

    def _compose(self, draft: Draft, key: UUID) -> Mail:
        return self._signatures.sign(compose(self._whole(draft), key, self._encoded), draft.created_at or utc_now())

    def _whole(self, draft: Draft) -> Draft:
        """What another channel's request handed over may name no sender."""
        if "_sender" in draft.content:
            return draft
        return replace(draft, content={**draft.content, "_sender": self._settings.sender_of(draft.municipality_id).members()})

    def show(self, draft: Draft) -> dict[str, Any]:
        draft = self._whole(draft)
        members = {name: value for name, value in draft.content.items() if name not in ("_sender", "attachments", "party")}
        party = dict(draft.content.get("party") or {})
        if draft.recipient.party_id is not None:
            party = {"partyId": draft.recipient.party_id, **party}
        shown = {"emailAddress": draft.recipient.destination, **members, "sender": dict(draft.content["_sender"])}
        if party:
            shown["party"] = party
        if draft.content.get("attachments"):
            contents = {a.digest.hex(): a.data for a in draft.attachments}
            shown["attachments"] = [_shown(entry, contents) for entry in draft.content["attachments"]]
        return shown

    async def look(self) -> list[Health]:
        return list(await asyncio.gather(*(carrier.look() for carrier in self._carriers.values())))

    async def close(self) -> None:
        await asyncio.gather(*(carrier.close() for carrier in self._carriers.values()))


def _shown(entry: dict[str, Any], contents: dict[str, bytes]) -> dict[str, Any]:
    """Without its content where the draft was opened without its attachments."""
    members = {name: value for name, value in entry.items() if name != "digest"}
    data = contents.get(entry["digest"])
    return members if data is None else {**members, "content": b64encode(data).decode()}


def build(settings: EmailSettings) -> EmailChannel:
    return EmailChannel(settings)
