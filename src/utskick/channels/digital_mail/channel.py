"""Digital mail channel: planning, mailbox lookup, signing, sealing and delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast
from uuid import UUID

import structlog
from pydantic import BaseModel

from utskick.channels.digital_mail.composer import Composer, Snapshot
from utskick.channels.digital_mail.enclosures import Enclosures
from utskick.channels.digital_mail.mailbox_lookup import LookupResult, MailboxLookup
from utskick.channels.digital_mail.mailboxes import MailboxResult, mailboxes
from utskick.channels.digital_mail.planning import (
    NOT_A_SENDER,
    SIGNATURE_ROOM,
    body_violations,
    may_be_too_large,
    plan,
    sample_letterhead,
    size_violations,
)
from utskick.channels.digital_mail.reachability import (
    FOREIGN_ADDRESS,
    NO_LEGAL_ID,
    UNREACHABLE_REASONS,
    Mailbox,
    is_allowed,
    unreachable,
)
from utskick.channels.digital_mail.requests import DigitalMailRequest, MailboxesRequest
from utskick.channels.digital_mail.sender_account import SenderAccount, SenderClients
from utskick.channels.digital_mail.settings import DigitalMailSettings, MailboxOperator
from utskick.channels.digital_mail.soap_responses import ApplicationFault, sender_refused
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
from utskick.domain.errors import Invalid, Unavailable, Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.notice import Notice
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected
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

_NO_SENDER: Final = Misconfigured(Reason("no-sender", NOT_A_SENDER), Concern.OURSELVES)


class DigitalMailChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for digital mail."""

    name = "digital_mail"
    message_type = "DIGITAL_MAIL"
    titled = True
    history_facts = HistoryFacts(names_batch=True, substitute="snail_mail")
    integration = "DigitalMailSender"
    label = "Digital post"
    #: Reasons that the contract answers with 404 for a single recipient (Q28).
    not_found = frozenset(reason.code for reason in UNREACHABLE_REASONS)
    #: Number of recipients looked up in one call to the register.
    ahead = 500
    forms: tuple[SendEndpoint, ...] = FORMS

    def __init__(
        self, settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._lookup = MailboxLookup(neighbours.directory, clock)
        self._composer = Composer(settings, clock)
        self._enclosures = Enclosures()
        in_order = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._senders = {
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
                self._mailboxes,
                list[MailboxResult],
            ),
        )

    # -- acceptance ----------------------------------------

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        planned = plan(cast(DigitalMailRequest, request), asked)
        defaults = self._defaults(asked.municipality_id, planned.content)
        return replace(planned, content={**planned.content, **defaults})

    def completed(self, draft: Draft) -> Draft:
        """Fill in the defaults ``_organization``, ``_subject`` and ``_supportInfo``."""
        defaults = self._defaults(draft.municipality_id, draft.content)
        return replace(draft, content={**draft.content, **defaults}) if defaults else draft

    def _defaults(self, municipality_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members missing in the content, from the settings."""
        members: dict[str, Any] = {}
        organization = self._organization(municipality_id, content)
        if "_organization" not in content and organization is not None:
            members["_organization"] = organization
        sender = self._sender(municipality_id, {"_organization": organization})
        subject, support_info = self._composer.defaults(content, sender)
        if "_subject" not in content and subject:
            members["_subject"] = subject
        if "_supportInfo" not in content and support_info:
            members["_supportInfo"] = dict(support_info)
        return members

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> list[Violation | Notice]:
        found: list[Violation | Notice] = []
        found += await asyncio.to_thread(body_violations, content)
        try:
            found += await self._enclosures.inspect(attachments)
            if any(isinstance(each, Notice) for each in found):
                content, attachments = await self._enclosures.mended(content, attachments)
        except OSError as fault:
            raise Unavailable(
                "attachments cannot be checked at the moment; try again later"
            ) from fault
        return [*found, *await self._sending_faults(content, attachments, asked, found)]

    async def _sending_faults(
        self,
        content: Mapping[str, Any],
        attachments: Sequence[Attachment],
        asked: RequestContext,
        found: Sequence[Violation | Notice],
    ) -> list[Violation]:
        """Check sender and size. ``found``: what was found before."""
        sender = self._sender(asked.municipality_id, content)
        if sender is None:
            return [Violation("sendDigitalMail.organizationNumber", NOT_A_SENDER)]
        if any(each.field == "body" for each in found):
            return []  # the size of an unreadable body is unknown
        clients = await sender.clients()
        signature = (
            clients.current.signer.length if isinstance(clients, SenderClients) else SIGNATURE_ROOM
        )
        defaults = self._composer.defaults(content, sender)
        letterhead = sample_letterhead(sender.organization, sender.sender.name, *defaults)
        return size_violations(content, attachments, letterhead, signature)

    def _organization(self, municipality_id: str, content: Mapping[str, Any]) -> str | None:
        named: str | None = content.get("_organization")
        return named or self._settings.organization_of(municipality_id)

    def _sender(self, municipality_id: str, content: Mapping[str, Any]) -> SenderAccount | None:
        return next(iter(self._senders_of(municipality_id, content)), None)

    def _senders_of(
        self, municipality_id: str, content: Mapping[str, Any]
    ) -> Iterator[SenderAccount]:
        """Iterate over the accounts of the content's organisation, by priority.

        Only those that this municipality may send for. The one whose settings have the recipient's
        mailbox operator carries the message.
        """
        organization = self._organization(municipality_id, content)
        return (
            sender
            for (_, number), sender in self._senders.items()
            if number == organization and sender.sender.municipality == municipality_id
        )

    # -- preparation ----------------------------------------

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        """Look up the mailbox and fix all variable parts; once fixed, they never change."""
        if draft.frozen is not None:
            return Ready(draft.frozen)
        prepared = await self._enclosures.prepared(draft)
        if not isinstance(prepared, Draft):
            return prepared
        draft = prepared
        senders = tuple(self._senders_of(draft.municipality_id, draft.content))
        if not senders:
            return _NO_SENDER
        clients = await senders[0].clients()
        if isinstance(clients, Misconfigured):
            return clients
        if too_large := self._too_large(draft, senders[0], clients):
            return too_large
        party_id = draft.recipient.party_id
        if party_id is None:
            return unreachable(NO_LEGAL_ID)
        result = await self._lookup.find(senders, draft.municipality_id, party_id)
        if not isinstance(result, LookupResult):
            return result
        if not isinstance(result.mailbox, Mailbox):
            return unreachable(result.mailbox)
        clients = await result.sender.clients()
        if isinstance(clients, Misconfigured):
            return clients
        snapshot = await self._composer.freeze(
            draft, key, result.sender, (result.recipient, result.mailbox), clients.current
        )
        return Ready(snapshot.encode())

    def _too_large(
        self, draft: Draft, sender: SenderAccount, clients: SenderClients
    ) -> Rejected | None:
        """Reject what no mailbox takes: of a letter, which then goes on paper."""
        if not may_be_too_large(draft.content, draft.attachments):
            return None
        defaults = self._composer.defaults(draft.content, sender)
        letterhead = sample_letterhead(sender.organization, sender.sender.name, *defaults)
        violations = size_violations(
            draft.content, draft.attachments, letterhead, clients.current.signer.length
        )
        if not violations:
            return None
        return Rejected(Reason("too-large-for-mailbox", violations[0].message))

    # -- sending ----------------------------------------

    def able(self, draft: Draft) -> tuple[str, ...]:
        if draft.frozen is not None:
            account = Snapshot.decode(draft.frozen).account
            return tuple(a.name for a in self.accounts if a.name == account)
        return tuple(
            sender.account_name for sender in self._senders_of(draft.municipality_id, draft.content)
        )

    def destination(self, draft: Draft) -> str | None:
        """Return the name of the mailbox operator."""
        if draft.frozen is None:
            return None
        snapshot = Snapshot.decode(draft.frozen)
        account = self._settings.accounts.get(snapshot.account)
        operator = account.operators.get(snapshot.supplier) if account is not None else None
        return operator.name if operator is not None else snapshot.supplier

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        """Decide by the draft's operator, or before preparation by all operators of the account."""
        operators = self._settings.accounts[account].operators
        if draft.frozen is not None:
            operator = operators.get(Snapshot.decode(draft.frozen).supplier)
            return "resend" if operator is not None and operator.deduplicates else "hold"
        return "resend" if all(operator.deduplicates for operator in operators.values()) else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        if draft.frozen is None:
            raise ValueError("a digital mail must be prepared before it is sent")
        snapshot = Snapshot.decode(draft.frozen)
        sender = self._senders.get((account, snapshot.organization))
        if sender is None:
            return _NO_SENDER
        operator = sender.account.operators.get(snapshot.supplier)
        if operator is None or not is_allowed(snapshot.address, operator):
            return Misconfigured(FOREIGN_ADDRESS, Concern.OURSELVES)
        clients = await sender.clients()
        if isinstance(clients, Misconfigured):
            return clients
        prepared = await self._enclosures.prepared(draft)
        if not isinstance(prepared, Draft):
            return prepared
        envelope = await self._composer.envelope(prepared, snapshot, clients)
        if not isinstance(envelope, bytes):
            return envelope
        outcome = await sender.deliver(snapshot.address, envelope, snapshot.recipient)
        if isinstance(outcome, ApplicationFault):
            return _application_fault(outcome, operator, key)
        return outcome

    # -- queries ----------------------------------------

    async def _mailboxes(
        self, request: MailboxesRequest, asked: RequestContext
    ) -> list[dict[str, Any]]:
        organization = asked.organization_number or self._settings.organization_of(
            asked.municipality_id
        )
        senders = tuple(self._senders_of(asked.municipality_id, {"_organization": organization}))
        if not senders:
            raise Invalid([Violation("getMailboxes.organizationNumber", NOT_A_SENDER)])
        return await mailboxes(senders, self._lookup, asked.municipality_id, request.root)

    def show(self, draft: Draft) -> dict[str, Any]:
        members = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {"partyIds": [draft.recipient.party_id], **members.pop("party", {})}
        if members.get("attachments"):
            members["attachments"] = listed(members["attachments"], draft.attachments)
        return {"party": party, **members}

    async def look(self) -> list[AccountHealth]:
        """Check all organisations of each account; faults come first in the sentence."""
        results = await asyncio.gather(*(sender.check() for sender in self._senders.values()))
        return [
            _combined(account.name, [each for each in results if each.account == account.name])
            for account in self.accounts
        ]

    async def start(self) -> None:
        self._enclosures.warm()

    async def close(self) -> None:
        await self._enclosures.close()
        await self._lookup.close()
        await asyncio.gather(*(sender.close() for sender in self._senders.values()))


def _application_fault(fault: ApplicationFault, operator: MailboxOperator, key: UUID) -> Outcome:
    """Map a fault by the operator's ``fault_codes``, else by its words, else defer it.

    The message was not accepted, but no schema documents the codes. The call id is logged, as the
    operator can look it up.
    """
    log.warning(
        "application-fault",
        code=fault.code,
        call_id=fault.call_id,
        operator=operator.name,
        delivery=str(key),
    )
    code, meaning = str(fault.code), operator.fault_codes.get(fault.code)
    if meaning == "message":
        sentence = "the mailbox operator refused the message"
        return fault.worded(Rejected(Reason("refused", sentence, code)))
    if meaning == "sender":
        return fault.worded(sender_refused(code))
    sentence = "the mailbox operator reported an application fault"
    reason = Reason("application-fault", sentence, code)
    return fault.outcome(Deferred(reason, concerns=Concern.DESTINATION))


def _combined(account: str, results: Sequence[AccountHealth]) -> AccountHealth:
    ordered = sorted(results, key=lambda health: (health.ok, not health.warns))
    return AccountHealth(
        account,
        all(health.ok for health in results),
        "; ".join(health.sentence for health in ordered),
        any(health.warns for health in results),
    )


def build(
    settings: DigitalMailSettings, neighbours: Neighbours, clock: Clock = utc_now
) -> DigitalMailChannel:
    """Build the channel. Certificate files are read on first use."""
    return DigitalMailChannel(settings, neighbours, clock)
