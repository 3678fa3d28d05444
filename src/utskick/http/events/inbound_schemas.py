"""Response models of inbound messages."""

from __future__ import annotations

from uuid import UUID

from utskick.http.operation.schemas import LocalTime, Response, member


class InboundMessage(Response):
    """What a person wrote to a number of ours."""

    id: UUID | None = member("Id of the message", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3e")
    received_at: LocalTime | None = member(
        "Swedish local time without zone", "2026-02-25T15:54:39.254123"
    )
    sender: str | None = member(
        "Number of the person. Absent: the key of that month was destroyed", "+46701740605"
    )
    recipient: str | None = member("Number that it was sent to", "71456")
    text: str | None = member("Text. Absent: the key of that month was destroyed", "STOPP")
    stop: bool | None = member("Whether the whole text is a word that asks for no more messages")
    missing_parts: int | None = member(
        "Parts of a long message that never came; the text is what there is without them", 0
    )
    account: str | None = member("Provider account that received it")


class InboundPage(Response):
    """A page of inbound messages."""

    messages: list[InboundMessage] | None = member("Messages, oldest first")
    next: str | None = member("Value of `after` for the next page, opaque")
    more: bool | None = member("`true`: request the next page at once")
