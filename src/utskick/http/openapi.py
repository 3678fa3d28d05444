"""The API's own description: operations, headers, bodies and answers, as the contract has them, ours beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from utskick.domain.channel import Form, Gathering, Question
from utskick.http import directory_requests, directory_shapes, event_shapes, record_shapes, webhook_shapes
from utskick.http.reading import ResolveRequest
from utskick.http.service import Service
from utskick.http.shapes import SHAPES

_REF = "#/components/schemas/{model}"

_HEADERS = [
    ("x-origin", "The calling system; kept with the message, drives statistics", False),
    ("X-Sent-By", "The user: `joe01doe; type=adAccount`", False),
    ("x-issuer", "Deprecated: use X-Sent-By", True),
    ("x-request-id", "Echoed; made when absent", False),
    ("Idempotency-Key", "The same key and body give the first answer again, for 24 hours", False),
]


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
        for name, text, old in _HEADERS
    ]
    if not short:
        parameters += [_path(name) for name in re.findall(r"{(\w+)}", f"{{municipalityId}}/{form.path}")]
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
            **_problems(400, 404, 409, 413, 415, 422, 500, 501, 502, 503),
        },
    }


def question(asked: Question, path: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{asked.request.__name__}"}
    return {
        "operationId": asked.operation,
        "summary": asked.summary,
        "tags": ["Sending Resources"],
        "parameters": [_path(name) for name in re.findall(r"{(\w+)}", path)],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "Successful Operation", "content": {"application/json": {"schema": dict(asked.shape)}}},
            **_problems(400, 413, 415, 500, 502, 503),
        },
    }


def closing(gathering: Gathering, path: str) -> dict[str, Any]:
    return {
        "operationId": gathering.operation,
        "summary": gathering.summary,
        "tags": ["Sending Resources"],
        "parameters": [_path(name) for name in re.findall(r"{(\w+)}", path)],
        "responses": {"200": {"description": "Successful Operation"}, **_problems(400, 404, 500, 503)},
    }


_RESULTS = {
    "getBatchStatus": {"$ref": "#/components/schemas/MessageBatchResult"},
    "getMessageStatus": {"$ref": "#/components/schemas/MessageResult"},
    "getDeliveryStatus": {"$ref": "#/components/schemas/DeliveryResult"},
    "resolveDelivery": {"$ref": "#/components/schemas/DeliveryResult"},
    "getConversationHistory": {"type": "array", "items": {"$ref": "#/components/schemas/HistoryResponse"}},
}


def reading(operation: str, summary: str, path: str) -> dict[str, Any]:
    kind = operation.removesuffix("Short")
    parameters = [_path(name) for name in re.findall(r"{(\w+)}", path)]
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
            "200": {"description": "Successful Operation", "content": {"application/json": {"schema": _RESULTS[kind]}}},
            **_problems(400, 404, 500, 503),
        },
    }
    if kind == "resolveDelivery":
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ResolveRequest"}}},
        }
        described["responses"].update(_problems(409, 413, 415))
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
        parameters = [_path(name) for name in re.findall(r"{(\w+)}", path)]
        parameters += [{"name": n, "in": "query", "required": not self.optional, "schema": {"type": "string"}} for n in self.query]
        if self.filters:
            words = {"type": "object", "additionalProperties": {"type": "string"}}
            parameters.append({"name": "query", "in": "query", "required": False, "style": "form", "explode": True, "schema": words})
        success: dict[str, Any] = {"description": "Successful Operation"}
        if self.answer:
            shape = {"$ref": _REF.format(model=self.answer)}
            success["content"] = {"application/json": {"schema": {"type": "array", "items": shape} if self.many else shape}}
        if self.status == 201:
            success["headers"] = {"Location": {"schema": {"type": "string"}}}
        faults = (400, 404, 500, 503, *((413, 415) if self.body else ()), *((409,) if self.conflict else ()))
        described: dict[str, Any] = {
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": parameters,
            "responses": {str(self.status): success, **_problems(*sorted(faults))},
        }
        if self.body:
            schema = {"$ref": _REF.format(model=self.body)}
            described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return described


def receipt(operation: str, path: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": "A provider's delivery report; verified by the secret in the path or by HTTP Basic",
        "tags": ["Receipts"],
        "parameters": [_path(name) for name in re.findall(r"{(\w+)}", path)],
        "responses": {"200": {"description": "Kept"}, **_problems(400, 401, 404, 413, 500, 503)},
    }


def plain(operation: str, summary: str, tag: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "Successful Operation", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }


def install(app: FastAPI, service: Service) -> None:
    """``/openapi.json``, the same as YAML at ``/api-docs``, and Swagger UI at ``/docs``, from files of the package."""
    models: set[type[BaseModel]] = {m for c in service.channels.values() for f in c.forms for m in (f.request, f.short) if m}
    models.update([ResolveRequest, *directory_requests.MODELS, webhook_shapes.WebhookRequest])
    models.update(q.request for c in service.channels.values() for q in c.questions)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=app.license_info
            )
            _, schemas = models_json_schema([(m, "validation") for m in sorted(models, key=lambda m: m.__name__)], ref_template=_REF)
            found.setdefault("components", {})["schemas"] = {
                **SHAPES,
                **event_shapes.SHAPES,
                **webhook_shapes.SHAPES,
                **record_shapes.SHAPES,
                **directory_shapes.SHAPES,
                **schemas.get("$defs", {}),
            }
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    async def as_yaml(_request: Request) -> Response:
        return Response(yaml.safe_dump(described(), sort_keys=False, allow_unicode=True), media_type="application/yaml")

    async def as_json(_request: Request) -> Response:
        import orjson

        return Response(orjson.dumps(described()), media_type="application/json")

    app.add_route("/openapi.json", as_json)
    app.add_route("/api-docs", as_yaml)
    app.add_route("/api-docs.yaml", as_yaml)
    app.add_route("/docs", _page)
    app.add_route("/docs/{name}", _asset)


_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


async def _page(_request: Request) -> Response:
    return Response(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Utskick API</title>'
        '<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script>'
        '<script>SwaggerUIBundle({url:"/openapi.json",dom_id:"#ui",deepLinking:true})</script></html>',
        media_type="text/html",
    )


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return Response(status_code=404)
    return Response(files("fastapi_swagger").joinpath("resources", name).read_bytes(), media_type=_ASSETS[name])


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _problems(*statuses: int) -> dict[str, Any]:
    titles = {
        400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
        422: "Unprocessable Content", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    }  # fmt: skip
    shape: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
    both = {"oneOf": [shape, {"$ref": "#/components/schemas/ConstraintViolationProblem"}]}
    return {
        str(status): {"description": titles[status], "content": {"application/problem+json": {"schema": both if status == 400 else shape}}}
        for status in statuses
    }
