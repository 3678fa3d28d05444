"""The seam that a channel implements.

Plan (pure), inspect, prepare, send (the only I/O with an effect), read a receipt.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

from utskick.domain.attachment import Attachment
from utskick.domain.batch_policy import BatchPolicy
from utskick.domain.errors import Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.leg import Leg
from utskick.domain.notice import Notice
from utskick.domain.outcome import Outcome, Reason
from utskick.domain.preparation import Prepared
from utskick.domain.receipt import Keep, Receipt
from utskick.domain.recipient import Recipient
from utskick.domain.unit import Unit


class Priority(StrEnum):
    """The contract's priorities, and one for batches below both."""

    HIGH = "HIGH"
    NORMAL = "NORMAL"
    BULK = "BULK"


#: What becomes of a message that is not settled when its synchronous call stops waiting. *cancel*:
#: what is known not to have been sent is cancelled; the answer is final, as the peer's (Q31).
#: *continue*: it is answered as pending, and sent later.
Unsettled = Literal["cancel", "continue"]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where a request came in: municipality, organisation number and query parameters.

    ``organization_number``: where the path has one. ``department``: as the request names it, where
    it has been read.
    """

    municipality_id: str
    organization_number: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    department: str | None = None

    @property
    def unit(self) -> Unit:
        return Unit(self.municipality_id, self.organization_number, self.department)


@dataclass(frozen=True, slots=True)
class Plan:
    """A validated request: one shared content, and the recipients it goes to.

    ``content``: JSON members, the request without its recipients, as history shows it; members that
    begin with ``_`` are not visible. ``legs``: what is handed over to other channels, by channel.
    ``entries``: for each recipient of the request, in its order, the index into ``recipients``
    (exact duplicates share one). ``remarks``: members added to the answer and to the history (SMS:
    encoding, segments). ``secret``: what a delivery needs and nobody may read (a token): encrypted
    while it is pending, erased when it has settled. ``each``: the member of the request that the
    recipients' own contents come from (``messages[i]``). ``batch_id``: where the caller names the
    batch itself; several requests may share it. ``organization_number``: of the path, where it has
    one; with ``department`` it determines whose configuration applies. ``unsettled``: what becomes
    of a message whose synchronous call stops waiting. ``notices``: what inspection found, for the
    answer; they are also in the contents that they are of.
    """

    content: dict[str, Any]
    recipients: Sequence[Recipient]
    entries: Sequence[int]
    attachments: tuple[Attachment, ...] = ()
    priority: Priority = Priority.NORMAL
    department: str | None = None
    reference: str | None = None
    send_at: datetime | None = None
    valid_until: datetime | None = None
    remarks: dict[str, Any] = field(default_factory=dict)
    secret: bytes | None = None
    batch_id: UUID | None = None
    each: str = ""
    organization_number: str | None = None
    legs: Mapping[str, Leg] = field(default_factory=dict)
    unsettled: Unsettled = "continue"
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to one recipient, as it is handed to a provider.

    ``frozen``: what ``prepare`` fixed at the first attempt. ``secret``: as the plan has it.
    ``letters``: of a print batch, with their delivery ids, None for an erased one; ``leave_out``
    fails those it goes without, and may be repeated. ``organization_number``, ``department``: of
    the unit. ``deferred``: of a leg, the members inspected before the attempt, not at acceptance.
    ``expires_at``: it must not be delivered later, where the provider can be told so.
    """

    municipality_id: str
    content: Mapping[str, Any]
    recipient: Recipient
    attachments: tuple[Attachment, ...] = ()
    priority: Priority = Priority.NORMAL
    created_at: datetime | None = None
    frozen: bytes | None = None
    secret: bytes | None = None
    letters: Callable[[], AsyncIterator[tuple[UUID, Draft | None]]] | None = None
    leave_out: Callable[[Mapping[UUID, Reason]], Awaitable[None]] | None = None
    organization_number: str | None = None
    department: str | None = None
    deferred: tuple[str, ...] = ()
    expires_at: datetime | None = None

    @property
    def unit(self) -> Unit:
        return Unit(self.municipality_id, self.organization_number, self.department)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter of an endpoint. ``kind``: the contract's rule for it."""

    name: str
    kind: Literal["uuid"]
    required: bool = True


@dataclass(frozen=True, slots=True)
class SendEndpoint:
    """A request body that a channel accepts: path below the municipality, operation and model.

    ``path`` may hold ``{organizationNumber}``. ``short``: the model of the form without
    municipality in the path (contract 0.1), None where there is no such form. ``many``: answered as
    a batch. ``waits``: whether a call may wait for the outcome. ``limit``: bytes of the body.
    ``lenient``: answered with 201 also when its one delivery has failed (contract Q4).
    """

    path: str
    operation: str
    summary: str
    request: type[BaseModel]
    short: type[BaseModel] | None
    many: bool
    limit: int
    waits: bool = True
    lenient: bool = False
    parameters: tuple[Parameter, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class ChannelQuery:
    """A call of a channel's own that sends nothing (``POST …/mailboxes``).

    ``ask`` returns the answer's JSON value; it raises ``UtskickError`` for what the caller can act
    on. ``answer``: the model of that value, or a list of one.
    """

    path: str
    operation: str
    summary: str
    request: type[BaseModel]
    ask: Callable[[Any, RequestContext], Awaitable[Any]]
    answer: Any
    limit: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Account:
    """One provider account, with its limits.

    ``rate``: calls, or what else ``units`` counts, a second; None without limit. ``reports``:
    whether it calls back, so that a report may arrive before its delivery has settled. ``label``:
    its name for people, where that is another one.
    """

    name: str
    provider: str
    priority: int
    concurrency: int
    rate: float | None = None
    reports: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """The result of a health check of a provider account, with a sentence without secrets.

    ``warns``: it works, and somebody must act before long (a certificate that expires).
    """

    account: str
    ok: bool
    sentence: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class ProviderCallback:
    """A provider's call to the service: which account it claims to come from, and its proof."""

    account: str
    secret: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Channel(Protocol):
    """A channel, as the engine uses it."""

    @property
    def name(self) -> str: ...

    @property
    def message_type(self) -> str: ...

    @property
    def integration(self) -> str: ...

    @property
    def label(self) -> str:
        """Swedish name of the channel, for the extract that a person gets."""
        ...

    @property
    def forms(self) -> tuple[SendEndpoint, ...]: ...

    @property
    def accounts(self) -> tuple[Account, ...]: ...

    @property
    def questions(self) -> tuple[ChannelQuery, ...]: ...

    @property
    def legs(self) -> tuple[str, ...]:
        """Other channels that this one's requests may go by."""
        ...

    @property
    def titled(self) -> bool:
        """Whether its messages have a subject or files (contract 9.1)."""
        ...

    @property
    def history_facts(self) -> HistoryFacts: ...

    @property
    def gathering(self) -> BatchPolicy | None: ...

    @property
    def ahead(self) -> int:
        """How many deliveries may be prepared beyond those that are sent at once."""
        ...

    @property
    def failure_title(self) -> str | None:
        """Title of the problem when a synchronous call's one delivery failed, or None."""
        ...

    @property
    def unsettled(self) -> Unsettled:
        """What becomes of a message that is not settled when its call stops waiting."""
        ...

    @property
    def not_found(self) -> frozenset[str]:
        """Reason codes of a failed delivery that the contract answers with 404 (Q28)."""
        ...

    def plan(self, request: BaseModel, context: RequestContext) -> Plan:
        """Validate and split a request. Pure.

        Raises ``Invalid`` with every broken rule, ``NotBuilt`` where the municipality has no such
        account.
        """
        ...

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], context: RequestContext
    ) -> Sequence[Violation | Notice]:
        """Return the faults that are too slow or too dangerous to find in ``plan``, and notices.

        Called before anything is stored; a PDF is opened in a child process. Also called for the
        content that another channel's request hands over (a letter's). Fields are named as in this
        channel's own request, ``attachments[i]`` by the position in ``attachments``.
        """
        ...

    def completed(self, draft: Draft) -> Draft:
        """Return the draft with this channel's settings filled in where it has none. Pure.

        For a leg, whose content another channel made. The result may be prepared, inspected and
        sent by a channel with other defaults, and becomes what this one would have made of it. A
        complete draft is returned as it is.
        """
        ...

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        """Find out, before an attempt, who the recipient is, where it goes and what is fixed.

        Reads only. An ``Outcome`` is known not to have been sent, and ends the attempt before its
        call.
        """
        ...

    def able(self, draft: Draft) -> tuple[str, ...]:
        """Return the names of the accounts that can carry this draft, first choice first."""
        ...

    def destination(self, draft: Draft) -> str | None:
        """Return the service beyond the accounts that this and other recipients depend on, if any.

        A mail domain, a mailbox operator, a push service: it has a circuit breaker and a limit of
        its own. Called after ``prepare``. It names no person, because it is shown and logged.
        """
        ...

    def units(self, draft: Draft, account: str) -> int:
        """Return how many units the account's ``rate`` counts for this draft (parts of an SMS)."""
        ...

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        """Return what an uncertain outcome means.

        *resend*: the provider de-duplicates on the delivery's id, or a second copy is harmless and
        identical. *hold*: wait for a receipt or a person.
        """
        ...

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        """Make one attempt. Never raises for what a provider does.

        ``key``: the delivery's id, the same on every attempt.
        """
        ...

    async def ask(
        self, draft: Draft, key: UUID, account: str, reference: str | None
    ) -> Outcome | None:
        """Query the provider about an uncertain attempt.

        None: it cannot be queried, or knows nothing.
        """
        ...

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:
        """Verify and read a provider's report. Raises ``Unauthorized`` or ``Unreadable``."""
        ...

    def show(self, draft: Draft) -> dict[str, Any]:
        """Return the content as the contract's history has it: the request of one recipient.

        Remarks are beside it.
        """
        ...

    async def look(self) -> list[AccountHealth]:
        """Check whether each account's provider can be reached."""
        ...

    def report_to(self, keep: Keep) -> None:
        """Set, before ``start``, where receipts go that come over the channel's own connection."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
