"""Response models of history, users and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, create_model

from utskick.domain.request_parts import AddressBody as Address
from utskick.http.history.counted_types import CountedTypes
from utskick.http.messages.schemas import (
    Lifecycle,
    MessageStatus,
    MessageType,
    NoticeResult,
    SmsMeasure,
)
from utskick.http.operation.placeholders import TYPE_EXAMPLE
from utskick.http.operation.schemas import Int32, Int64, LocalTime, Response, member


class HistoryResponse(Response):
    """A delivery in the history."""

    additions: ClassVar = frozenset(
        {"lifecycle", "message_id", "delivery_id", "reference", "sms", "notices"}
    )
    only_known_types: ClassVar[bool] = True

    message_type: MessageType | None = member("Type of the message")
    status: MessageStatus | None = member("Status in the terms of the contract")
    content: Any | None = member(
        'Content of the message in the form of its request; `{"erased": true}` where it was erased'
    )
    timestamp: LocalTime | None = member(
        "Swedish local time without zone", "2026-02-25T15:54:39.254123"
    )
    lifecycle: Lifecycle | None = member("Life-cycle status, more detailed than `status`")
    message_id: UUID | None = member(
        "Id of the message to one recipient", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
    )
    delivery_id: UUID | None = member("Id of the delivery", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3e")
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    sms: SmsMeasure | None = member("Encoding and segments of an SMS")
    notices: list[NoticeResult] | None = member("What was worth knowing when it was accepted")


class ShortHistoryResponse(Response):
    """A message in the history of a person."""

    sender: str | None = member("Sender")
    message: str | None = member("The text", "Skolan är stängd i dag.")
    subject: str | None = member("The subject", "Skolan i dag")
    message_type: MessageType | None = member("Type of the message")
    status: MessageStatus | None = member("Status in the terms of the contract")
    timestamp: LocalTime | None = member(
        "Swedish local time without zone", "2026-02-25T15:54:39.254123"
    )


class PagingMetaData(Response):
    """Position of a page."""

    page: Int32 | None = member("Number of the page, from 1", 1)
    limit: Int32 | None = member("Maximum number of entries on a page", 15)
    count: Int32 | None = member("Number of entries on this page", 13)
    total_records: Int64 | None = member("Number of entries on all pages", 98)
    total_pages: Int32 | None = member("Number of pages", 7)


class Status(Response):
    """Number of messages of a batch by outcome."""

    additions: ClassVar = frozenset({"pending"})

    successful: Int32 | None = member("Messages with at least one sent delivery", 13)
    unsuccessful: Int32 | None = member("Messages without a sent delivery", 2)
    pending: Int32 | None = member("Messages that are not settled yet", 0)


class Batch(Response):
    """A request of a user and its outcome."""

    batch_id: str | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    message_type: str | None = member("Type of the message", TYPE_EXAMPLE)
    subject: str | None = member("The subject", "Skolan i dag")
    sent: LocalTime | None = member(
        "When it was sent, Swedish local time", "2026-02-25T15:54:39.254123"
    )
    attachment_count: Int32 | None = member("Number of attached files", 1)
    recipient_count: Int32 | None = member("Number of recipients", 15)
    status: Status | None = member("Number of messages by outcome")


class UserBatches(Response):
    """A page of the batches of a user, newest first."""

    batches: list[Batch] | None = member("Batches")
    meta: PagingMetaData | None = member("Position of the page", alias="_meta")


class MessageAttachment(Response):
    """Name and type of a file of a message."""

    file_name: str | None = member("The name of the file", "beslut.pdf")
    content_type: str | None = member("The media type", "application/pdf")


class Recipient(Response):
    """A recipient of a message with the outcome."""

    status: str | None = member("Status in the terms of the contract", "SENT")
    message_type: str | None = member("Type of the message", TYPE_EXAMPLE)
    address: Address | None = member("Street address or box")
    mobile_number: str | None = member("A number in E.164", "+46701740605")
    person_id: str | None = member(
        "The recipient's personal or organisation number, where the directory knows it",
        "2120002411",
    )


class UserMessage(Response):
    """A message of a user."""

    additions: ClassVar = frozenset({"batch_id", "reference", "erased"})

    message_id: str | None = member(
        "Id of the message to one recipient", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
    )
    batch_id: str | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    issuer: str | None = member("User who sent it (`X-Sent-By`)", "joe01doe")
    origin: str | None = member("Calling system (`x-origin`)", "CASEDATA")
    sent: LocalTime | None = member(
        "When it was sent, Swedish local time", "2026-02-25T15:54:39.254123"
    )
    subject: str | None = member("The subject", "Skolan i dag")
    body: str | None = member("The text; in Base64 where `contentType` is `text/html`", "Hej!")
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    recipients: list[Recipient] | None = member("One entry for each delivery")
    attachments: list[MessageAttachment] | None = member("Files")
    erased: bool | None = member(
        "`true`: the content is unreadable, since the encryption key of its month was destroyed"
    )


class UserMessages(Response):
    """A page of the messages of a user."""

    messages: list[UserMessage] | None = member("Messages")
    meta: PagingMetaData | None = member("Position of the page", alias="_meta")


class StatisticsCounter(Response):
    """Number of deliveries by outcome."""

    additions: ClassVar = frozenset({"not_sent", "pending", "awaiting_feedback", "hand_over_fails"})

    sent: Int32 | None = member("Sent deliveries", 13)
    failed: Int32 | None = member("Failed deliveries", 2)
    not_sent: Int32 | None = member("Deliveries that a provider declined", 0)
    pending: Int32 | None = member("Deliveries that are not settled yet", 0)
    awaiting_feedback: Int32 | None = member("Deliveries whose outcome is not known yet", 0)
    hand_over_fails: Int32 | None = member(
        "Of the sent ones: letters that are gathered and cannot be handed over to the printing "
        "house for now; absent where there are none",
        12,
    )


class StatisticsModels:
    """Models of statistics, whose members are the message types of the installed channels."""

    def __init__(self, types: CountedTypes) -> None:
        plain = [kind for kind in types.every if kind not in types.routed]
        self.whole = _model(
            "Statistics",
            "Deliveries by type; those of routed requests by the channel that carried them",
            {
                **_counters(plain),
                **{kind: _routed(kind, types) for kind in types.routed},
            },
            additions=types.beyond,
        )
        letter_counters = _counters(types.legs(types.listed), types.listed)
        by_department = _model(
            "DepartmentLetterStatistics",
            "Letters of one department",
            letter_counters,
            _DEPARTMENT,
            additions=frozenset(types.listed),
        )
        self.letters = _model(
            "DepartmentStatistics",
            "Letters of one calling system, by department",
            {},
            {**_ORIGIN, "DEPARTMENT_STATISTICS": (_list_of(by_department), "Departments", None)},
        )
        self.department = _model(
            "DepartmentStats",
            "Letters and SMS of one calling system and department",
            _counters(types.legs(types.counted), types.counted),
            {**_ORIGIN, **_DEPARTMENT},
            additions=frozenset(types.listed),
        )


def _routed(kind: str, types: CountedTypes) -> type[BaseModel]:
    listed = kind in types.listed  # the contract has no undeliverable letters (Q23)
    return _model(
        f"{kind.title()}Statistics",
        f"Requests of the type {kind}, by the channel that carried them",
        _counters(types.legs([kind])),
        {_UNDELIVERABLE: (Int32, "Requests that no channel could carry", 2)},
        additions=types.beyond | ({_UNDELIVERABLE} if listed else frozenset()),
    )


def _counters(*types: Sequence[str]) -> dict[str, Any]:
    return dict.fromkeys(chain(*types), StatisticsCounter)


def _list_of(model: type[BaseModel]) -> Any:
    return list[model]  # type: ignore[valid-type]


_UNDELIVERABLE: Final = "UNDELIVERABLE"
_DEPARTMENT: dict[str, Any] = {
    "DEPARTMENT": (
        str,
        "Department; `Ej kategoriserad` where none was given",
        "SBK(Gatuavdelningen, Trafiksektionen)",
    )
}
_ORIGIN: dict[str, Any] = {
    "ORIGIN": (str, "Calling system (`x-origin`); `Other` where none was given", "CASEDATA")
}


def _model(
    name: str,
    description: str,
    counters: Mapping[str, Any],
    others: Mapping[str, tuple[Any, str, Any]] | None = None,
    *,
    additions: frozenset[str] = frozenset(),
) -> type[BaseModel]:
    """Build a response model.

    ``others``: type, description and example by member. ``additions``: members that the contract
    does not have.
    """
    fields: dict[str, Any] = {
        key: (kind | None, member(text, example, alias=key))
        for key, (kind, text, example) in (others or {}).items()
    }
    fields |= {
        kind: (model | None, member(f"Deliveries of the type {kind}", alias=kind))
        for kind, model in counters.items()
    }
    made: type[Response] = create_model(name, __base__=Response, __doc__=description, **fields)
    made.additions = additions
    return made
