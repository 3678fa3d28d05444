"""E-mail channel: request planning, composition, DKIM signing and submission."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, cast
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.email import requests
from utskick.channels.email.addresses import wire_address
from utskick.channels.email.dkim import SIGNATURE_ROOM, Signatures
from utskick.channels.email.graph import Graph
from utskick.channels.email.mime import AttachmentCache, ComposedMail, compose, measured
from utskick.channels.email.planning import (
    allowed_domains,
    foreign_sender,
    html_violations,
    is_surely_within,
    plan,
    sender_of,
)
from utskick.channels.email.settings import AccountSettings, EmailSettings, GraphAccount
from utskick.channels.email.smtp import Smtp
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
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.html_text import is_blank
from utskick.domain.outcome import Concern, Misconfigured, Outcome, Reason

_MIB = 1024 * 1024
_NO_KEY = UUID(int=0)

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


class Transport(Protocol):
    """Submits composed mail through one account."""

    @property
    def signs(self) -> bool:
        """Whether the provider itself signs with DKIM for the sender's domain."""
        ...

    @property
    def largest(self) -> int | None:
        """Maximum size of a message in bytes; None if only the server knows it."""
        ...

    async def send(self, mail: ComposedMail) -> Outcome:
        """Make one attempt."""
        ...

    async def check(self) -> AccountHealth: ...

    async def close(self) -> None: ...


class EmailChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for e-mail."""

    name = "email"
    message_type = "EMAIL"
    titled = True
    history_facts = HistoryFacts(names_batch=True)
    integration = "EmailSender"
    label = "E-post"
    forms = FORMS

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._signatures = Signatures(dict(settings.dkim))
        self._encoded = AttachmentCache()
        probe = _probe(settings)
        self._transports = {
            name: _transport(name, account, probe) for name, account in settings.accounts.items()
        }
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate)
            for name, a in settings.accounts.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not self._transports:
            raise NotBuilt(
                "no e-mail account is configured for this municipality; see section [email] of the"
                " settings"
            )
        return plan(
            cast(requests.AnyEmailRequest, request),
            asked.municipality_id,
            self._settings,
            SIGNATURE_ROOM if self._settings.dkim else 0,
        )

    async def inspect(
        self,
        content: Mapping[str, Any],
        attachments: Sequence[Attachment],  # noqa: ARG002
        asked: RequestContext,  # noqa: ARG002
    ) -> list[Violation]:
        """Check what another channel's request hands over: sender and encoding of the HTML."""
        faults = html_violations(content)
        sender = sender_of(content)
        if sender is None:
            return faults
        domains = allowed_domains(content, self._settings)
        return faults + foreign_sender("sender.email.address", sender["address"], domains)

    def completed(self, draft: Draft) -> Draft:
        """Fill in the default sender, and its allowed domains where it may be checked later.

        It may be checked later where the draft is ``deferred``.
        """
        whole = self._with_sender(draft)
        if not whole.deferred or "_domains" in whole.content:
            return whole
        domains = allowed_domains(whole.content, self._settings)
        return replace(whole, content={**whole.content, "_domains": domains})

    def able(self, draft: Draft) -> tuple[str, ...]:
        """Return the accounts that accept a message of this size, or all if none does.

        In the latter case each account rejects the message with its own reason.
        """
        names = self._settings.in_order
        limits = {name: self._transports[name].largest for name in names}
        limited = [limit for limit in limits.values() if limit is not None]
        if not limited or is_surely_within(draft, min(limited)):
            return names
        size = measured(self._with_sender(draft), _NO_KEY, self._encoded)
        fitting = (name for name in names if (limit := limits[name]) is None or size <= limit)
        return tuple(fitting) or names

    def destination(self, draft: Draft) -> str | None:
        """Return the mail domain."""
        return draft.recipient.destination.rpartition("@")[2].lower() or None

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """Resend: a second copy has the same Message-ID and identical bytes."""
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        transport = self._transports.get(account)
        if transport is None:
            return Misconfigured(
                Reason("no-account", "the account is no longer configured"), Concern.OURSELVES
            )
        whole = self._with_sender(draft)
        address = whole.content["_sender"]["address"]
        signed = not transport.signs and self._signatures.covers(address)
        make = self._signed if signed else self._unsigned
        # Signing and large messages are slow enough to block the event loop.
        in_thread = signed or _is_heavy(whole)
        mail = await asyncio.to_thread(make, whole, key) if in_thread else make(whole, key)
        return await transport.send(mail)

    def _unsigned(self, draft: Draft, key: UUID) -> ComposedMail:
        mail = compose(draft, key, self._encoded)
        path = self._settings.return_path(mail.sender, key)
        return mail if path == mail.sender else replace(mail, return_path=path)

    def _signed(self, draft: Draft, key: UUID) -> ComposedMail:
        return self._signatures.sign(self._unsigned(draft, key), draft.created_at or utc_now())

    def _with_sender(self, draft: Draft) -> Draft:
        """Add the default sender to content of a routed request that names none."""
        if "_sender" in draft.content:
            return draft
        sender = sender_of(draft.content) or self._settings.sender.members()
        return replace(draft, content={**draft.content, "_sender": sender})

    def show(self, draft: Draft) -> dict[str, Any]:
        draft = self._with_sender(draft)
        members = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = dict(members.pop("party", None) or {})
        attached = members.pop("attachments", None)
        if draft.recipient.party_id is not None:
            party = {"partyId": draft.recipient.party_id, **party}
        result = {
            "emailAddress": draft.recipient.destination,
            **members,
            "sender": dict(draft.content["_sender"]),
        }
        if party:
            result["party"] = party
        if attached:
            result["attachments"] = listed(attached, draft.attachments)
        return result

    async def look(self) -> list[AccountHealth]:
        return list(
            await asyncio.gather(*(transport.check() for transport in self._transports.values()))
        )

    async def close(self) -> None:
        await asyncio.gather(*(transport.close() for transport in self._transports.values()))


def _is_heavy(draft: Draft) -> bool:
    """Return whether composing the message would noticeably block the event loop.

    Making a text of HTML takes some twenty times as long as encoding it.
    """
    html = len(draft.content.get("htmlMessage") or "")
    factor = 20 if is_blank(draft.content.get("message") or "") else 1
    return sum(len(a.data) for a in draft.attachments) + factor * html > 65_536


def _probe(settings: EmailSettings) -> ComposedMail:
    """Return the envelope of the default sender to itself, with which accounts are checked."""
    address = wire_address(settings.sender.address)
    return ComposedMail(address, address, b"", settings.return_path(address, _NO_KEY))


def _transport(
    name: str, account: AccountSettings | GraphAccount, probe: ComposedMail
) -> Transport:
    if isinstance(account, GraphAccount):
        return Graph(name, account)
    return Smtp(name, account, probe)


def build(settings: EmailSettings) -> EmailChannel:
    """Build the channel."""
    return EmailChannel(settings)
