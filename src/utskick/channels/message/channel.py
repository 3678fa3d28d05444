"""Message channel: routes by the methods in the person's contact settings (contract 6.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.message.requests import Message, MessageRequest
from utskick.channels.message.settings import MessageSettings
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
from utskick.domain.directory_ports import Contact, Directory, Method
from utskick.domain.leg import Leg
from utskick.domain.outcome import Deferred, Outcome, Reason, Rejected
from utskick.domain.phone_number import national_to_msisdn
from utskick.domain.preparation import Prepared, Route, Routed
from utskick.domain.recipient import Recipient, once_each

#: Channel name by contact method.
CHANNELS: Final = {Method.SMS: "sms", Method.EMAIL: "email", Method.PUSH: "push"}

_NO_SETTINGS: Final = Reason("no-contact-settings", "the person has no known contact settings")
_NOT_WANTED: Final = Reason("no-contact-wanted", "the person does not want to be contacted")
_UNKNOWN: Final = Reason(
    "undeliverable-unknown-method",
    "the person's contact settings contain no supported method, or no number that can be read",
)

#: A text that is too long for an SMS is no fault of a message that may go by e-mail.
_DEFERRED: Final = ("message", "title")

FORMS: Final = (
    SendEndpoint(
        "messages",
        "sendMessages",
        "Send messages by their recipients' contact settings",
        MessageRequest,
        None,
        many=True,
        limit=32 * 1_048_576,
    ),
)


class MessageChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for messages.

    ``prepare`` routes each delivery to deliveries by other channels.
    """

    name = "message"
    message_type = "MESSAGE"
    integration = "ContactSettings"
    label = "Meddelande"
    forms: tuple[SendEndpoint, ...] = FORMS
    accounts: tuple[Account, ...] = ()
    legs = tuple(CHANNELS.values())
    ahead = 200

    def __init__(self, settings: MessageSettings, directory: Directory) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._directory = directory

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:  # noqa: ARG002
        if not isinstance(request, MessageRequest):
            raise TypeError(f"{type(request).__name__} is not a message request")
        recipients, entries = once_each(
            Recipient(
                "",
                m.party.party_id,
                m.reference,
                content=m.stored_members(),
                own_legs=self._legs(m),
            )
            for m in request.messages
        )
        is_single = len(recipients) == 1
        urgent = request.priority == "HIGH"
        return Plan(
            content={},
            recipients=recipients,
            entries=entries,
            priority=(Priority.HIGH if urgent else Priority.NORMAL)
            if is_single
            else (Priority.NORMAL if urgent else Priority.BULK),
            reference=request.reference,
            send_at=request.send_at,
            valid_until=request.valid_until,
            each="messages",
        )

    def _legs(self, message: Message) -> dict[str, Leg]:
        """Return a leg for each channel; which of them are used is not known yet."""
        said, sender = message.stored_members(), message.sender
        party = {"party": said["party"]} if "party" in said else {}
        sms = {
            "message": message.message,
            **party,
            **({"sender": sender.sms.name} if sender and sender.sms else {}),
        }
        email = {
            "subject": message.subject or self._settings.subject,
            "message": message.message,
            **party,
        }
        if message.html_message is not None:
            email["htmlMessage"] = message.html_message
        if sender is not None and sender.email is not None:
            email["sender"] = {k: v for k, v in sender.email.model_dump(by_alias=True).items() if v}
        push = {
            "title": message.subject or self._settings.subject,
            "message": message.message,
            **party,
        }
        contents = {"sms": sms, "email": email, "push": push}
        return {name: Leg(content, (), _DEFERRED) for name, content in contents.items()}

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        assert draft.recipient.party_id is not None
        contacts = await self._directory.contacts(
            draft.municipality_id, draft.recipient.party_id, draft.content.get("filters") or {}
        )
        if isinstance(contacts, Deferred):
            return contacts
        return _routed(contacts)

    def able(self, draft: Draft) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:  # noqa: ARG002
        raise TypeError("a message is sent by the channels it is routed to")

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        party = {"partyId": draft.recipient.party_id, **visible.get("party", {})}
        return {**visible, "party": party}

    async def look(self) -> list[AccountHealth]:
        return []


def _routed(contacts: Sequence[Contact]) -> Prepared:
    if not contacts:
        return Rejected(_NO_SETTINGS)
    wanted = [contact for contact in contacts if not contact.disabled]
    if not wanted:
        return Rejected(_NOT_WANTED)
    found = [
        _route(contact.method, contact.destination)
        for contact in wanted
        if contact.method is not None
    ]
    routes = tuple(dict.fromkeys(route for route in found if route is not None))
    return Routed(routes) if routes else Rejected(_UNKNOWN)


def _route(method: Method, destination: str) -> Route | None:
    """Build a route; phone numbers become E.164, and the destination of PUSH is the party.

    None: a register's number that is none, which a provider might take for another.
    """
    if method is Method.SMS:
        number = national_to_msisdn(destination)
        return Route(CHANNELS[method], number) if number is not None else None
    return Route(CHANNELS[method], destination)


def build(settings: MessageSettings, directory: Directory) -> MessageChannel:
    """Build the channel."""
    return MessageChannel(settings, directory)
