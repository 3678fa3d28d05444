"""The one seam that a channel implements: plan (pure), send (the only I/O), read a receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

from utskick.domain.attachment import Attachment
from utskick.domain.outcome import Outcome, Reason
from utskick.domain.recipient import Recipient


class Priority(StrEnum):
    """The contract's words, and the lane for batches below both."""

    HIGH = "HIGH"
    NORMAL = "NORMAL"
    BULK = "BULK"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request comes to: one shared content, and the recipients it goes to. Everything has been validated.

    ``content``: JSON members, the request without its recipients, as history shows it. ``entries``: for each
    recipient of the request, in its order, the index into ``recipients`` (exact duplicates share one).
    ``remarks``: members added to the answer and to the history (SMS: encoding, segments).
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


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to one recipient, as it is handed to a provider. Opened from the store, sealed again by nobody."""

    municipality_id: str
    content: Mapping[str, Any]
    recipient: Recipient
    attachments: tuple[Attachment, ...] = ()
    priority: Priority = Priority.NORMAL
    created_at: datetime | None = None


class Report(StrEnum):
    """What a provider's receipt says of a delivery."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's later word on one delivery. ``key`` is our delivery id where the provider returns it, else None."""

    provider: str
    report: Report
    key: UUID | None
    reference: str | None
    at: datetime | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One body that a channel takes: its path below the municipality, the operation's name, the model, and its kind.

    ``short``: the model of the form without municipality in the path (contract 0.1); ``many``: a batch, always asynchronous.
    """

    path: str
    operation: str
    summary: str
    request: type[BaseModel]
    short: type[BaseModel]
    many: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Account:
    """One provider account as the engine paces it. ``rate`` in calls a second, None without limit."""

    name: str
    provider: str
    priority: int
    concurrency: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at a provider account found: reachable or not, and a sentence without secrets."""

    account: str
    ok: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Hook:
    """A provider's call to us: which account it claims to come from, and all that proves it."""

    account: str
    secret: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Channel(Protocol):
    """What the engine knows of a channel."""

    @property
    def name(self) -> str: ...

    @property
    def message_type(self) -> str: ...

    @property
    def integration(self) -> str: ...

    @property
    def forms(self) -> tuple[Form, ...]: ...

    @property
    def accounts(self) -> tuple[Account, ...]: ...

    def plan(self, request: BaseModel, municipality_id: str) -> Plan:
        """Validate and split. Raises ``Invalid`` with every broken rule. Pure."""
        ...

    def able(self, draft: Draft) -> tuple[str, ...]:
        """Names of the accounts that can carry this draft, first choice first."""
        ...

    def when_uncertain(self, account: str) -> Literal["resend", "hold"]:
        """*resend*: the provider de-duplicates on our key, or a second copy is harmless and identical. *hold*: wait."""
        ...

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        """One attempt. ``key`` is the delivery's id, the same on every attempt. Never raises for what a provider does."""
        ...

    async def ask(self, draft: Draft, key: UUID, account: str, reference: str | None) -> Outcome | None:
        """What the provider knows of an uncertain attempt; None where it cannot be asked or knows nothing."""
        ...

    def read_receipt(self, hook: Hook) -> list[Receipt]:
        """Verify and read. Raises ``Unauthorized`` or ``Unreadable``."""
        ...

    def show(self, draft: Draft) -> dict[str, Any]:
        """The content as the contract's history shows it: the request of one recipient, remarks beside it."""
        ...

    async def look(self) -> list[Health]:
        """Whether each account's provider can be reached."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
