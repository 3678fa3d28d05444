"""Shapes of answers in the API's description: the contract's members, ours beside them."""

from __future__ import annotations

from typing import Any

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
    },
    "ConstraintViolationProblem": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "format": "int32"},
            "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
        },
    },
    "Violation": {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}},
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
    "MessageStatus": {
        "type": "string",
        "enum": ["PENDING", "AWAITING_FEEDBACK", "SENT", "NOT_SENT", "FAILED", "NO_CONTACT_SETTINGS_FOUND", "NO_CONTACT_WANTED"],
    },
    "Reason": {
        "type": "object",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "providerCode": {"type": "string"}},
    },
    "DeliveryEvent": {
        "type": "object",
        "properties": {
            "timestamp": {"type": "string", "format": "date-time"},
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
            "lifecycle": {
                "type": "string",
                "enum": [
                    "queued",
                    "sending",
                    "sent",
                    "delivered",
                    "failed",
                    "uncertain",
                    "deferred",
                    "expired",
                    "cancelled",
                    "gathered",
                    "routed",
                ],
            },
            "attempts": {"type": "integer"},
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
            "deliveries": {"type": "array", "items": {"$ref": "#/components/schemas/DeliveryResult"}},
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
            "timestamp": {"type": "string", "format": "date-time"},
        },
    },
}
