"""Parameters of operations: each described once, by place and name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from utskick.domain.retention import OTHERS
from utskick.http.operation.placeholders import CHANNEL_EXAMPLE, EACH_TYPE, TYPE_EXAMPLE

_NAME: Final = {"type": "string", "maxLength": 255}
_UUID: Final = {"type": "string", "format": "uuid"}
_TEXT: Final = {"type": "string"}
_DATE: Final = {"type": "string", "format": "date"}
_INT32: Final = {"type": "integer", "format": "int32", "minimum": 1}
_ID: Final = "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
_PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"


class _Description(NamedTuple):
    text: str
    schema: dict[str, Any] = _TEXT
    example: Any = None


_PATH: Final = {
    "batchId": _Description("The batch", _UUID, _ID),
    "channel": _Description("Name of the channel, as in the settings", example=CHANNEL_EXAMPLE),
    "deliveryId": _Description("The delivery", _UUID, _ID),
    "department": _Description(
        "The department, as it was given when sending",
        example="SBK(Gatuavdelningen, Trafiksektionen)",
    ),
    "fileName": _Description("The name of the file", example="beslut.pdf"),
    "filterId": _Description("The filter", _UUID, _ID),
    "id": _Description("Its id", _UUID, _ID),
    "messageId": _Description("The message", _UUID, _ID),
    "messageType": _Description(
        "Type of the request, or `*` for all types without a rule of their own",
        {"enum": [EACH_TYPE, OTHERS], **_TEXT},
        TYPE_EXAMPLE,
    ),
    "municipalityId": _Description(
        "Code of a municipality or region that is served here",
        {"type": "string", "pattern": "^[0-9]{2}(?:[0-9]{2})?$"},
        "2281",
    ),
    "organizationNumber": _Description(
        "Organisation number of the sender",
        {"type": "string", "pattern": r"^([1235789][\d][2-9]\d{7})$"},
        "2120002411",
    ),
    "partyId": _Description("Party id of a person or an organisation", _UUID, _PARTY),
    "personId": _Description(
        "Id of a person, chosen by the calling system",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "435rfret45",
    ),
    "provider": _Description("The provider account, as in the settings", example="link"),
    "section": _Description("A channel, as in the settings, or `limits`", example=CHANNEL_EXAMPLE),
    "secret": _Description("The account's `receipt_secret`"),
    "userId": _Description("User who sent it (`X-Sent-By`)", example="joe01doe"),
}

_QUERY: Final = {
    "after": _Description("Only events after this position of the feed"),
    "agentId": _Description("Contact setting of the agent, who receives copies", _UUID, _PARTY),
    "async": _Description(
        "`true`: respond at once, without waiting for the delivery",
        {"type": "boolean", "default": False},
    ),
    "batchId": _Description("Only messages of this batch", _UUID, _ID),
    "department": _Description("Only this department", {"type": "string", "minLength": 1}),
    "destination": _Description(
        "A number in E.164 or an e-mail address", {"type": "string", "minLength": 1}, "+46701740605"
    ),
    "fileName": _Description(
        "The name of the file", {"type": "string", "minLength": 1}, "beslut.pdf"
    ),
    "files": _Description(
        "`true`: include the content of the files", {"type": "boolean", "default": False}
    ),
    "format": _Description(
        "Format of the response; absent: as `Accept` says",
        {"type": "string", "enum": ["json", "pdf"]},
    ),
    "follow": _Description(
        "`true`: continue after `settled`, for reports that may still arrive",
        {"type": "boolean", "default": False},
    ),
    "from": _Description("The first day (inclusive)", _DATE, "2026-01-01"),
    "limit": _Description("Maximum number of entries on a page", {**_INT32, "default": 15}),
    "messageType": _Description(
        "Only requests of this type", {"type": "string", "enum": [EACH_TYPE]}
    ),
    "messages": _Description(
        "`false`: only the counts per status", {"type": "boolean", "default": True}
    ),
    "organizationNumber": _Description(
        "The organisation",
        {"type": "string", "pattern": r"^([1235789][\d][2-9]\d{7})$"},
        "2120002411",
    ),
    "origin": _Description("Only this calling system (`x-origin`)"),
    "page": _Description("Number of the page, from 1", {**_INT32, "default": 1}),
    "partyId": _Description("Party id of a person or an organisation", _UUID, _PARTY),
    "principalId": _Description(
        "Contact setting of the principal, whose messages are copied", _UUID, _PARTY
    ),
    "reference": _Description(
        "Case that the order belongs to; kept in the retention log",
        {"type": "string", "maxLength": 255},
        "TR 2026/17",
    ),
    "scope": _Description(
        "`directory`: erase only the directory entry",
        {"type": "string", "enum": ["all", "directory"], "default": "all"},
    ),
    "to": _Description("The last day (inclusive)", _DATE, "2026-12-31"),
}

_HEADERS: Final = {
    "x-origin": _Description(
        "Name of the calling system; stored with the message, and a dimension of the statistics",
        _NAME,
        "CASEDATA",
    ),
    "X-Sent-By": _Description(
        "User on whose behalf the call is made, as `<user>; type=adAccount`",
        example="joe01doe; type=adAccount",
    ),
    "x-issuer": _Description(
        "User, where `X-Sent-By` is absent. Use `X-Sent-By` instead", _NAME, "joe01doe"
    ),
    "If-Match": _Description(
        "`ETag` of the version that was read: the change is made only if it is still current",
        {"type": "string"},
        '"62e8f1a2b3c4d"',
    ),
    "x-request-id": _Description("Returned with the response and logged; generated where absent"),
    "Idempotency-Key": _Description(
        "The same key with the same request returns the first response again, for 24 hours",
        {"type": "string", "minLength": 1, "maxLength": 255},
    ),
}
_DEPRECATED: Final = frozenset({"x-issuer"})
_FEED: Final = r"^(latest|[0-9]{1,19}-[0-9]{1,19})$"
#: Parameters that mean something else in one operation.
_OWN: Final = {
    "feed.after": _Description(
        "`next` of the previous page, or `latest`. Absent: from the oldest event that is kept",
        {"type": "string", "pattern": _FEED},
    ),
    "feed.limit": _Description(
        "Maximum number of events on a page",
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    ),
    "audit.after": _Description(
        "`next` of the previous page: the number of a link. Absent: from the first entry",
        {"type": "integer", "minimum": 0, "default": 0},
    ),
    "audit.limit": _Description(
        "Maximum number of entries on a page",
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    ),
    "inbound.after": _Description(
        "`next` of the previous page, or `latest`. Absent: from the oldest message that is kept",
        {"type": "string", "pattern": _FEED},
    ),
    "inbound.limit": _Description(
        "Maximum number of messages on a page",
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    ),
    "feed.origin": _Description("Only events of messages with exactly this `x-origin`"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. ``place``: ``path``, ``query`` or ``header``; ``schema``: JSON Schema."""

    place: Literal["path", "query", "header"]
    name: str
    description: str
    schema: Mapping[str, Any]
    required: bool = False
    example: Any = None
    deprecated: bool = False
    free: bool = False

    def document(self) -> dict[str, Any]:
        """Build the parameter object of OpenAPI."""
        found = {
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "description": self.description,
            **({"deprecated": True} if self.deprecated else {}),
            **({"style": "form", "explode": True} if self.free else {}),
            "schema": dict(self.schema),
        }
        return found if self.example is None else {**found, "example": self.example}


def _parameter(
    place: Literal["path", "query", "header"],
    name: str,
    known: _Description,
    *,
    required: bool = False,
) -> Parameter:
    return Parameter(
        place,
        name,
        known.text,
        known.schema,
        required=required,
        example=known.example,
        deprecated=name in _DEPRECATED,
    )


def path_parameters(path: str) -> list[Parameter]:
    """Return the parameters that a path names, in its order."""
    return [
        _parameter("path", name, _PATH[name], required=True)
        for name in re.findall(r"{(\w+)}", path)
    ]


def query(*names: str, required: bool = False) -> tuple[Parameter, ...]:
    """Return query parameters. ``feed.limit``: that of the event feed."""
    found = {**_QUERY, **_OWN}
    return tuple(
        _parameter("query", name.rpartition(".")[2], found[name], required=required)
        for name in names
    )


def header(*names: str) -> tuple[Parameter, ...]:
    """Return request headers."""
    return tuple(_parameter("header", name, _HEADERS[name]) for name in names)


#: Headers that name the user and the calling system, of operations that are recorded with them.
CALLER: Final = header("x-origin", "X-Sent-By", "x-issuer")
#: Headers of every operation that sends.
SENDING: Final = (*CALLER, *header("x-request-id", "Idempotency-Key"))
#: Header that identifies the owner of webhooks.
OWNER: Final = (
    Parameter(
        "header",
        "x-origin",
        "Name of the calling system. It sees its own webhooks only, and receives events of "
        "messages that its client sent under this name",
        {"type": "string", "minLength": 1, "maxLength": 255},
        required=True,
    ),
)
#: Query parameters with names of the caller's choice.
ANY_OTHER: Final = (
    Parameter(
        "query",
        "query",
        "Any other parameter is matched against the filters of delegates",
        {"type": "object", "additionalProperties": _TEXT},
        free=True,
    ),
)
