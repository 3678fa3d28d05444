"""Bodies of messages that are read on a screen: SMS, e-mail, web messages, Slack, push, and by the
ways that people have chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from utskick_client.parts import EmailSender, ExternalReference, Parties, Party, Sending
from utskick_client.wire import Body, Wire, base64_of

# -- SMS ----------------------------------------


@dataclass(frozen=True)
class Sms(Sending):
    """One SMS. ``mobile_number``: in E.164, ``+46701740605``. ``sender``: 3-11 characters, the
    municipality's own where None."""

    mobile_number: str
    message: str
    sender: str | None = None
    party: Party | None = None
    department: str | None = None


@dataclass(frozen=True)
class SmsRecipient(Body):
    """One of many. ``reference``: the caller's own word for the row."""

    mobile_number: str
    party_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class SmsBatch(Sending):
    """The same SMS to up to 100 000."""

    message: str
    parties: Sequence[SmsRecipient]
    sender: str | None = None
    department: str | None = None


# -- e-mail ----------------------------------------


@dataclass(frozen=True)
class EmailAttachment(Body):
    """A file."""

    name: str
    content: bytes
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class EmailContent(Sending):
    """What one e-mail and a batch of them have in common. ``html_message``: HTML as text, or the
    bytes of a page; it becomes base64.

    ``headers``: Message-ID, In-Reply-To, References, Auto-Submitted (contract section 7).
    """

    message: str | None = None
    html_message: Annotated[str | bytes | None, Wire("htmlMessage", base64_of)] = None
    sender: EmailSender | None = None
    attachments: Sequence[EmailAttachment] | None = None
    headers: Mapping[str, Sequence[str]] | None = None
    department: str | None = None


@dataclass(frozen=True)
class Email(EmailContent):
    """One e-mail."""

    email_address: str
    subject: str
    party: Party | None = None


@dataclass(frozen=True)
class EmailRecipient(Body):
    """One of many. ``reference``: the caller's own word for the row."""

    email_address: str
    party_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class EmailBatch(EmailContent):
    """The same e-mail to up to 100 000, one message to each."""

    subject: str
    parties: Sequence[EmailRecipient]


# -- Open-E, Slack, push ----------------------------------------


@dataclass(frozen=True)
class WebMessageSender(Body):
    """Who wrote it: a user of Open-E."""

    user_id: str


@dataclass(frozen=True)
class WebMessageAttachment(Body):
    """A file."""

    content: Annotated[bytes, Wire("base64Data")]
    name: Annotated[str | None, Wire("fileName")] = None
    content_type: Annotated[str | None, Wire("mimeType")] = None


@dataclass(frozen=True)
class WebMessage(Sending):
    """A message into a case of Open-E. ``party``: with the external reference ``flowInstanceId``
    that names the case."""

    party: Party
    message: str
    sender: WebMessageSender | None = None
    send_as_owner: bool | None = None
    oep_instance: Literal["INTERNAL", "EXTERNAL"] | None = None
    attachments: Sequence[WebMessageAttachment] | None = None
    department: str | None = None


@dataclass(frozen=True)
class Slack(Sending):
    """``message`` is mrkdwn. ``token``: the municipality's own where None."""

    channel: str
    message: str
    token: str | None = None
    department: str | None = None


@dataclass(frozen=True)
class Push(Sending):
    """A notification to all devices of some parties. ``ttl``: seconds. ``topic``: a newer one takes
    the place of an older."""

    party: Parties
    title: str
    message: str
    url: str | None = None
    topic: str | None = None
    urgency: Literal["very-low", "low", "normal", "high"] | None = None
    ttl: int | None = None
    department: str | None = None


# -- by the ways that people have chosen ----------------------------------------


@dataclass(frozen=True)
class MessageParty(Body):
    """Whose contact settings decide."""

    party_id: str
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class SmsSender(Body):
    """Whom an SMS is from."""

    name: str


@dataclass(frozen=True)
class MessageSender(Body):
    """Whom it is from, by the way that it goes."""

    email: EmailSender | None = None
    sms: SmsSender | None = None


@dataclass(frozen=True)
class Message(Body):
    """One message to one person. ``filters``: which of their delegates are asked too.
    ``html_message``: as in an e-mail."""

    party: MessageParty
    message: str
    subject: str | None = None
    html_message: Annotated[str | bytes | None, Wire("htmlMessage", base64_of)] = None
    sender: MessageSender | None = None
    filters: Mapping[str, Sequence[str]] | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Messages(Sending):
    """Any number of messages, each with what it says."""

    messages: Sequence[Message]
