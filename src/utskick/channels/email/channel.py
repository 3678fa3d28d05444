"""E-mail as the engine sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.email import requests
from utskick.channels.email.dkim import ROOM, Signatures
from utskick.channels.email.graph import Graph
from utskick.channels.email.mime import ComposedMail, Encoded, compose, measured
from utskick.channels.email.planning import foreign_sender, own_domains, plan, sender_of
from utskick.channels.email.settings import AccountSettings, EmailSettings, GraphAccount
from utskick.channels.email.smtp import Smtp
from utskick.channels.email.transport import Carrier
from utskick.domain.attachment import Attachment, listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.clock import utc_now
from utskick.domain.errors import NotBuilt, Violation
from utskick.domain.outcome import Misconfigured, Outcome, Reason

_MIB = 1024 * 1024
_NO_KEY = UUID(int=0)
#: Bytes that are enough for all header fields of a message, and for those of one attachment.
_ROOM_FOR_FIELDS = 131_072

FORMS = (
    SendEndpoint(
        path="email",
        operation="sendEmail",
        summary="Send an e-mail",
        request=requests.EmailRequest,
        short=requests.ShortEmailRequest,
        many=False,
        limit=32 * _MIB,
    ),
    SendEndpoint(
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


class EmailChannel(ChannelDefaults):
    """Plans, composes, signs and hands over to the accounts."""

    name = "email"
    message_type = "EMAIL"
    titled = True
    integration = "EmailSender"
    forms = FORMS

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._signatures = Signatures(dict(settings.dkim))
        self._encoded = Encoded()
        self._carriers = {
            name: _carrier(name, account) for name, account in settings.accounts.items()
        }
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate)
            for name, a in settings.accounts.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not self._carriers:
            raise NotBuilt(
                "no e-mail account is configured for this municipality; see the settings of [email]"
            )
        return plan(
            cast(requests.AnyEmailRequest, request),
            asked.municipality_id,
            self._settings,
            ROOM if self._settings.dkim else 0,
        )

    async def inspect(
        self,
        content: Mapping[str, Any],
        attachments: Sequence[Attachment],  # noqa: ARG002
        asked: RequestContext,  # noqa: ARG002
    ) -> list[Violation]:
        """Of what another channel's request hands over: a sender that the municipality may send
        from."""
        sender = sender_of(content)
        if sender is None:
            return []
        return foreign_sender(
            "sender.email.address", sender["address"], own_domains(content, self._settings)
        )

    def completed(self, draft: Draft) -> Draft:
        """``_sender`` for those who name none; which domains it may be of along with it where that
        may be asked again (``deferred``)."""
        whole = self._whole(draft)
        if not whole.deferred or "_domains" in whole.content:
            return whole
        return replace(
            whole, content={**whole.content, "_domains": own_domains(whole.content, self._settings)}
        )

    def able(self, draft: Draft) -> tuple[str, ...]:
        """Those that take a mail of its size. Where none does, all of them: each of them says so
        itself."""
        names = self._settings.in_order
        limits = {name: self._carriers[name].largest for name in names}
        limited = [limit for limit in limits.values() if limit is not None]
        if not limited or _surely_within(draft, min(limited)):
            return names
        size = measured(self._whole(draft), _NO_KEY)
        return (
            tuple(name for name in names if (limit := limits[name]) is None or size <= limit)
            or names
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """A second copy carries the same Message-ID and the same bytes: readers show one, or two
        that are identical."""
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        carrier = self._carriers.get(account)
        if carrier is None:
            return Misconfigured(Reason("no-account", "the account is no longer in the settings"))
        whole = self._whole(draft)
        signed = not carrier.signs and self._signatures.covers(whole.content["_sender"]["address"])
        make = self._signed if signed else self._unsigned
        return await carrier.send(
            await asyncio.to_thread(make, whole, key)
            if signed or _is_heavy(whole)
            else make(whole, key)
        )

    def _unsigned(self, draft: Draft, key: UUID) -> ComposedMail:
        return compose(draft, key, self._encoded)

    def _signed(self, draft: Draft, key: UUID) -> ComposedMail:
        return self._signatures.sign(self._unsigned(draft, key), draft.created_at or utc_now())

    def _whole(self, draft: Draft) -> Draft:
        """What another channel's request handed over may name no sender."""
        if "_sender" in draft.content:
            return draft
        sender = sender_of(draft.content) or self._settings.sender.members()
        return replace(draft, content={**draft.content, "_sender": sender})

    def show(self, draft: Draft) -> dict[str, Any]:
        draft = self._whole(draft)
        members = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = dict(members.pop("party", None) or {})
        attached = members.pop("attachments", None)
        if draft.recipient.party_id is not None:
            party = {"partyId": draft.recipient.party_id, **party}
        shown = {
            "emailAddress": draft.recipient.destination,
            **members,
            "sender": dict(draft.content["_sender"]),
        }
        if party:
            shown["party"] = party
        if attached:
            shown["attachments"] = listed(attached, draft.attachments)
        return shown

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(carrier.look() for carrier in self._carriers.values())))

    async def close(self) -> None:
        await asyncio.gather(*(carrier.close() for carrier in self._carriers.values()))


def _is_heavy(draft: Draft) -> bool:
    """Whether composing would keep the event loop from its other work."""
    return (
        sum(len(a.data) for a in draft.attachments) + len(draft.content.get("htmlMessage") or "")
        > 65_536
    )


def _surely_within(draft: Draft, octets: int) -> bool:
    """Told without composing. A character takes at most 12 octets, an octet of an attachment less
    than 2; plain text that is made from HTML may be of any length.
    """
    content = draft.content
    if content.get("htmlMessage") and not content.get("message"):
        return False
    texts = sum(len(content.get(name) or "") for name in ("subject", "message", "htmlMessage"))
    return (
        12 * texts
        + sum(2 * len(a.data) + _ROOM_FOR_FIELDS for a in draft.attachments)
        + _ROOM_FOR_FIELDS
        <= octets
    )


def _carrier(name: str, account: AccountSettings | GraphAccount) -> Carrier:
    return Graph(name, account) if isinstance(account, GraphAccount) else Smtp(name, account)


def build(settings: EmailSettings) -> EmailChannel:
    return EmailChannel(settings)
