"""Push channel: resolves a party to its devices, each of which gets its own delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel

from utskick.cache import Cache
from utskick.channels.push import payload
from utskick.channels.push.fcm import Fcm
from utskick.channels.push.provider import PushProvider, gone, is_gone
from utskick.channels.push.requests import PushRequest
from utskick.channels.push.settings import Account as AccountSettings
from utskick.channels.push.settings import FcmAccount, PushSettings
from utskick.channels.push.webpush import WebPush
from utskick.domain.attachment import Attachment
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
from utskick.domain.clock import utc_now
from utskick.domain.directory_ports import Neighbours, Subscription, SubscriptionLookup
from utskick.domain.errors import Invalid, NotBuilt, Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.outcome import Deferred, Outcome, Reason, Rejected
from utskick.domain.preparation import READY, Prepared, Route, Routed
from utskick.domain.recipient import once_each

_NO_SUBSCRIPTION: Final = Rejected(
    Reason("no-subscription", "the party has no device subscribed to push messages")
)
_DEVICE: Final = "device:"

FORMS: Final = (
    SendEndpoint(
        "push",
        "sendPush",
        "Send a push message to the devices of parties",
        PushRequest,
        None,
        many=True,
        limit=8 * 1_048_576,
    ),
)


@dataclass(frozen=True, slots=True)
class _OpenPushAccount:
    """An account with its provider client."""

    name: str
    settings: AccountSettings
    provider: PushProvider

    def serves(self, municipality_id: str) -> bool:
        return not self.settings.municipalities or municipality_id in self.settings.municipalities

    def supports(self, municipality_id: str, kind: str) -> bool:
        return self.serves(municipality_id) and kind == self.settings.provider


class PushChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for push messages.

    ``prepare`` routes the delivery to a party to one delivery for each of its devices.
    """

    name = "push"
    message_type = "PUSH"
    integration = "Push"
    label = "Pushnotis"
    history_facts = HistoryFacts(in_contract=False, in_statistics=False)
    forms: tuple[SendEndpoint, ...] = FORMS
    legs: tuple[str, ...] = ("push",)
    ahead = 200

    def __init__(
        self,
        settings: PushSettings,
        accounts: Sequence[_OpenPushAccount],
        subscriptions: SubscriptionLookup,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._subscriptions = subscriptions
        self._clock = clock
        self._services: Cache[str, str] = Cache(20_000, seconds=3600)
        self._accounts = {
            account.name: account
            for account in sorted(accounts, key=lambda account: account.settings.priority)
        }
        self.accounts = tuple(
            Account(
                name,
                account.settings.provider,
                account.settings.priority,
                account.settings.concurrency,
                account.settings.rate,
            )
            for name, account in self._accounts.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, PushRequest):
            raise TypeError(f"{type(request).__name__} is not a push request")
        if not any(account.serves(asked.municipality_id) for account in self._accounts.values()):
            raise NotBuilt(
                "no push account is configured for this municipality; see section [push] of the"
                " settings"
            )
        content = {**request.content(), **self._defaults(request.content())}
        if faults := payload.faults(content):
            raise Invalid(faults)
        if request.valid_until is not None:
            content["_until"] = request.valid_until.isoformat()
        recipients, entries = once_each(request.recipients())
        return Plan(
            content=content,
            recipients=recipients,
            entries=entries,
            priority=_queue_priority(request, len(recipients)),
            department=request.department,
            reference=request.reference,
            send_at=request.send_at,
            valid_until=request.valid_until,
        )

    async def inspect(
        self,
        content: Mapping[str, Any],
        attachments: Sequence[Attachment],  # noqa: ARG002
        asked: RequestContext,  # noqa: ARG002
    ) -> list[Violation]:
        """Check the encoded size of content from a routed request."""
        return payload.faults(content)

    def completed(self, draft: Draft) -> Draft:
        """Fill in the default time to live as ``_ttl``."""
        defaults = self._defaults(draft.content)
        return replace(draft, content={**draft.content, **defaults}) if defaults else draft

    def _defaults(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {} if "ttl" in content or "_ttl" in content else {"_ttl": self._settings.ttl}

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        """Route the delivery to each device that the party has at the moment."""
        destination = draft.recipient.destination
        if destination.startswith(_DEVICE):
            return await self._find_service(draft)
        party_id = destination or draft.recipient.party_id
        assert party_id, "a push message is addressed to a party"
        devices = await self._subscriptions.of(draft.municipality_id, party_id)
        if isinstance(devices, Deferred):
            return devices
        if not devices:
            return _NO_SUBSCRIPTION
        for device in devices:
            self._services.put(str(device.id), _service(device))
        return Routed(tuple(Route(self.name, destination_of(device)) for device in devices))

    async def _find_service(self, draft: Draft) -> Prepared:
        """Find out the push service of a device, which a browser chose."""
        kind, subscription_id = _device(draft)
        if kind == "webpush" and self._services.get(subscription_id) is None:
            device = await self._subscriptions.get(draft.municipality_id, subscription_id)
            if isinstance(device, Deferred):
                return device
            if device is not None:
                self._services.put(subscription_id, _service(device))
        return READY

    def destination(self, draft: Draft) -> str | None:
        """Return the origin of a browser's push service; FCM is the account itself."""
        return self._services.get(_device(draft)[1]) or None

    def able(self, draft: Draft) -> tuple[str, ...]:
        kind, _ = _device(draft)
        return tuple(
            name
            for name, account in self._accounts.items()
            if account.supports(draft.municipality_id, kind)
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        """Resend where duplicates are replaced: by topic at the push service, by tag on the device.

        The account's setting ``resend_uncertain`` decides for messages without a topic.
        """
        return (
            "resend"
            if draft.content.get("topic") or self._accounts[account].settings.resend_uncertain
            else "hold"
        )

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        _, subscription_id = _device(draft)
        subscription = await self._subscriptions.get(draft.municipality_id, subscription_id)
        if isinstance(subscription, Deferred):
            return subscription
        if subscription is None:
            return gone()
        notification = payload.read(draft.content, key, self._settings.ttl, self._clock())
        outcome = await self._accounts[account].provider.send(notification, subscription.address)
        if is_gone(outcome):
            await self._subscriptions.gone(draft.municipality_id, subscription_id)
        return outcome

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **visible.pop("party", {}),
        }
        return {**({"party": party} if party else {}), **visible}

    async def look(self) -> list[AccountHealth]:
        checks = (account.provider.check(name) for name, account in self._accounts.items())
        return list(await asyncio.gather(*checks))

    async def close(self) -> None:
        await asyncio.gather(*(account.provider.close() for account in self._accounts.values()))


def build(settings: PushSettings, neighbours: Neighbours) -> PushChannel:
    """Build the channel with one client per configured account."""
    accounts = [
        _OpenPushAccount(name, account, _provider(account))
        for name, account in settings.accounts.items()
    ]
    return PushChannel(settings, accounts, neighbours.subscriptions)


def destination_of(subscription: Subscription) -> str:
    """Format ``device:webpush:<id>``; the kind decides which accounts support the device."""
    return f"{_DEVICE}{subscription.kind}:{subscription.id}"


def _service(subscription: Subscription) -> str:
    """Return the origin of a push service, "" for FCM."""
    parts = urlsplit(subscription.address.get("endpoint", ""))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def _device(draft: Draft) -> tuple[str, str]:
    """Parse the destination into the kind and id of the subscription."""
    kind, _, subscription_id = draft.recipient.destination.removeprefix(_DEVICE).partition(":")
    return kind, subscription_id


def _provider(account: AccountSettings) -> PushProvider:
    return Fcm(account) if isinstance(account, FcmAccount) else WebPush(account)


def _queue_priority(request: PushRequest, recipients: int) -> Priority:
    """Map the request's priority to a queue; requests with several recipients rank a step lower."""
    urgent = request.priority == "HIGH"
    if recipients > 1:
        return Priority.NORMAL if urgent else Priority.BULK
    return Priority.HIGH if urgent else Priority.NORMAL
