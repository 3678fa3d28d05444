"""Where the description is served: as JSON, as YAML, and as a page to read and try."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import orjson
import yaml
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.openapi.utils import get_openapi

from utskick.http.context import ApiContext
from utskick.http.docs.schemas import schemas
from utskick.http.operation import security
from utskick.http.operation.responses import REQUEST_ID

TAGS: Final = [
    {
        "name": "Sending Resources",
        "description": "What is to be sent: to one, to many; by one channel or by whichever reaches them",
    },
    {"name": "History Resources", "description": "How it stands, and what has been sent to whom"},
    {
        "name": "Statistics Resources",
        "description": "How much was sent, by channel and by department",
    },
    {
        "name": "Events",
        "description": "What became of deliveries, one after the other, for systems that keep up",
    },
    {"name": "Webhooks", "description": "Being told what becomes of deliveries"},
    {
        "name": "Resolving Resources",
        "description": "A person's decision on deliveries of which nobody knows whether they went out",
    },
    {"name": "Contact Settings", "description": "How people want to be reached"},
    {"name": "Delegates", "description": "Who is told what another is told"},
    {"name": "Parties", "description": "Who stands behind a party id"},
    {
        "name": "Retention",
        "description": "How long messages are kept, by whose decision, and what has been removed",
    },
    {
        "name": "Configuration",
        "description": "What municipalities, organisations and departments say of channels and limits",
    },
    {"name": "Holds", "description": "What is kept whatever the rules say"},
    {"name": "Push Subscriptions", "description": "The devices that take push messages"},
    {"name": "Receipts", "description": "What providers report"},
    {"name": "Tokens", "description": "Access tokens, for systems that are to call this API"},
    {"name": "Health", "description": "For probes"},
    {"name": "API", "description": "This description"},
]
_ITSELF: Final = {
    "operationId": "getApiDocs",
    "summary": "This description, as YAML",
    "tags": ["API"],
    "responses": {
        "200": {
            "description": "OK",
            "content": {"application/yaml": {"schema": {"type": "string"}}},
        }
    },
}


def _answers(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (
        answer
        for path in paths.values()
        for operation in path.values()
        for answer in operation["responses"].values()
    )


def install(app: FastAPI, service: ApiContext) -> None:
    """``/openapi.json``, the same as YAML at ``/api-docs``, and Swagger UI at ``/docs``, from files
    of the package."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                license_info=app.license_info,
                tags=TAGS,
                servers=[{"url": "/", "description": "This service"}],
            )
            found["components"] = {
                "schemas": schemas(service),
                "headers": {"RequestId": REQUEST_ID},
            }
            if ways := security.schemes(service):
                found["components"]["securitySchemes"] = ways
            found["paths"]["/api-docs"] = {"get": _ITSELF}
            for answer in _answers(found["paths"]):
                answer.setdefault("headers", {})["x-request-id"] = {
                    "$ref": "#/components/headers/RequestId"
                }
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    async def as_yaml(_request: Request) -> Response:
        return Response(
            yaml.safe_dump(described(), sort_keys=False, allow_unicode=True),
            media_type="application/yaml",
        )

    async def as_json(_request: Request) -> Response:
        return Response(orjson.dumps(described()), media_type="application/json")

    app.add_route("/openapi.json", as_json)
    app.add_route("/api-docs", as_yaml)
    app.add_route("/api-docs.yaml", as_yaml)
    app.add_route("/docs", _page)
    app.add_route("/docs/{name}", _asset)


_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


_SCRIPT: Final = 'SwaggerUIBundle({url:"/openapi.json",dom_id:"#ui",deepLinking:true})'
#: Only what the page itself brings; the one script in it by its digest.
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    f"script-src 'self' 'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'"
)


async def _page(_request: Request) -> Response:
    return Response(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Utskick API</title>'
        '<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script>'
        f"<script>{_SCRIPT}</script></html>",
        headers={"Content-Security-Policy": _POLICY},
        media_type="text/html",
    )


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404)
    return Response(
        files("fastapi_swagger").joinpath("resources", name).read_bytes(), media_type=_ASSETS[name]
    )
