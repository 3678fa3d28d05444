"""Requests for messages: SMS, e-mail, web messages, Slack, push, and by contact settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from utskick_client.parts import EmailSender, ExternalReference, Parties, Party, Sending
from utskick_client.wire import Body, Wire, base64_of

# -- SMS ----------------------------------------


@dataclass(frozen=True)
class Sms(Sending):
    """SMS to one recipient.

    ``mobile_number``: in E.164, such as ``+46701740605``. ``sender``: 3-11 characters, by default
    the municipality's.
    """

    mobile_number: str
    message: str
    sender: str | None = None
    party: Party | None = None
    department: str | None = None


@dataclass(frozen=True)
class SmsRecipient(Body):
    """Recipient of a batch; ``reference`` is your own reference."""

    mobile_number: str
    party_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class SmsBatch(Sending):
    """Same SMS to up to 100 000 recipients."""

    message: str
    parties: Sequence[SmsRecipient]
    sender: str | None = None
    department: str | None = None


# -- e-mail ----------------------------------------


@dataclass(frozen=True)
class EmailAttachment(Body):
    """File attached to an e-mail."""

    name: str
    content: bytes
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class EmailContent(Sending):
    """Common members of a single e-mail and a batch.

    ``html_message``: HTML as text or bytes, encoded in base64 here. ``headers``: Message-ID,
    In-Reply-To, References, Auto-Submitted, List-Unsubscribe, List-Unsubscribe-Post
    (contract section 7).
    """

    message: str | None = None
    html_message: Annotated[str | bytes | None, Wire("htmlMessage", base64_of)] = None
    sender: EmailSender | None = None
    attachments: Sequence[EmailAttachment] | None = None
    headers: Mapping[str, Sequence[str]] | None = None
    department: str | None = None


@dataclass(frozen=True)
class Email(EmailContent):
    """E-mail to one recipient."""

    email_address: str
    subject: str
    party: Party | None = None


@dataclass(frozen=True)
class EmailRecipient(Body):
    """Recipient of a batch; ``reference`` is your own reference."""

    email_address: str
    party_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class EmailBatch(EmailContent):
    """Same e-mail to up to 100 000 recipients, as separate messages."""

    subject: str
    parties: Sequence[EmailRecipient]


# -- Open-E, Slack, push ----------------------------------------


@dataclass(frozen=True)
class WebMessageSender(Body):
    """Author of a web message, a user of Open-E."""

    user_id: str


@dataclass(frozen=True)
class WebMessageAttachment(Body):
    """File attached to a web message."""

    content: Annotated[bytes, Wire("base64Data")]
    name: Annotated[str | None, Wire("fileName")] = None
    content_type: Annotated[str | None, Wire("mimeType")] = None


@dataclass(frozen=True)
class WebMessage(Sending):
    """Message in an Open-E case, which the external reference ``flowInstanceId`` identifies."""

    party: Party
    message: str
    sender: WebMessageSender | None = None
    send_as_owner: bool | None = None
    oep_instance: Literal["INTERNAL", "EXTERNAL"] | None = None
    attachments: Sequence[WebMessageAttachment] | None = None
    department: str | None = None


@dataclass(frozen=True)
class Slack(Sending):
    """Message in a Slack channel.

    ``message``: mrkdwn. ``token``: by default the municipality's.
    """

    channel: str
    message: str
    token: str | None = None
    department: str | None = None


@dataclass(frozen=True)
class Push(Sending):
    """Notification to all devices of the parties.

    ``ttl``: seconds. ``topic``: a newer notification replaces an older one.
    """

    party: Parties
    title: str
    message: str
    url: str | None = None
    topic: str | None = None
    urgency: Literal["very-low", "low", "normal", "high"] | None = None
    ttl: int | None = None
    department: str | None = None


# -- by contact settings ----------------------------------------


@dataclass(frozen=True)
class MessageParty(Body):
    """Recipient whose contact settings select the channel."""

    party_id: str
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class SmsSender(Body):
    """Sender of an SMS."""

    name: str


@dataclass(frozen=True)
class MessageSender(Body):
    """Senders by channel."""

    email: EmailSender | None = None
    sms: SmsSender | None = None


@dataclass(frozen=True)
class Message(Body):
    """Message to one recipient.

    ``filters``: select which delegates also receive it. ``html_message``: as in an e-mail.
    """

    party: MessageParty
    message: str
    subject: str | None = None
    html_message: Annotated[str | bytes | None, Wire("htmlMessage", base64_of)] = None
    sender: MessageSender | None = None
    filters: Mapping[str, Sequence[str]] | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Messages(Sending):
    """Any number of messages with different contents."""

    messages: Sequence[Message]
