"""Headers, path and query parameters: each is described once, by its name."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple

from utskick.domain.retention import OTHERS, TYPES

_NAME: Final = {"type": "string", "maxLength": 255}
_UUID: Final = {"type": "string", "format": "uuid"}
_TEXT: Final = {"type": "string"}
_DATE: Final = {"type": "string", "format": "date"}
_INT32: Final = {"type": "integer", "format": "int32", "minimum": 1}
_TYPES: Final = list(TYPES)
_ID: Final = "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
_PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"


class _ParameterDescription(NamedTuple):
    text: str
    schema: dict[str, Any] = _TEXT
    example: Any = None


_PATH: Final = {
    "batchId": _ParameterDescription("The batch", _UUID, _ID),
    "channel": _ParameterDescription("The channel, as in the settings", example="sms"),
    "deliveryId": _ParameterDescription("The delivery", _UUID, _ID),
    "department": _ParameterDescription(
        "The department, as it was given when sending",
        example="SBK(Gatuavdelningen, Trafiksektionen)",
    ),
    "fileName": _ParameterDescription("The name of the file", example="beslut.pdf"),
    "filterId": _ParameterDescription("The filter", _UUID, _ID),
    "id": _ParameterDescription("Its id", _UUID, _ID),
    "messageId": _ParameterDescription("The message", _UUID, _ID),
    "messageType": _ParameterDescription(
        "The form of request, or `*` for all that have no rule of their own",
        {"enum": [*TYPES, OTHERS], **_TEXT},
        "SMS",
    ),
    "municipalityId": _ParameterDescription(
        "A municipality that is served here, by its code (or the code of a region)",
        {"type": "string", "pattern": "^[0-9]{2}(?:[0-9]{2})?$"},
        "2281",
    ),
    "organizationNumber": _ParameterDescription(
        "The organisation that sends",
        {"type": "string", "pattern": r"^([1235789][\d][2-9]\d{7})$"},
        "2120002411",
    ),
    "partyId": _ParameterDescription("A person or an organisation, by its party id", _UUID, _PARTY),
    "personId": _ParameterDescription(
        "A person, by any id of yours",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "435rfret45",
    ),
    "provider": _ParameterDescription("The provider account, as in the settings", example="link"),
    "section": _ParameterDescription("A channel, as in the settings, or `limits`", example="sms"),
    "secret": _ParameterDescription("The account's `receipt_secret`"),
    "userId": _ParameterDescription("The user who sent it (`X-Sent-By`)", example="joe01doe"),
}

_QUERY: Final = {
    "after": _ParameterDescription("Only what comes after this place in the feed"),
    "agentId": _ParameterDescription(
        "The contact setting of the one who is told, too", _UUID, _PARTY
    ),
    "async": _ParameterDescription(
        "`true`: answered at once, without waiting for the delivery",
        {"type": "boolean", "default": False},
    ),
    "batchId": _ParameterDescription("Only messages of this batch", _UUID, _ID),
    "department": _ParameterDescription("Only this department", {"type": "string", "minLength": 1}),
    "destination": _ParameterDescription(
        "A number in E.164 or an e-mail address", {"type": "string", "minLength": 1}, "+46701740605"
    ),
    "fileName": _ParameterDescription(
        "The name of the file", {"type": "string", "minLength": 1}, "beslut.pdf"
    ),
    "files": _ParameterDescription(
        "`true`: with the files' bytes", {"type": "boolean", "default": False}
    ),
    "format": _ParameterDescription(
        "What is answered; absent: by `Accept`", {"type": "string", "enum": ["json", "pdf"]}
    ),
    "follow": _ParameterDescription(
        "`true`: go on after `settled`, for reports that may still come",
        {"type": "boolean", "default": False},
    ),
    "from": _ParameterDescription("The first day (inclusive)", _DATE, "2026-01-01"),
    "limit": _ParameterDescription(
        "How many entries a page has at most", {**_INT32, "default": 15}
    ),
    "messageType": _ParameterDescription(
        "Only requests of this form", {"type": "string", "enum": _TYPES}
    ),
    "messages": _ParameterDescription(
        "`false`: only the counts of each status", {"type": "boolean", "default": True}
    ),
    "organizationNumber": _ParameterDescription(
        "The organisation",
        {"type": "string", "pattern": r"^([1235789][\d][2-9]\d{7})$"},
        "2120002411",
    ),
    "origin": _ParameterDescription("Only this calling system (`x-origin`)"),
    "page": _ParameterDescription("Which page, from 1", {**_INT32, "default": 1}),
    "partyId": _ParameterDescription("A person or an organisation, by its party id", _UUID, _PARTY),
    "principalId": _ParameterDescription(
        "The contact setting of the one whose messages are told on", _UUID, _PARTY
    ),
    "reference": _ParameterDescription(
        "The case that the order belongs to; kept in the protocol",
        {"type": "string", "maxLength": 255},
        "TR 2026/17",
    ),
    "scope": _ParameterDescription(
        "`directory`: only the entry of the directory",
        {"type": "string", "enum": ["all", "directory"], "default": "all"},
    ),
    "to": _ParameterDescription("The last day (inclusive)", _DATE, "2026-12-31"),
}

_HEADERS: Final = {
    "x-origin": _ParameterDescription(
        "The calling system; kept with the message, and what statistics are grouped by",
        _NAME,
        "CASEDATA",
    ),
    "X-Sent-By": _ParameterDescription(
        "The user who sends, as `<user>; type=adAccount`", example="joe01doe; type=adAccount"
    ),
    "x-issuer": _ParameterDescription(
        "The user who sends, where there is no `X-Sent-By`: use that one", _NAME, "joe01doe"
    ),
    "If-Match": _ParameterDescription(
        "The `ETag` of what was read: it is changed only if it still is so",
        {"type": "string"},
        '"62e8f1a2b3c4d"',
    ),
    "x-request-id": _ParameterDescription(
        "Comes back with the answer and stands in the log; made where it is absent"
    ),
    "Idempotency-Key": _ParameterDescription(
        "The same key and request give the first answer again, for 24 hours",
        {"type": "string", "minLength": 1, "maxLength": 255},
    ),
}
_OLD: Final = frozenset({"x-issuer"})
#: Of a call that somebody stands for by name.
NAMED: Final = ("x-origin", "X-Sent-By", "x-issuer")
#: Of every call that sends.
SENDING: Final = (*NAMED, "x-request-id", "Idempotency-Key")


def in_path(path: str) -> list[dict[str, Any]]:
    """Those that a path names, in its order."""
    return [
        _described("path", name, _PATH[name], required=True)
        for name in re.findall(r"{(\w+)}", path)
    ]


def in_query(*names: str, required: bool = False) -> list[dict[str, Any]]:
    return [_described("query", name, _QUERY[name], required=required) for name in names]


def in_headers(*names: str) -> list[dict[str, Any]]:
    return [
        {
            **_described("header", name, _HEADERS[name]),
            **({"deprecated": True} if name in _OLD else {}),
        }
        for name in names
    ]


def any_other() -> dict[str, Any]:
    """Query parameters whose names are the caller's own."""
    text = "Any other parameter is held against the filters of delegates"
    words = {"type": "object", "additionalProperties": _TEXT}
    return {
        "name": "query",
        "in": "query",
        "required": False,
        "description": text,
        "style": "form",
        "explode": True,
        "schema": words,
    }


def _described(
    place: Literal["path", "query", "header"],
    name: str,
    known: _ParameterDescription,
    *,
    required: bool = False,
) -> dict[str, Any]:
    example = {} if known.example is None else {"example": known.example}
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": known.text,
        "schema": dict(known.schema),
        **example,
    }
