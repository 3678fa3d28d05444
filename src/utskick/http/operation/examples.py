"""Examples of request bodies of operations that belong to no channel, by the name of the schema.

The models of channels bring their own (``example``).
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

_PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"

EXAMPLES: Final[dict[str, Any]] = {
    "ConfigurationRequest": {"sender": "Sundsvall", "segment_limit": 4},
    "ContactSettingCreateRequest": {
        "partyId": _PARTY,
        "alias": "Mina uppgifter",
        "contactChannels": [
            {"contactMethod": "SMS", "alias": "Mobilen", "destination": "+46701740605"}
        ],
    },
    "ContactSettingUpdateRequest": {
        "contactChannels": [
            {"contactMethod": "EMAIL", "alias": "Arbetet", "destination": "anna@example.se"}
        ]
    },
    "DelegateCreateRequest": {
        "principalId": "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c",
        "agentId": "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d",
        "filters": [
            {
                "alias": "Allt",
                "rules": [{"attributeName": "*", "operator": "EQUALS", "attributeValue": "*"}],
            }
        ],
    },
    "FilterBody": {
        "alias": "Allt",
        "rules": [{"attributeName": "*", "operator": "EQUALS", "attributeValue": "*"}],
    },
    "HoldRequest": {
        "kind": "party",
        "id": _PARTY,
        "reason": "Begärd för tillsyn",
        "reference": "TR 2026/17",
    },
    "PartyRequest": {
        "legalId": "2120002411",
        "names": {"organization": "Sundsvalls kommun"},
        "address": {"address": "Norrmalmsgatan 4", "zipCode": "85185", "city": "Sundsvall"},
    },
    "ResolveRequest": {"decision": "give-up"},
    "RetentionRequest": {"days": 730, "decision": "KS 2026/123"},
    "SubscriptionRequest": {
        "party": {"partyId": _PARTY},
        "fcm": {"token": "the-token-that-the-app-was-given"},
    },
    "WebhookRequest": {
        "url": "https://receiver.example.se/utskick",
        "statuses": ["delivered", "failed"],
        "description": "Ärendesystemet",
    },
}


def example_of(model: type[BaseModel]) -> Any:
    """Return the example of a request model; None where it has none."""
    return getattr(model, "example", None) or EXAMPLES.get(model.__name__)
