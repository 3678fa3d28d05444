"""Response models of messages.

Results, statuses and problems, with the members of the contract and those of Utskick.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import RootModel

from utskick.domain.status import ContractStatus, Status
from utskick.http.operation.schemas import LocalTime, Response, member, words

ContractWord = Annotated[str, words(ContractStatus)]
LifecycleWord = Annotated[str, words(Status)]


class MessageType(RootModel[str]):
    """Type of message: a channel, or a request that chooses among channels.

    The values are those of the installed channels.
    """

    is_message_type: ClassVar[bool] = True


class MessageStatus(RootModel[ContractWord]):
    """Delivery status of the contract.

    `AWAITING_FEEDBACK`: it is not yet known whether it was sent.
    """


class Lifecycle(RootModel[LifecycleWord]):
    """Life-cycle status of a delivery; `docs/explanation/architecture.md` shows the transitions."""


class Reason(Response):
    """Reason of a status."""

    code: str | None = member("Stable code, for programs", "not-found")
    message: str | None = member("The reason in a sentence", "the number is not in use")
    provider_code: str | None = member("Code of the provider", "2104")


class DeliveryEvent(Response):
    """A status change of a delivery."""

    timestamp: LocalTime | None = member(
        "Swedish local time without zone", "2026-02-25T15:54:39.254123"
    )
    status: str | None = member("What happened, as a life-cycle status", "sent")
    became: str | None = member(
        "The life-cycle status of the delivery after it, where that differs: `uncertain` after a "
        "refusal, when an earlier attempt may have been accepted",
        "uncertain",
    )
    attempt: int | None = member("Number of the attempt", 1)
    provider: str | None = member("Provider account", "link")
    provider_reference: str | None = member("Id of the message at the provider", "abc-123")
    reason: Reason | None = member("Reason of the status")
    actor: str | None = member("User, where a person made the change")


class WaitsFor(Response):
    """The paused account or destination that a pending delivery waits for."""

    account: str | None = member("Provider account", "main")
    destination: str | None = member(
        "Mail domain, mailbox operator or push service, where not the whole account is paused",
        "example.se",
    )
    since: LocalTime | None = member("Since when it is paused", "2026-02-25T15:54:39.254123")
    retry_at: LocalTime | None = member("When it is tried again", "2026-02-25T15:54:41.254123")
    reason: Reason | None = member("Why it was paused")


class HandOver(Response):
    """The hand-over of a gathered letter to the printing house, while it fails.

    The letter waits: it is handed over when the printing house is well again, or fails with the
    hand-over.
    """

    account: str | None = member("Account of the printing house", "house")
    attempts: int | None = member("Number of attempts made so far", 3)
    since: LocalTime | None = member("Since when it fails", "2026-02-25T15:54:39.254123")
    retry_at: LocalTime | None = member(
        "When it is tried again; absent while it is being tried, and where a person has to decide",
        "2026-02-25T15:56:39.254123",
    )
    reason: Reason | None = member("Why the last attempt failed")


class DeliveryResult(Response):
    """One message by one channel to one recipient."""

    additions: ClassVar = frozenset(
        {
            "lifecycle",
            "attempts",
            "message_id",
            "batch_id",
            "reference",
            "waits_for",
            "routed_to",
            "reason",
            "hand_over",
            "events",
        }
    )

    delivery_id: UUID | None = member("Id of the delivery", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3e")
    message_type: MessageType | None = member("Type of the message")
    status: MessageStatus | None = member("Status in the terms of the contract")
    lifecycle: Lifecycle | None = member("Life-cycle status, more detailed than `status`")
    attempts: int | None = member("Number of attempts made", 1)
    message_id: UUID | None = member(
        "Id of the message to one recipient", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
    )
    batch_id: UUID | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    waits_for: WaitsFor | None = member("What a pending delivery waits for, if it is known")
    routed_to: list[DeliveryResult] | None = member("The deliveries that it was routed to")
    reason: Reason | None = member("Reason of the status")
    hand_over: HandOver | None = member(
        "What has come of the hand-over of a gathered letter, while it fails"
    )
    events: list[DeliveryEvent] | None = member(
        "Status changes, oldest first; of a letter also the failed attempts to hand it over (the "
        "latest 20), with the status `gathered`"
    )


class SmsMeasure(Response):
    """Encoding and number of segments of an SMS."""

    encoding: Literal["GSM-7", "UCS-2"] | None = member("Character encoding", "GSM-7")
    characters: int | None = member("Number of characters, as the encoding counts them", 23)
    segments: int | None = member("Number of segments that are sent and billed", 1)
    notice: str | None = member("Encoding notice: characters that add segments")


class NoticeResult(Response, title="Notice"):
    """What is worth knowing of a request that was accepted."""

    code: str | None = member(
        "Stable code, for programs (`docs/reference/notices.md`)", "pdf-decrypted"
    )
    field: str | None = member("The member of the request that it is about", "attachments[0]")
    text: str | None = member(
        "A sentence for people, in Swedish, or in English where `Accept-Language` prefers that",
        "PDF-filen är skyddad med ett ägarlösenord. Den kopia som skickas är utan skydd.",
    )


class MessageResult(Response):
    """A message to one recipient, and its deliveries."""

    additions: ClassVar = frozenset({"batch_id", "reference", "sms", "notices"})

    message_id: UUID | None = member(
        "Id of the message to one recipient", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
    )
    batch_id: UUID | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    deliveries: list[DeliveryResult] | None = member("One for each channel that was tried")
    sms: SmsMeasure | None = member("Encoding and segments of an SMS")
    notices: list[NoticeResult] | None = member("What is worth knowing, in the answer of sending")


class MessageBatchResult(Response):
    """Result of a request with several recipients, in the order of the request."""

    additions: ClassVar = frozenset(
        {"reference", "counts", "waiting", "waits_until", "duplicates", "sms", "notices"}
    )

    batch_id: UUID | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    messages: list[MessageResult] | None = member("Messages")
    counts: dict[str, int] | None = member("Number of deliveries per life-cycle status")
    waiting: int | None = member(
        "With `messages=false`: number of deliveries that are tried at a later time", 3
    )
    waits_until: LocalTime | None = member(
        "When the first of them is tried", "2026-02-25T15:54:39.254123"
    )
    duplicates: int | None = member(
        "Number of entries that were exact duplicates of others and are delivered once", 1
    )
    sms: SmsMeasure | None = member("Encoding and segments of an SMS")
    notices: list[NoticeResult] | None = member("What is worth knowing, in the answer of sending")
