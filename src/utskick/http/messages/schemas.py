"""Shapes of answers in the API's description: the contract's members, ours beside them."""

from __future__ import annotations

from typing import Any

from utskick.domain.status import ContractStatus, Status

#: Swedish wall time without zone, as the contract prints it; the name is that of the OpenAPI format
#: registry.
LOCAL_TIME: dict[str, Any] = {"type": "string", "format": "date-time-local"}

SHAPES: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "format": "int32"},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri"},
            "code": {"type": "string", "description": "Our own stable word for the fault"},
        },
        "not": {"required": ["violations"]},
    },
    "ConstraintViolationProblem": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "format": "int32"},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri"},
            "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
        },
        "required": ["violations"],
    },
    "Violation": {
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    },
    "MessageType": {
        "type": "string",
        "enum": [
            "MESSAGE",
            "EMAIL",
            "SMS",
            "WEB_MESSAGE",
            "DIGITAL_MAIL",
            "DIGITAL_INVOICE",
            "SNAIL_MAIL",
            "LETTER",
            "SLACK",
            "PUSH",
            "PRINT_BATCH",
        ],
    },
    "MessageStatus": {"type": "string", "enum": [status.value for status in ContractStatus]},
    "Lifecycle": {"type": "string", "enum": [status.value for status in Status]},
    "Reason": {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "providerCode": {"type": "string"},
        },
    },
    "DeliveryEvent": {
        "type": "object",
        "properties": {
            "timestamp": LOCAL_TIME,
            "status": {"type": "string"},
            "attempt": {"type": "integer"},
            "provider": {"type": "string"},
            "providerReference": {"type": "string"},
            "reason": {"$ref": "#/components/schemas/Reason"},
            "actor": {"type": "string"},
        },
    },
    "DeliveryResult": {
        "type": "object",
        "properties": {
            "deliveryId": {"type": "string", "format": "uuid"},
            "messageType": {"$ref": "#/components/schemas/MessageType"},
            "status": {"$ref": "#/components/schemas/MessageStatus"},
            "lifecycle": {"$ref": "#/components/schemas/Lifecycle"},
            "attempts": {"type": "integer"},
            "messageId": {"type": "string", "format": "uuid"},
            "batchId": {"type": "string", "format": "uuid"},
            "reference": {"type": "string"},
            "routedTo": {"type": "array", "items": {"$ref": "#/components/schemas/DeliveryResult"}},
            "reason": {"$ref": "#/components/schemas/Reason"},
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/DeliveryEvent"}},
        },
    },
    "MessageResult": {
        "type": "object",
        "properties": {
            "messageId": {"type": "string", "format": "uuid"},
            "batchId": {"type": "string", "format": "uuid"},
            "reference": {"type": "string"},
            "deliveries": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/DeliveryResult"},
            },
            "sms": {"$ref": "#/components/schemas/SmsMeasure"},
        },
    },
    "SmsMeasure": {
        "type": "object",
        "properties": {
            "encoding": {"type": "string", "enum": ["GSM-7", "UCS-2"]},
            "characters": {"type": "integer"},
            "segments": {"type": "integer"},
            "notice": {"type": "string"},
        },
    },
    "MessageBatchResult": {
        "type": "object",
        "properties": {
            "batchId": {"type": "string", "format": "uuid"},
            "reference": {"type": "string"},
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/MessageResult"}},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "duplicates": {"type": "integer"},
            "sms": {"$ref": "#/components/schemas/SmsMeasure"},
        },
    },
    "HistoryResponse": {
        "type": "object",
        "properties": {
            "messageType": {"$ref": "#/components/schemas/MessageType"},
            "status": {"$ref": "#/components/schemas/MessageStatus"},
            "content": {},
            "timestamp": LOCAL_TIME,
            "lifecycle": {"$ref": "#/components/schemas/Lifecycle"},
            "messageId": {"type": "string", "format": "uuid"},
            "deliveryId": {"type": "string", "format": "uuid"},
            "reference": {"type": "string"},
            "sms": {"$ref": "#/components/schemas/SmsMeasure"},
        },
    },
    "ShortHistoryResponse": {
        "type": "object",
        "properties": {
            "sender": {"type": "string"},
            "message": {"type": "string"},
            "subject": {"type": "string"},
            "messageType": {"$ref": "#/components/schemas/MessageType"},
            "status": {"$ref": "#/components/schemas/MessageStatus"},
            "timestamp": LOCAL_TIME,
        },
    },
    "Mailbox": {
        "type": "object",
        "properties": {
            "partyId": {"type": "string"},
            "supplier": {"type": "string"},
            "reachable": {"type": "boolean"},
            "reason": {"type": "string"},
        },
    },
}
