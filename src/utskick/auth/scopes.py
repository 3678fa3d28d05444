"""OAuth 2.0 scopes (RFC 6749 section 3.3).

Which operation needs which is part of its declaration (``http.operation``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

#: Scopes that do not belong to one channel, each with what it allows.
SCOPES: Final[Mapping[str, str]] = {
    "status:read": "Read the status of batches, messages and deliveries",
    "history:read": "Read the history of messages, with content and files",
    "statistics:read": "Read delivery statistics",
    "events:read": "Read status changes of deliveries",
    "inbound:read": "Read what people have written to numbers of the municipality",
    "webhooks:write": "Read, create, change and call webhooks",
    "directory:read": "Read parties, contact settings, delegates and devices",
    "directory:write": "Change parties, contact settings, delegates and devices",
    "party:read": "Read all stored data about a person",
    "party:erase": "Erase a person",
    "retention:read": "Read retention rules, the retention log, and holds",
    "retention:write": "Change how long messages are kept",
    "holds:write": "Place and lift holds",
    "deliveries:resolve": "Decide on deliveries with an unknown outcome",
    "audit:read": "Read the audit log of a municipality",
    "health:read": "Read the state of the parts of the service",
    "admin": "Read and change the configuration of a municipality",
}


def sending(channel: str) -> str:
    """Return the scope of a channel's own operations: ``digital-mail:send``."""
    return f"{channel.replace('_', '-')}:send"


def every(channels: Iterable[str]) -> dict[str, str]:
    """Return all scopes with these channels, each with what it allows."""
    return {**{sending(name): f"Send by {name.replace('_', ' ')}" for name in channels}, **SCOPES}
