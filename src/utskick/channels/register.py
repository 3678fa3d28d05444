"""The register of channels: name → how to build it from its section of the settings. A new channel is one more line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from utskick.channels.email import channel as email
from utskick.channels.email.settings import EmailSettings
from utskick.channels.sms import channel as sms
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import Channel
from utskick.domain.people import Neighbours


@dataclass(frozen=True, slots=True)
class Entry:
    """``section``: the model of its settings; ``build``: section and neighbours → channel."""

    section: type[BaseModel]
    build: Callable[[Any, Neighbours], Channel]


CHANNELS: dict[str, Entry] = {
    "sms": Entry(SmsSettings, lambda section, _: sms.build(section)),
    "email": Entry(EmailSettings, lambda section, _: email.build(section)),
}
