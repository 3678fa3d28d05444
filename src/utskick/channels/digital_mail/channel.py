"""Digital mail as the engine sees it: plans, finds the mailbox, freezes, signs and seals,
delivers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast
from uuid import UUID

import structlog
from pydantic import BaseModel

from utskick.channels.digital_mail.composer import Composer, Snapshot
from utskick.channels.digital_mail.mailbox_lookup import LookupResult, Whereabouts
from utskick.channels.digital_mail.mailboxes import MailboxResult, mailboxes
from utskick.channels.digital_mail.planning import (
    NOT_A_SENDER,
    SIGNATURE_ROOM,
    content_violations,
    plan,
    size_violations,
    specimen,
)
from utskick.channels.digital_mail.reachability import (
    AGAINST,
    FOREIGN_ADDRESS,
    NO_LEGAL_ID,
    Mailbox,
    is_allowed,
    unreachable,
)
from utskick.channels.digital_mail.requests import DigitalMailRequest, MailboxesRequest
from utskick.channels.digital_mail.sender_account import Equipment, SenderAccount
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.channels.digital_mail.soap_responses import ApplicationFault
from utskick.domain.attachment import Attachment, listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    ChannelQuery,
    Draft,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.clock import Clock, utc_now
from utskick.domain.directory_ports import Neighbours
from utskick.domain.errors import Invalid, Violation
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason
from utskick.domain.preparation import Prepared, Ready

log = structlog.get_logger(__name__)

_MIB: Final = 1_048_576

FORMS: Final = (
    SendEndpoint(
        "{organizationNumber}/digital-mail",
        "sendDigitalMail",
        "Send a single digital mail to one or more parties",
        DigitalMailRequest,
        None,
        many=True,
        limit=16 * _MIB,
    ),
    SendEndpoint(
        "digital-mail",
        "sendDigitalMailDeprecated",
        "Send a single digital mail to one or more parties, from the organization of the settings",
        DigitalMailRequest,
        None,
        many=True,
        limit=16 * _MIB,
        deprecated=True,
    ),
)

_NO_SENDER: Final = Misconfigured(Reason("no-sender", NOT_A_SENDER))


class DigitalMailChannel(ChannelDefaults):
    """``domain.channel.Channel`` for digital mail."""

    name = "digital_mail"
    message_type = "DIGITAL_MAIL"
    titled = True
    integration = "DigitalMailSender"
    #: What the register said against it, and the contract answers with 404 for one recipient (Q28).
    not_found = frozenset(reason.code for reason in AGAINST)
    #: So many are asked about in one call to the register.
    ahead = 500
    forms: tuple[SendEndpoint, ...] = FORMS

    def __init__(
        self, settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._whereabouts = Whereabouts(neighbours.directory, clock)
        self._sealer = Composer(settings, clock)
        in_order = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._desks = {
            (name, number): SenderAccount(name, number, account, clock)
            for name, account in in_order
            for number in account.senders
        }
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in in_order
        )
        self.questions = (
            ChannelQuery(
                "{organizationNumber}/mailboxes",
                "getMailboxes",
                "Retrieve a list of digital mailboxes",
                MailboxesRequest,
                self._answer,
                list[MailboxResult],
            ),
        )

    # -- before anything is stored ----------------------------------------

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        planned = plan(cast(DigitalMailRequest, request), asked)
        return replace(
            planned,
            content={**planned.content, **self._unsaid(asked.municipality_id, planned.content)},
        )

    def completed(self, draft: Draft) -> Draft:
        """``_organization``, ``_subject`` and ``_supportInfo``, each where it says none."""
        said = self._unsaid(draft.municipality_id, draft.content)
        return replace(draft, content={**draft.content, **said}) if said else draft

    def _unsaid(self, municipality_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """What the settings say where the content says nothing."""
        said: dict[str, Any] = {}
        organization = content.get("_organization") or self._settings.organization_of(
            municipality_id
        )
        if "_organization" not in content and organization is not None:
            said["_organization"] = organization
        subject, support_info = self._sealer.unsaid(
            content, self._desk(municipality_id, {"_organization": organization})
        )
        if "_subject" not in content and subject:
            said["_subject"] = subject
        if "_supportInfo" not in content and support_info:
            said["_supportInfo"] = dict(support_info)
        return said

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> list[Violation]:
        found = await asyncio.to_thread(content_violations, content, attachments)
        desk = self._desk(asked.municipality_id, content)
        if desk is None:
            return [*found, Violation("sendDigitalMail.organizationNumber", NOT_A_SENDER)]
        if any(fault.field == "body" for fault in found):  # what cannot be read has no size
            return found
        equipment = await desk.equipment()
        room = (
            equipment.current.signer.length if isinstance(equipment, Equipment) else SIGNATURE_ROOM
        )
        letterhead = specimen(
            desk.organization, desk.sender.name, *self._sealer.unsaid(content, desk)
        )
        return [*found, *size_violations(content, attachments, letterhead, room)]

    def _desk(self, municipality_id: str, content: Mapping[str, Any]) -> SenderAccount | None:
        return next(iter(self._desks_of(municipality_id, content)), None)

    def _desks_of(
        self, municipality_id: str, content: Mapping[str, Any]
    ) -> Iterator[SenderAccount]:
        """Of the organisation that the content names, where it may be sent for by this
        municipality; first choice first."""
        organization = content.get("_organization") or self._settings.organization_of(
            municipality_id
        )
        return (
            d
            for (_, number), d in self._desks.items()
            if number == organization and d.sender.municipality == municipality_id
        )

    # -- before an attempt ----------------------------------------

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        """Once: what was frozen stays so, whatever the register says later."""
        if draft.frozen is not None:
            return Ready(draft.frozen)
        desk = self._desk(draft.municipality_id, draft.content)
        if desk is None:
            return _NO_SENDER
        equipment = await desk.equipment()
        if isinstance(equipment, Misconfigured):
            return equipment
        if draft.recipient.party_id is None:
            return unreachable(NO_LEGAL_ID)
        found = await self._whereabouts.find(desk, draft.municipality_id, draft.recipient.party_id)
        if not isinstance(found, LookupResult):
            return found
        if not isinstance(found.mailbox, Mailbox):
            return unreachable(found.mailbox)
        frozen = await self._sealer.freeze(
            draft, key, desk, (found.recipient, found.mailbox), equipment.current
        )
        return Ready(frozen.written())

    # -- an attempt ----------------------------------------

    def able(self, draft: Draft) -> tuple[str, ...]:
        if draft.frozen is not None:
            return tuple(
                a.name for a in self.accounts if a.name == Snapshot.read(draft.frozen).account
            )
        return tuple(
            desk.account_name for desk in self._desks_of(draft.municipality_id, draft.content)
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        """By the operator of a draft that is frozen; without one, only where all operators of the
        account know a repeat again."""
        operators = self._settings.accounts[account].operators
        if draft.frozen is not None:
            operator = operators.get(Snapshot.read(draft.frozen).supplier)
            return "resend" if operator is not None and operator.deduplicates else "hold"
        return "resend" if all(operator.deduplicates for operator in operators.values()) else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        if draft.frozen is None:
            raise ValueError("a digital mail is prepared before it is sent")
        frozen = Snapshot.read(draft.frozen)
        desk = self._desks.get((account, frozen.organization))
        if desk is None:
            return _NO_SENDER
        operator = desk.account.operators.get(frozen.supplier)
        if operator is None or not is_allowed(frozen.address, operator):
            return Misconfigured(FOREIGN_ADDRESS)
        equipment = await desk.equipment()
        if isinstance(equipment, Misconfigured):
            return equipment
        envelope = await self._sealer.envelope(draft, frozen, equipment)
        if not isinstance(envelope, bytes):
            return envelope
        outcome = await desk.deliver(frozen.address, envelope, frozen.recipient)
        return (
            _told(outcome, operator.name, key) if isinstance(outcome, ApplicationFault) else outcome
        )

    # -- questions ----------------------------------------

    async def _answer(
        self, request: MailboxesRequest, asked: RequestContext
    ) -> list[dict[str, Any]]:
        organization = asked.organization_number or self._settings.organization_of(
            asked.municipality_id
        )
        desk = self._desk(asked.municipality_id, {"_organization": organization})
        if desk is None:
            raise Invalid([Violation("getMailboxes.organizationNumber", NOT_A_SENDER)])
        return await mailboxes(desk, self._whereabouts, asked.municipality_id, request.root)

    def show(self, draft: Draft) -> dict[str, Any]:
        members = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {"partyIds": [draft.recipient.party_id], **members.pop("party", {})}
        if members.get("attachments"):
            members["attachments"] = listed(members["attachments"], draft.attachments)
        return {"party": party, **members}

    async def look(self) -> list[AccountHealth]:
        """One word for each account: well where all of its organisations are, the ill ones told
        first."""
        looks = await asyncio.gather(*(desk.look() for desk in self._desks.values()))
        return [
            _together(account.name, [health for health in looks if health.account == account.name])
            for account in self.accounts
        ]

    async def close(self) -> None:
        await self._whereabouts.close()
        await asyncio.gather(*(desk.close() for desk in self._desks.values()))


def _told(fault: ApplicationFault, operator: str, key: UUID) -> Outcome:
    """No schema says what the codes mean; a fault says that the message was not taken. The call id
    is what to ask the operator about."""
    log.warning(
        "application-fault",
        code=fault.code,
        call_id=fault.call_id,
        operator=operator,
        delivery=str(key),
    )
    return Deferred(
        Reason(
            "application-fault", "the mailbox operator reported a fault of its own", str(fault.code)
        )
    )


def _together(account: str, looks: Sequence[AccountHealth]) -> AccountHealth:
    said = "; ".join(
        health.sentence
        for health in sorted(looks, key=lambda health: (health.ok, not health.warns))
    )
    return AccountHealth(
        account, all(health.ok for health in looks), said, any(health.warns for health in looks)
    )


def build(
    settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now
) -> DigitalMailChannel:
    """Reads no file yet: certificates are read when they are first needed."""
    return DigitalMailChannel(settings, neighbours, clock)
