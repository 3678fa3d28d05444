"""Digital mail as the engine sees it: plans, finds the mailbox, freezes, signs and seals, delivers."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast
from uuid import UUID

import structlog
from pydantic import BaseModel

from utskick.channels.digital_mail.answers import ApplicationFault
from utskick.channels.digital_mail.credentials import Credentials
from utskick.channels.digital_mail.desk import Desk, Equipment
from utskick.channels.digital_mail.enclosures import Enclosures
from utskick.channels.digital_mail.envelope import LIMIT, Letterhead, delivery
from utskick.channels.digital_mail.frozen import Frozen
from utskick.channels.digital_mail.mailboxes import SHAPE, mailboxes
from utskick.channels.digital_mail.planning import (
    NOT_A_SENDER,
    SIGNATURE_ROOM,
    content_violations,
    plan,
    sealed_on,
    size_violations,
    specimen,
)
from utskick.channels.digital_mail.reachability import FOREIGN_ADDRESS, NO_LEGAL_ID, Mailbox, is_allowed, unreachable
from utskick.channels.digital_mail.requests import DigitalMailRequest, MailboxesRequest
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.channels.digital_mail.signature import Sealing
from utskick.channels.digital_mail.whereabouts import Found, Whereabouts
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Account, Asked, Draft, Form, Health, Plain, Plan, Question
from utskick.domain.clock import Clock, utc_now
from utskick.domain.errors import Invalid, Violation
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
from utskick.domain.people import Neighbours
from utskick.domain.preparing import Prepared, Ready

log = structlog.get_logger(__name__)

_MIB: Final = 1_048_576
#: Bytes of files and text from which building an envelope is no work for the event loop.
_HEAVY: Final = 65_536

FORMS: Final = (
    Form(
        "{organizationNumber}/digital-mail",
        "sendDigitalMail",
        "Send a single digital mail to one or more parties",
        DigitalMailRequest,
        None,
        many=True,
        limit=16 * _MIB,
    ),
    Form(
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
#: Nothing is sent, and what an earlier attempt came to may not be known: a person decides. A no would be wrong, since the first copy may
#: have arrived (a letter would go out on paper too), and another copy would not be known again by the operator.
_CHANGED: Final = Uncertain(
    Reason(
        "changed-since-first-attempt",
        "the certificate or the settings changed since the first attempt: a repeat would not be the same message, and nothing was sent now",
    )
)


class DigitalMailChannel(Plain):
    """``domain.channel.Channel`` for digital mail."""

    name = "digital_mail"
    message_type = "DIGITAL_MAIL"
    integration = "DigitalMailSender"
    forms: tuple[Form, ...] = FORMS

    def __init__(self, settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._whereabouts = Whereabouts(neighbours.directory, clock)
        self._enclosures = Enclosures()
        in_order = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._desks = {(name, number): Desk(name, number, account, clock) for name, account in in_order for number in account.senders}
        self.accounts = tuple(Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in in_order)
        self.questions = (
            Question(
                "{organizationNumber}/mailboxes",
                "getMailboxes",
                "Retrieve a list of digital mailboxes",
                MailboxesRequest,
                self._answer,
                SHAPE,
            ),
        )

    # -- before anything is stored ----------------------------------------------------------------------------------

    def plan(self, request: BaseModel, asked: Asked) -> Plan:
        return plan(cast(DigitalMailRequest, request), asked, self._settings)

    async def inspect(self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: Asked) -> list[Violation]:
        found = await asyncio.to_thread(content_violations, content, attachments)
        desk = self._desk(asked.municipality_id, content)
        if desk is None:
            return [*found, Violation("sendDigitalMail.organizationNumber", NOT_A_SENDER)]
        equipment = await desk.equipment()
        room = equipment.current.signer.length if isinstance(equipment, Equipment) else SIGNATURE_ROOM
        letterhead = specimen(self._settings, desk.organization, desk.sender.name, self._support_info(desk))
        return [*found, *size_violations(content, attachments, letterhead, room)]

    def _desk(self, municipality_id: str, content: Mapping[str, Any]) -> Desk | None:
        organization = content.get("_organization") or self._settings.organization_of(municipality_id)
        fitting = (d for (_, number), d in self._desks.items() if number == organization and d.sender.municipality == municipality_id)
        return next(fitting, None)

    def _support_info(self, desk: Desk) -> Mapping[str, str]:
        return (desk.sender.support_info or self._settings.support_info).members()

    # -- before an attempt ------------------------------------------------------------------------------------------

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
        if not isinstance(found, Found):
            return found
        if not isinstance(found.mailbox, Mailbox):
            return unreachable(found.mailbox)
        first = self._first(desk, draft, key, (found.recipient, found.mailbox))
        first = replace(first, certificate=equipment.current.fingerprint)
        sealing = await self._sealed(draft, first, equipment.current)
        return Ready(replace(first, fingerprint=sealing.fingerprint.hex()).written())

    def _first(self, desk: Desk, draft: Draft, key: UUID, to: tuple[str, Mailbox]) -> Frozen:
        recipient, mailbox = to
        content = draft.content
        told = (content.get("sender") or {}).get("supportInfo") or content.get("_supportInfo")
        return Frozen(
            account=desk.account_name,
            id=str(key),
            organization=desk.organization,
            sender_name=desk.sender.name,
            recipient=recipient,
            supplier=mailbox.supplier,
            address=mailbox.address,
            date=sealed_on(self._clock()),
            certificate="",
            subject="" if content.get("subject") or content.get("_subject") else self._settings.subject,
            support_info={} if told else self._support_info(desk),
        )

    async def _sealed(self, draft: Draft, frozen: Frozen, credentials: Credentials) -> Sealing:
        weight = sum(len(file.data) for file in draft.attachments) + len(draft.content.get("body") or "")
        if weight > _HEAVY:
            return await asyncio.to_thread(self._seal, draft, frozen, credentials)
        return self._seal(draft, frozen, credentials)

    def _seal(self, draft: Draft, frozen: Frozen, credentials: Credentials) -> Sealing:
        letterhead = Letterhead(
            id=frozen.id,
            recipient=frozen.recipient,
            sender="16" + frozen.organization,
            sender_name=frozen.sender_name,
            date=frozen.date,
            subject=frozen.subject,
            support_info=frozen.support_info,
        )
        return Sealing(delivery(letterhead, draft.content, draft.attachments, self._enclosures), frozen.date, credentials.signer)

    # -- an attempt -------------------------------------------------------------------------------------------------

    def able(self, draft: Draft) -> tuple[str, ...]:
        if draft.frozen is not None:
            return tuple(a.name for a in self.accounts if a.name == Frozen.read(draft.frozen).account)
        organization = draft.content.get("_organization") or self._settings.organization_of(draft.municipality_id)
        return tuple(
            name
            for (name, number), desk in self._desks.items()
            if number == organization and desk.sender.municipality == draft.municipality_id
        )

    def when_uncertain(self, account: str, draft: Draft | None = None) -> Literal["resend", "hold"]:
        """By the operator of a draft that is frozen; without one, only where all operators of the account know a repeat again."""
        operators = self._settings.accounts[account].operators
        if draft is not None and draft.frozen is not None:
            operator = operators.get(Frozen.read(draft.frozen).supplier)
            return "resend" if operator is not None and operator.deduplicates else "hold"
        return "resend" if all(operator.deduplicates for operator in operators.values()) else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        if draft.frozen is None:
            raise ValueError("a digital mail is prepared before it is sent")
        frozen = Frozen.read(draft.frozen)
        desk = self._desks.get((account, frozen.organization))
        if desk is None:
            return _NO_SENDER
        operator = desk.account.operators.get(frozen.supplier)
        if operator is None or not is_allowed(frozen.address, operator):
            return Misconfigured(FOREIGN_ADDRESS)
        equipment = await desk.equipment()
        if isinstance(equipment, Misconfigured):
            return equipment
        envelope = await self._same_envelope(draft, frozen, equipment)
        if not isinstance(envelope, bytes):
            return envelope
        outcome = await desk.deliver(frozen.address, envelope, frozen.recipient)
        return _told(outcome, operator.name, key) if isinstance(outcome, ApplicationFault) else outcome

    async def _same_envelope(self, draft: Draft, frozen: Frozen, equipment: Equipment) -> bytes | Outcome:
        """Made anew from what was frozen; what would differ by a byte is not sent."""
        credentials = equipment.of(frozen.certificate)
        if credentials is None:
            return _CHANGED
        sealing = await self._sealed(draft, frozen, credentials)
        if sealing.fingerprint.hex() != frozen.fingerprint:
            return _CHANGED
        envelope = sealing.envelope()
        if len(envelope) > LIMIT:
            return Rejected(Reason("too-large", f"the envelope would be {len(envelope)} bytes, and operators take at most {LIMIT}"))
        return envelope

    # -- questions --------------------------------------------------------------------------------------------------

    async def _answer(self, request: MailboxesRequest, asked: Asked) -> list[dict[str, Any]]:
        organization = asked.organization_number or self._settings.organization_of(asked.municipality_id)
        desk = self._desk(asked.municipality_id, {"_organization": organization})
        if desk is None:
            raise Invalid([Violation("getMailboxes.organizationNumber", NOT_A_SENDER)])
        return await mailboxes(desk, self._whereabouts, asked.municipality_id, request.root)

    def show(self, draft: Draft) -> dict[str, Any]:
        """Without the files' contents where the draft was opened without its attachments."""
        members = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {"partyIds": [draft.recipient.party_id], **members.pop("party", {})}
        if members.get("attachments"):
            contents = {file.digest.hex(): file.data for file in draft.attachments}
            members["attachments"] = [_shown(entry, contents) for entry in members["attachments"]]
        return {"party": party, **members}

    async def look(self) -> list[Health]:
        looks = await asyncio.gather(*(desk.look() for desk in self._desks.values()))
        return [Health(name, ok, sentence) for (name, _), (ok, sentence) in zip(self._desks, looks, strict=True)]

    async def close(self) -> None:
        await self._whereabouts.close()
        await asyncio.gather(*(desk.close() for desk in self._desks.values()))


def _told(fault: ApplicationFault, operator: str, key: UUID) -> Outcome:
    """No schema says what the codes mean; a fault says that the message was not taken. The call id is what to ask the operator about."""
    log.warning("application-fault", code=fault.code, call_id=fault.call_id, operator=operator, delivery=str(key))
    return Deferred(Reason("application-fault", "the mailbox operator reported a fault of its own", str(fault.code)))


def _shown(entry: Mapping[str, Any], contents: Mapping[str, bytes]) -> dict[str, Any]:
    members = {name: value for name, value in entry.items() if name != "digest"}
    data = contents.get(entry["digest"])
    return members if data is None else {**members, "content": b64encode(data).decode()}


def build(settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now) -> DigitalMailChannel:
    """Reads no file yet: certificates are read when they are first needed."""
    return DigitalMailChannel(settings, neighbours, clock)
