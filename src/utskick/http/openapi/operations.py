"""Operations: what a call takes and answers, as the contract has it, ours beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from utskick.domain.channel import Form, Gathering, Question
from utskick.http.openapi.parameters import HEADERS, path_parameter
from utskick.http.openapi.responses import problems_of
from utskick.http.openapi.schemas import REF, RESULTS


def sending(form: Form, *, short: bool) -> dict[str, Any]:
    model = (form.short if short and form.short else form.request).__name__
    parameters = [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": text,
            "schema": {"type": "string"},
            **({"deprecated": True} if old else {}),
        }
        for name, text, old in HEADERS
    ]
    if not short:
        parameters += [path_parameter(name) for name in re.findall(r"{(\w+)}", f"{{municipalityId}}/{form.path}")]
    parameters += [
        {"name": p.name, "in": "query", "required": p.required, "schema": {"type": "string", "format": p.kind}} for p in form.parameters
    ]
    if form.waits:
        text = "Answer at once, without waiting for the delivery"
        parameters.append(
            {"name": "async", "in": "query", "required": False, "description": text, "schema": {"type": "boolean", "default": False}}
        )
    result = "MessageBatchResult" if form.many else "MessageResult"
    return {
        "operationId": form.operation + ("Short" if short else ""),
        "summary": form.summary,
        "tags": ["Sending Resources"],
        **({"deprecated": True} if form.deprecated else {}),
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}},
        "responses": {
            "201": {
                "description": "Successful Operation",
                "headers": {"Location": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{result}"}}},
            },
            **problems_of(400, 404, 409, 413, 415, 422, 500, 501, 502, 503),
        },
    }


def question(asked: Question, path: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{asked.request.__name__}"}
    return {
        "operationId": asked.operation,
        "summary": asked.summary,
        "tags": ["Sending Resources"],
        "parameters": [path_parameter(name) for name in re.findall(r"{(\w+)}", path)],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "Successful Operation", "content": {"application/json": {"schema": dict(asked.shape)}}},
            **problems_of(400, 413, 415, 500, 502, 503),
        },
    }


def closing(gathering: Gathering, path: str) -> dict[str, Any]:
    return {
        "operationId": gathering.operation,
        "summary": gathering.summary,
        "tags": ["Sending Resources"],
        "parameters": [path_parameter(name) for name in re.findall(r"{(\w+)}", path)],
        "responses": {"200": {"description": "Successful Operation"}, **problems_of(400, 404, 500, 503)},
    }


def reading(operation: str, summary: str, path: str) -> dict[str, Any]:
    kind = operation.removesuffix("Short")
    parameters = [path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    if kind == "getConversationHistory":
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": f"{name} date (inclusive)",
                "schema": {"type": "string", "format": "date"},
            }
            for name in ("from", "to")
        ]
    if kind == "getBatchStatus":
        text = "false: only the counts per status"
        parameters.append(
            {"name": "messages", "in": "query", "required": False, "description": text, "schema": {"type": "boolean", "default": True}}
        )
    short = "{municipalityId}" not in path and kind == operation
    described: dict[str, Any] = {
        "operationId": operation + ("Short" if short else ""),
        "summary": summary,
        "tags": ["Resolving Resources" if kind == "resolveDelivery" else "Status and History Resources"],
        "parameters": parameters,
        "responses": {
            "200": {"description": "Successful Operation", "content": {"application/json": {"schema": RESULTS[kind]}}},
            **problems_of(400, 404, 500, 503),
        },
    }
    if kind == "resolveDelivery":
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ResolveRequest"}}},
        }
        described["responses"].update(problems_of(409, 413, 415))
    return described


@dataclass(frozen=True, slots=True)
class Operation:
    """A call as it is described. ``answer`` and ``body`` name schemas; ``filters``: any other query parameter is taken, too."""

    id: str
    summary: str
    tag: str
    status: int = 200
    answer: str | None = None
    many: bool = False
    body: str | None = None
    query: tuple[str, ...] = ()
    optional: bool = False
    filters: bool = False
    conflict: bool = False

    def described(self, path: str) -> dict[str, Any]:
        parameters = [path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
        parameters += [{"name": n, "in": "query", "required": not self.optional, "schema": {"type": "string"}} for n in self.query]
        if self.filters:
            words = {"type": "object", "additionalProperties": {"type": "string"}}
            parameters.append({"name": "query", "in": "query", "required": False, "style": "form", "explode": True, "schema": words})
        success: dict[str, Any] = {"description": "Successful Operation"}
        if self.answer:
            shape = {"$ref": REF.format(model=self.answer)}
            success["content"] = {"application/json": {"schema": {"type": "array", "items": shape} if self.many else shape}}
        if self.status == 201:
            success["headers"] = {"Location": {"schema": {"type": "string"}}}
        faults = (400, 404, 500, 503, *((413, 415) if self.body else ()), *((409,) if self.conflict else ()))
        described: dict[str, Any] = {
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": parameters,
            "responses": {str(self.status): success, **problems_of(*sorted(faults))},
        }
        if self.body:
            schema = {"$ref": REF.format(model=self.body)}
            described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return described


def receipt(operation: str, path: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": "A provider's delivery report; verified by the secret in the path or by HTTP Basic",
        "tags": ["Receipts"],
        "parameters": [path_parameter(name) for name in re.findall(r"{(\w+)}", path)],
        "responses": {"200": {"description": "Kept"}, **problems_of(400, 401, 404, 413, 500, 503)},
    }


def plain(operation: str, summary: str, tag: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "Successful Operation", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
