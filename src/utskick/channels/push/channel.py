"""The push channel: a party's devices are looked up, and each of them is a delivery of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

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
from utskick.domain.outcome import Deferred, Outcome, Reason, Rejected
from utskick.domain.preparation import READY, Prepared, Route, Routed
from utskick.domain.recipient import once_each

_NO_SUBSCRIPTION: Final = Rejected(
    Reason("no-subscription", "no device of the party takes push messages")
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
class _OpenAccount:
    """One account: its settings, and its provider."""

    name: str
    settings: AccountSettings
    provider: PushProvider

    def serves(self, municipality_id: str) -> bool:
        return not self.settings.municipalities or municipality_id in self.settings.municipalities

    def carries(self, municipality_id: str, kind: str) -> bool:
        return self.serves(municipality_id) and kind == self.settings.provider


class PushChannel(ChannelDefaults):
    """``domain.channel.Channel`` for push messages. A delivery to a party is a question; its
    answers are deliveries to devices."""

    name = "push"
    message_type = "PUSH"
    integration = "Push"
    forms: tuple[SendEndpoint, ...] = FORMS
    legs: tuple[str, ...] = ("push",)
    ahead = 200

    def __init__(
        self,
        settings: PushSettings,
        desks: Sequence[_OpenAccount],
        subscriptions: SubscriptionLookup,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._clock = clock
        self._desks = {
            desk.name: desk for desk in sorted(desks, key=lambda desk: desk.settings.priority)
        }
        self.accounts = tuple(
            Account(
                name,
                d.settings.provider,
                d.settings.priority,
                d.settings.concurrency,
                d.settings.rate,
            )
            for name, d in self._desks.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, PushRequest):
            raise TypeError(f"{type(request).__name__} is no push message")
        if not any(desk.serves(asked.municipality_id) for desk in self._desks.values()):
            raise NotBuilt(
                "no push account is configured for this municipality; see the settings of [push]"
            )
        content = {**request.content(), **self._unsaid(request.content())}
        if faults := payload.faults(content):
            raise Invalid(faults)
        if request.valid_until is not None:
            content["_until"] = request.valid_until.isoformat()
        recipients, entries = once_each(request.recipients())
        return Plan(
            content=content,
            recipients=recipients,
            entries=entries,
            priority=_lane(request, len(recipients)),
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
        """What another channel's request hands over must fit as our own must."""
        return payload.faults(content)

    def completed(self, draft: Draft) -> Draft:
        """``_ttl`` where it names no ``ttl``."""
        said = self._unsaid(draft.content)
        return replace(draft, content={**draft.content, **said}) if said else draft

    def _unsaid(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {} if "ttl" in content or "_ttl" in content else {"_ttl": self._settings.ttl}

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        """To every device that the party has now."""
        destination = draft.recipient.destination
        if destination.startswith(_DEVICE):
            return READY
        party_id = destination or draft.recipient.party_id
        assert party_id, "a push message is for a party"
        found = await self._subscriptions.of(draft.municipality_id, party_id)
        if isinstance(found, Deferred):
            return found
        return (
            Routed(tuple(Route(self.name, destination_of(each)) for each in found))
            if found
            else _NO_SUBSCRIPTION
        )

    def able(self, draft: Draft) -> tuple[str, ...]:
        kind, _ = _device(draft)
        return tuple(
            name for name, desk in self._desks.items() if desk.carries(draft.municipality_id, kind)
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        """A second copy is identical and has the same tag, so that the device shows one; with a
        topic the push service does that itself."""
        return (
            "resend"
            if draft.content.get("topic") or self._desks[account].settings.resend_uncertain
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
        outcome = await self._desks[account].provider.send(notification, subscription.address)
        if is_gone(outcome):
            await self._subscriptions.gone(draft.municipality_id, subscription_id)
        return outcome

    def show(self, draft: Draft) -> dict[str, Any]:
        shown = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **shown.pop("party", {}),
        }
        return {**({"party": party} if party else {}), **shown}

    async def look(self) -> list[AccountHealth]:
        return list(
            await asyncio.gather(*(desk.provider.look(name) for name, desk in self._desks.items()))
        )

    async def close(self) -> None:
        await asyncio.gather(*(desk.provider.close() for desk in self._desks.values()))


def build(settings: PushSettings, neighbours: Neighbours) -> PushChannel:
    desks = [
        _OpenAccount(name, account, _provider(account))
        for name, account in settings.accounts.items()
    ]
    return PushChannel(settings, desks, neighbours.subscriptions)


def destination_of(subscription: Subscription) -> str:
    """``device:webpush:<id>``: the kind says which accounts can carry it."""
    return f"{_DEVICE}{subscription.kind}:{subscription.id}"


def _device(draft: Draft) -> tuple[str, str]:
    """(kind, id of the subscription)."""
    kind, _, subscription_id = draft.recipient.destination.removeprefix(_DEVICE).partition(":")
    return kind, subscription_id


def _provider(account: AccountSettings) -> PushProvider:
    return Fcm(account) if isinstance(account, FcmAccount) else WebPush(account)


def _lane(request: PushRequest, recipients: int) -> Priority:
    """Many wait behind few: their HIGH is the others' NORMAL."""
    urgent = request.priority == "HIGH"
    if recipients > 1:
        return Priority.NORMAL if urgent else Priority.BULK
    return Priority.HIGH if urgent else Priority.NORMAL
