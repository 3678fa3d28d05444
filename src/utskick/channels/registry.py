"""Registry of channels: builder and settings section by channel name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from utskick.channels.digital_invoice import channel as digital_invoice
from utskick.channels.digital_invoice.settings import DigitalInvoiceSettings
from utskick.channels.digital_mail import channel as digital_mail
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.channels.email import channel as email
from utskick.channels.email.settings import EmailSettings
from utskick.channels.letter import channel as letter
from utskick.channels.letter.settings import LetterSettings
from utskick.channels.message import channel as message
from utskick.channels.message.settings import MessageSettings
from utskick.channels.push import channel as push
from utskick.channels.push.settings import PushSettings
from utskick.channels.slack import channel as slack
from utskick.channels.slack.settings import SlackSettings
from utskick.channels.sms import channel as sms
from utskick.channels.sms.settings import SmsSettings
from utskick.channels.snail_mail import channel as snail_mail
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.channels.web_message import channel as web_message
from utskick.channels.web_message.settings import WebMessageSettings
from utskick.domain.channel import Channel
from utskick.domain.directory_ports import Neighbours
from utskick.outgoing.settings_types import ChannelSection


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """How to build one channel.

    ``section``: model of its settings. ``build``: makes the channel from its section and the
    directory ports. ``municipal``: all departments of a municipality share one account and one
    hand-over.
    """

    section: type[ChannelSection]
    build: Callable[[Any, Neighbours], Channel]
    municipal: bool = False


#: All channels, by name.
CHANNELS: dict[str, ChannelEntry] = {
    "sms": ChannelEntry(SmsSettings, lambda section, _: sms.build(section)),
    "email": ChannelEntry(EmailSettings, lambda section, _: email.build(section)),
    "digital_invoice": ChannelEntry(DigitalInvoiceSettings, digital_invoice.build),
    "digital_mail": ChannelEntry(DigitalMailSettings, digital_mail.build),
    "snail_mail": ChannelEntry(SnailMailSettings, snail_mail.build, municipal=True),
    "web_message": ChannelEntry(
        WebMessageSettings, lambda section, ports: web_message.build(section, ports.directory)
    ),
    "slack": ChannelEntry(SlackSettings, lambda section, _: slack.build(section)),
    "push": ChannelEntry(PushSettings, push.build),
    "letter": ChannelEntry(LetterSettings, lambda section, _: letter.build(section)),
    "message": ChannelEntry(
        MessageSettings, lambda section, ports: message.build(section, ports.directory)
    ),
}

#: The order in which answers list the contract's message types; those of other channels follow.
_LISTED = (
    "message",
    "email",
    "sms",
    "web_message",
    "digital_mail",
    "digital_invoice",
    "snail_mail",
    "letter",
    "slack",
    "push",
)
#: Channel name by message type, in that order.
TYPES: dict[str, str] = {name.upper(): name for name in dict.fromkeys((*_LISTED, *CHANNELS))}

#: Channels with provider accounts of their own; the others route to these.
SPOKEN: tuple[str, ...] = tuple(
    name for name, entry in CHANNELS.items() if "accounts" in entry.section.model_fields
)
