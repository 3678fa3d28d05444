"""Shapes of the directory's answers, for the API's own description."""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final = {"type": "string"}
_UUID: Final = {"type": "string", "format": "uuid"}
_TIME: Final = {"type": "string", "format": "date-time"}


def _shape(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


SHAPES: Final[dict[str, Any]] = {
    "ContactChannel": _shape(
        contactMethod={"type": "string", "enum": ["SMS", "EMAIL", "PUSH"]}, alias=_TEXT, destination=_TEXT, disabled={"type": "boolean"}
    ),
    "ContactSetting": _shape(
        id=_UUID, partyId=_UUID, municipalityId=_TEXT, createdById=_UUID, alias=_TEXT, virtual={"type": "boolean"},
        contactChannels=_list("ContactChannel"), created=_TIME, modified=_TIME,
    ),
    "FilterRule": _shape(attributeName=_TEXT, operator={"type": "string", "enum": ["EQUALS", "NOT_EQUALS"]}, attributeValue=_TEXT),
    "Filter": _shape(id=_UUID, alias=_TEXT, channel=_TEXT, created=_TIME, modified=_TIME, rules=_list("FilterRule")),
    "Delegate": _shape(id=_UUID, principalId=_UUID, agentId=_UUID, created=_TIME, modified=_TIME, filters=_list("Filter")),
    "RegisteredParty": _shape(
        partyId=_UUID,
        type={"type": "string", "enum": ["PRIVATE", "ENTERPRISE"]},
        legalId={"type": "string", "example": "19900101-****"},
        names=_shape(firstName=_TEXT, lastName=_TEXT, organization=_TEXT),
        address=_shape(address=_TEXT, apartmentNumber=_TEXT, careOf=_TEXT, zipCode=_TEXT, city=_TEXT, country=_TEXT),
        protected={"type": "boolean"},
    ),
    "PushSubscription": _shape(id=_UUID, kind={"type": "string", "enum": ["webpush", "fcm"]}, created=_TIME),
    "SubscriptionId": _shape(id=_UUID),
}  # fmt: skip
