"""The one table of scopes: which operation needs which (RFC 6749 section 3.3). What is not in it
cannot be served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

#: The scopes that are not of one channel, each with what it allows.
SCOPES: Final[Mapping[str, str]] = {
    "status:read": "See how batches, messages and deliveries stand",
    "history:read": "Read what was said to whom, with its files",
    "statistics:read": "Read how much was sent",
    "events:read": "Follow what becomes of deliveries",
    "webhooks:write": "Set up webhooks, and call them",
    "directory:read": "Read parties, contact settings, delegates and devices",
    "directory:write": "Change parties, contact settings, delegates and devices",
    "party:read": "Read everything that is known of a person",
    "party:erase": "Erase a person",
    "retention:read": "Read retention rules, what they removed, and holds",
    "retention:write": "Say how long messages are kept",
    "holds:write": "Keep something whatever the rules say, and end it",
    "deliveries:resolve": "Decide on deliveries that are held in doubt",
    "admin": "Change how the service works for a municipality",
}

#: Operation → scope. The forms without a municipality, which end in ``Short``, need the same. What
#: a channel's own calls need: ``sending``.
_OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "status:read": ("getBatchStatus", "getMessageStatus", "getDeliveryStatus", "getBatchEvents"),
    "history:read": (
        "getConversationHistory",
        "getMessage",
        "getMessageMetadata",
        "readAttachment",
        "readAttachmentByRequestParameter",
        "getUserBatches",
        "getUserMessages",
        "getUserMessage",
    ),
    "statistics:read": (
        "getStatistics",
        "getDepartmentStatistics",
        "getDepartmentStatistics_1",
        "getStatisticsByDepartment",
    ),
    "events:read": ("getEvents",),
    "webhooks:write": (
        "createWebhook",
        "getWebhooks",
        "getWebhook",
        "deleteWebhook",
        "enableWebhook",
        "rotateWebhookSecret",
        "pingWebhook",
    ),
    "directory:read": (
        "findContactSettings",
        "findContactSettingsByDestination",
        "readContactSetting",
        "readContactSettingChildren",
        "findDelegates",
        "readDelegate",
        "readDelegateFilter",
        "getParty",
        "getSubscriptions",
    ),
    "directory:write": (
        "createContactSetting",
        "updateContactSetting",
        "deleteContactSetting",
        "createDelegate",
        "deleteDelegate",
        "createDelegateFilter",
        "updateDelegateFilter",
        "deleteDelegateFilter",
        "putParty",
        "createSubscription",
        "deleteSubscription",
    ),
    "party:read": ("getPartyExtract",),
    "party:erase": ("deleteParty",),
    "retention:read": ("getRetentionRules", "getRetentionProtocol", "getHolds", "getHold"),
    "retention:write": ("putRetentionRule", "deleteRetentionRule"),
    "holds:write": ("createHold", "liftHold"),
    "deliveries:resolve": ("resolveDelivery",),
    "admin": ("getConfigurations", "getConfiguration", "putConfiguration", "deleteConfiguration"),
}
_NEEDED: Final = {
    operation: scope for scope, operations in _OPERATIONS.items() for operation in operations
}

#: Operations that need no token. Receipts show secrets of their own; tokens are given out to who
#: proves who they are.
PUBLIC: Final = frozenset(
    {
        "live",
        "ready",
        "takeReceipt",
        "takeReceiptWithSecret",
        "token",
        "jwks",
        "metadata",
        "openidMetadata",
    }
)


def sending(channel: str) -> str:
    """What sending by a channel needs, and what it can be asked: ``digital-mail:send``."""
    return f"{channel.replace('_', '-')}:send"


def needed(operation: str) -> str | None:
    """The scope of an operation; None: it is public. Raises ``KeyError`` where the table does not
    know it."""
    if operation in PUBLIC:
        return None
    return _NEEDED[operation.removesuffix("Short")]


def every(channels: Iterable[str]) -> dict[str, str]:
    """All scopes that there are with these channels, each with what it allows."""
    return {**{sending(name): f"Send by {name.replace('_', ' ')}" for name in channels}, **SCOPES}
