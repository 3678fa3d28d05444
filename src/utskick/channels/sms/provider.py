"""What the channel knows of a provider, and the words they share."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson

from utskick.channels.outgoing import Answer
from utskick.domain.channel import Hook, Receipt
from utskick.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS as every provider takes it: ``number`` in E.164, ``urgent`` where the caller said HIGH."""

    sender: str
    number: str
    text: str
    urgent: bool = False


class Provider(Protocol):
    """One provider account, spoken to."""

    def carries(self, number: str) -> bool:
        """Whether the provider delivers to this number (E.164)."""
        ...

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        """One attempt; ``key`` goes along where the protocol has room for it."""
        ...

    def read_report(self, hook: Hook) -> list[Receipt]:
        """A report whose origin has been verified. Raises ``Unreadable``."""
        ...


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def members(body: bytes) -> Mapping[str, Any]:
    """The members of a JSON object; none where the body is anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def taken(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def moment(text: object) -> datetime | None:
    """An ISO 8601 time, with or without its zone; None for everything else."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
