"""The SMS channel: plans a request, chooses among the provider accounts, sends, and reads their
reports."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, SecretStr

from utskick.channels.sms.accounts import SmsAccount, desk_of
from utskick.channels.sms.provider import Sms
from utskick.channels.sms.requests import (
    ShortSmsBatchRequest,
    ShortSmsRequest,
    SmsBatchRequest,
    SmsBody,
    SmsRequest,
)
from utskick.channels.sms.segments import Measure, measure, with_line_feeds
from utskick.channels.sms.sender_id import cleaned, sender_faults
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Keep,
    Plan,
    Priority,
    ProviderCallback,
    Receipt,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.errors import Invalid, NotBuilt, Unauthorized, Violation
from utskick.domain.outcome import Outcome
from utskick.domain.recipient import once_each

_MIB: Final = 1_048_576
FORMS: Final = (
    SendEndpoint(
        "sms", "sendSms", "Send a single SMS", SmsRequest, ShortSmsRequest, many=False, limit=_MIB
    ),
    SendEndpoint(
        "sms/batch",
        "sendSmsBatch",
        "Send an SMS to many",
        SmsBatchRequest,
        ShortSmsBatchRequest,
        many=True,
        limit=32 * _MIB,
        waits=False,
    ),
)


class SmsChannel(ChannelDefaults):
    """``domain.channel.Channel`` for SMS."""

    name = "sms"
    message_type = "SMS"
    integration = "SmsSender"
    forms: tuple[SendEndpoint, ...] = FORMS

    def __init__(self, settings: SmsSettings, desks: Sequence[SmsAccount]) -> None:
        self._settings = settings
        self._desks = {
            desk.name: desk for desk in sorted(desks, key=lambda desk: desk.settings.priority)
        }
        self.accounts = tuple(
            Account(
                desk.name,
                desk.settings.provider,
                desk.settings.priority,
                desk.settings.concurrency,
                desk.settings.rate,
                desk.settings.reports,
            )
            for desk in self._desks.values()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:  # noqa: ARG002
        if not isinstance(request, SmsBody):
            raise TypeError(f"{type(request).__name__} is no request for an SMS")
        if not self._desks:
            raise NotBuilt(
                "no SMS account is configured for this municipality; see the settings of [sms]"
            )
        text = with_line_feeds(request.message)
        size = measure(text)
        if size.segments > self._settings.segment_limit:
            raise Invalid([Violation("message", _too_long(size, self._settings.segment_limit))])
        recipients, entries = once_each(request.recipients())
        return Plan(
            content=self._content(request, text),
            recipients=recipients,
            entries=entries,
            priority=_lane(request),
            department=request.department,
            reference=request.reference,
            send_at=request.send_at,
            valid_until=request.valid_until,
            remarks={"sms": _remarks(size)},
        )

    async def inspect(
        self,
        content: Mapping[str, Any],
        attachments: Sequence[Attachment],  # noqa: ARG002
        asked: RequestContext,  # noqa: ARG002
    ) -> list[Violation]:
        """Of what another channel's request hands over; ``plan`` has looked at our own.
        ``_segmentLimit``: as ``completed`` left it."""
        if "_sender" in content and "_segmentLimit" not in content:
            return []
        size, limit = (
            measure(with_line_feeds(content["message"])),
            content.get("_segmentLimit", self._settings.segment_limit),
        )
        faults = [Violation("message", _too_long(size, limit))] if size.segments > limit else []
        return faults + [Violation("sender", said) for said in sender_faults(content.get("sender"))]

    def completed(self, draft: Draft) -> Draft:
        """``_sender`` for those who name none; the limit along with it where the text has still to
        be measured (``deferred``)."""
        content, settings = draft.content, self._settings
        said: dict[str, Any] = (
            {} if "sender" in content or content.get("_sender") else {"_sender": settings.sender}
        )
        if draft.deferred and "_segmentLimit" not in content:
            said["_segmentLimit"] = settings.segment_limit
        return replace(draft, content={**content, **said}) if said else draft

    def _content(self, request: SmsBody, text: str) -> dict[str, Any]:
        """As history shows it; ``_sender`` is the sender of those who named none, and is not
        shown."""
        content: dict[str, Any] = {"message": text}
        if request.sender is not None:
            content["sender"] = request.sender
        else:
            content["_sender"] = self._settings.sender
        if (references := request.references()) is not None:
            content["party"] = {"externalReferences": list(references)}
        if request.priority is not None:
            content["priority"] = request.priority
        if request.department is not None:
            content["department"] = request.department
        return content

    def able(self, draft: Draft) -> tuple[str, ...]:
        return tuple(
            desk.name
            for desk in self._desks.values()
            if desk.provider.carries(draft.recipient.destination)
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "resend" if self._desks[account].settings.deduplicates else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        content = draft.content
        sender = (
            cleaned(content["sender"])
            if "sender" in content
            else content.get("_sender") or self._settings.sender
        )
        sms = Sms(
            sender,
            draft.recipient.destination,
            with_line_feeds(content["message"]),
            content.get("priority") == "HIGH",
        )
        return await self._desks[account].provider.send(sms, key)

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:
        desk = self._desks.get(hook.account)
        if desk is None or not _proves(hook, desk.settings.receipt_secret):
            raise Unauthorized(
                "the report does not show the secret of the account it claims to come from"
            )
        return desk.provider.read_report(hook)

    def show(self, draft: Draft) -> dict[str, Any]:
        shown = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **shown.pop("party", {}),
        }
        return {
            **({"party": party} if party else {}),
            **shown,
            "mobileNumber": draft.recipient.destination,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(desk.look() for desk in self._desks.values())))

    def report_to(self, keep: Keep) -> None:
        """Before ``start``: who keeps the receipts that providers give over a session of ours, as
        SMPP's do.

        ``keep(account, receipts)`` returns when they are on disk; only then is the provider told
        that they were taken. It raises where that is not possible now, and the provider tells them
        again. Where nobody keeps them, the provider is asked to keep them itself.
        """
        for desk in self._desks.values():
            desk.report_to(keep)

    async def start(self) -> None:
        await asyncio.gather(*(desk.start() for desk in self._desks.values()))

    async def close(self) -> None:
        await asyncio.gather(*(desk.close() for desk in self._desks.values()))


def build(settings: SmsSettings) -> SmsChannel:
    return SmsChannel(
        settings,
        [
            desk_of(name, account, settings.public_url)
            for name, account in settings.accounts.items()
        ],
    )


def _lane(request: SmsBody) -> Priority:
    """A batch waits behind single messages: its HIGH is their NORMAL."""
    if request.many:
        return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK
    return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL


def _too_long(size: Measure, limit: int) -> str:
    advice = f" {size.notice}" if size.notice else ""
    return f"takes {size.segments} SMS segments ({size.encoding}, {size.units} characters), and the limit is {limit}.{advice}"


def _remarks(size: Measure) -> dict[str, Any]:
    remarks = {"encoding": size.encoding, "characters": size.units, "segments": size.segments}
    return {**remarks, "notice": size.notice} if size.notice else remarks


def _proves(hook: ProviderCallback, secret: SecretStr | None) -> bool:
    """The secret stands in the path, or as the password of HTTP Basic."""
    if secret is None:
        return False
    shown = hook.secret if hook.secret is not None else _password(hook.headers)
    return shown is not None and hmac.compare_digest(
        shown.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()
    )


def _password(headers: Mapping[str, str]) -> str | None:
    value = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return None
