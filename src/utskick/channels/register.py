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


@dataclass(frozen=True, slots=True)
class Entry:
    """``section``: the model of its settings; ``build``: section → channel."""

    section: type[BaseModel]
    build: Callable[[Any], Channel]


CHANNELS: dict[str, Entry] = {
    "sms": Entry(SmsSettings, sms.build),
    "email": Entry(EmailSettings, email.build),
}
