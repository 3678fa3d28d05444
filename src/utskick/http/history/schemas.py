"""Shapes of what the calls that look back answer, in the API's description: the contract's members,
ours beside them."""

from __future__ import annotations

from typing import Any, Final

from utskick.http.messages.schemas import LOCAL_TIME

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "format": "int32"}
_LONG: Final = {"type": "integer", "format": "int64"}
_TYPE: Final = {"$ref": "#/components/schemas/MessageType"}
_WORD: Final = {"$ref": "#/components/schemas/MessageStatus"}
_COUNTER: Final = {"$ref": "#/components/schemas/StatisticsCounter"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _many(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _counters(*types: str) -> dict[str, Any]:
    return dict.fromkeys(types, _COUNTER)


SHAPES: Final[dict[str, Any]] = {
    "PagingMetaData": _object(
        page=_NUMBER, limit=_NUMBER, count=_NUMBER, totalRecords=_LONG, totalPages=_NUMBER
    ),
    "Status": _object(
        successful=_NUMBER,
        unsuccessful=_NUMBER,
        pending={**_NUMBER, "description": "Messages that are still on their way"},
    ),
    "Batch": _object(
        batchId=_TEXT,
        messageType=_TEXT,
        subject=_TEXT,
        sent=LOCAL_TIME,
        attachmentCount=_NUMBER,
        recipientCount=_NUMBER,
        status={"$ref": "#/components/schemas/Status"},
    ),
    "UserBatches": _object(
        batches=_many("Batch"), _meta={"$ref": "#/components/schemas/PagingMetaData"}
    ),
    "MessageAttachment": _object(fileName=_TEXT, contentType=_TEXT),
    "Recipient": _object(
        status=_TEXT,
        messageType=_TEXT,
        address={"$ref": "#/components/schemas/Address"},
        mobileNumber=_TEXT,
        personId=_TEXT,
    ),
    "UserMessage": _object(
        messageId=_TEXT,
        batchId=_TEXT,
        issuer=_TEXT,
        origin=_TEXT,
        sent=LOCAL_TIME,
        subject=_TEXT,
        body=_TEXT,
        reference=_TEXT,
        recipients=_many("Recipient"),
        attachments=_many("MessageAttachment"),
        erased={"type": "boolean"},
    ),
    "UserMessages": _object(
        messages=_many("UserMessage"), _meta={"$ref": "#/components/schemas/PagingMetaData"}
    ),
    "StatisticsCounter": _object(
        sent=_NUMBER, failed=_NUMBER, notSent=_NUMBER, pending=_NUMBER, awaitingFeedback=_NUMBER
    ),
    "MessageStatistics": _object(**_counters("EMAIL", "SMS", "PUSH"), UNDELIVERABLE=_NUMBER),
    "LetterStatistics": _object(**_counters("SNAIL_MAIL", "DIGITAL_MAIL"), UNDELIVERABLE=_NUMBER),
    "Statistics": _object(
        **_counters(
            "EMAIL",
            "SMS",
            "WEB_MESSAGE",
            "DIGITAL_MAIL",
            "SNAIL_MAIL",
            "DIGITAL_INVOICE",
            "SLACK",
            "PUSH",
        ),
        MESSAGE={"$ref": "#/components/schemas/MessageStatistics"},
        LETTER={"$ref": "#/components/schemas/LetterStatistics"},
    ),
    "DepartmentLetterStatistics": _object(
        DEPARTMENT=_TEXT, **_counters("SNAIL_MAIL", "DIGITAL_MAIL", "LETTER")
    ),
    "DepartmentStatistics": _object(
        ORIGIN=_TEXT, DEPARTMENT_STATISTICS=_many("DepartmentLetterStatistics")
    ),
    "DepartmentStats": _object(
        ORIGIN=_TEXT, DEPARTMENT=_TEXT, **_counters("SNAIL_MAIL", "DIGITAL_MAIL", "SMS", "LETTER")
    ),
}
