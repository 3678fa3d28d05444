"""SMS channel: request planning, account selection, sending and delivery reports."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, SecretStr

from utskick.channels.sms.accounts import SmsAccount, open_account
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
    Plan,
    Priority,
    ProviderCallback,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.errors import Invalid, NotBuilt, Unauthorized, Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.outcome import Outcome
from utskick.domain.receipt import Keep, Receipt
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
    """Implementation of ``domain.channel.Channel`` for SMS."""

    name = "sms"
    message_type = "SMS"
    integration = "SmsSender"
    label = "SMS"
    history_facts = HistoryFacts(counted_by_department=True)
    forms: tuple[SendEndpoint, ...] = FORMS

    def __init__(self, settings: SmsSettings, accounts: Sequence[SmsAccount]) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._accounts = {
            account.name: account
            for account in sorted(accounts, key=lambda account: account.settings.priority)
        }
        self.accounts = tuple(
            Account(
                account.name,
                account.settings.provider,
                account.settings.priority,
                account.settings.concurrency,
                account.settings.rate,
                account.settings.reports,
            )
            for account in self._accounts.values()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:  # noqa: ARG002
        if not isinstance(request, SmsBody):
            raise TypeError(f"{type(request).__name__} is not an SMS request")
        if not self._accounts:
            raise NotBuilt(
                "no SMS account is configured for this municipality; see section [sms] of the"
                " settings"
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
            priority=_queue_priority(request),
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
        """Validate text length and sender of content from a routed request.

        The channel's own requests are validated by ``plan``. ``_segmentLimit`` and ``_sender``
        are members set by ``completed``.
        """
        if "_sender" in content and "_segmentLimit" not in content:
            return []
        size, limit = (
            measure(with_line_feeds(content["message"])),
            content.get("_segmentLimit", self._settings.segment_limit),
        )
        faults = [Violation("message", _too_long(size, limit))] if size.segments > limit else []
        return faults + [
            Violation("sender", fault) for fault in sender_faults(content.get("sender"))
        ]

    def completed(self, draft: Draft) -> Draft:
        """Fill in the default sender, and the segment limit where the text is measured later.

        The text is measured later where the draft is ``deferred``.
        """
        content, settings = draft.content, self._settings
        defaults: dict[str, Any] = (
            {} if "sender" in content or content.get("_sender") else {"_sender": settings.sender}
        )
        if draft.deferred and "_segmentLimit" not in content:
            defaults["_segmentLimit"] = settings.segment_limit
        return replace(draft, content={**content, **defaults}) if defaults else draft

    def _content(self, request: SmsBody, text: str) -> dict[str, Any]:
        """Build the content stored with the message; ``_sender`` holds the default sender."""
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
            account.name
            for account in self._accounts.values()
            if account.provider.supports(draft.recipient.destination)
        )

    def units(self, draft: Draft, account: str) -> int:
        return self._accounts[account].units(with_line_feeds(draft.content["message"]))

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "resend" if self._accounts[account].settings.deduplicates else "hold"

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
            draft.expires_at,
        )
        return await self._accounts[account].provider.send(sms, key)

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:
        account = self._accounts.get(hook.account)
        if account is None or not _is_authentic(hook, account.settings.receipt_secret):
            raise Unauthorized("the report does not carry the receipt secret of the named account")
        return account.provider.read_report(hook)

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **visible.pop("party", {}),
        }
        return {
            **({"party": party} if party else {}),
            **visible,
            "mobileNumber": draft.recipient.destination,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(account.check() for account in self._accounts.values())))

    def report_to(self, keep: Keep) -> None:
        """Set the callback that stores receipts of session-based providers (SMPP).

        Call it before ``start``. ``keep(account, receipts)`` returns when the receipts are on disk;
        only then are they acknowledged to the provider. If it raises, or if no callback is set, the
        provider is asked to redeliver them.
        """
        for account in self._accounts.values():
            account.report_to(keep)

    async def start(self) -> None:
        await asyncio.gather(*(account.start() for account in self._accounts.values()))

    async def close(self) -> None:
        await asyncio.gather(*(account.close() for account in self._accounts.values()))


def build(settings: SmsSettings) -> SmsChannel:
    """Build the channel with one account per configured provider account."""
    return SmsChannel(
        settings,
        [
            open_account(name, account, settings.public_url)
            for name, account in settings.accounts.items()
        ],
    )


def _queue_priority(request: SmsBody) -> Priority:
    """Map the request's priority to a queue; batches rank one step below single messages."""
    if request.many:
        return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK
    return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL


def _too_long(size: Measure, limit: int) -> str:
    advice = f" {size.notice}" if size.notice else ""
    return (
        f"takes {size.segments} SMS segments ({size.encoding}, {size.units} characters);"
        f" the limit is {limit}.{advice}"
    )


def _remarks(size: Measure) -> dict[str, Any]:
    remarks = {"encoding": size.encoding, "characters": size.units, "segments": size.segments}
    return {**remarks, "notice": size.notice} if size.notice else remarks


def _is_authentic(hook: ProviderCallback, secret: SecretStr | None) -> bool:
    """Compare the secret, given in the path or as the HTTP Basic password, in constant time."""
    if secret is None:
        return False
    presented = hook.secret if hook.secret is not None else _password(hook.headers)
    return presented is not None and hmac.compare_digest(
        presented.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()
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
