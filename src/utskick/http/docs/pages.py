"""The description of the API: OpenAPI as JSON and YAML, ``/api-info``, and Swagger UI."""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

import orjson
import yaml
from fastapi import FastAPI, HTTPException, Request, Response

from utskick import __version__
from utskick.http.context import ApiContext
from utskick.http.operation import PUBLIC, Answer, Operation, RateClass, Route
from utskick.http.operation.document import document
from utskick.http.operation.schemas import Response as ResponseModel
from utskick.http.operation.schemas import Uri, member
from utskick.http.pipeline.routing import Routes
from utskick.http.wire.responses import json_response, without_nulls

#: Date of the release of this version.
_RELEASED: Final = "2026-11-30"


class ApiInfo(ResponseModel):
    """Information about the API (Digg's REST API profile, VER.06)."""

    api_name: str | None = member("Name", "Utskick")
    api_version: str | None = member("Version", "0.2.0")
    api_released: date | None = member("Release date of the version", "2026-11-30")
    api_documentation: Uri | None = member("URL of the documentation")
    api_status: Literal["active"] | None = member("State of the version in its life cycle")


def install(app: FastAPI, service: ApiContext, routes: Routes) -> None:
    """Register the API's information, and where they are served its documents and the page."""
    description = _Description(service, routes)
    routes.add([Route(API_INFO, description.info)])
    if not service.publisher.docs:
        return
    routes.add([Route(API_DOCS, description.as_yaml)])
    app.add_route("/openapi.json", description.as_json)
    app.add_route("/api-docs.yaml", description.as_yaml)
    app.add_route("/docs", _page)
    app.add_route("/docs/{name}", _asset)


class _Description:
    """The OpenAPI document, built once when it is first requested."""

    def __init__(self, service: ApiContext, routes: Routes) -> None:
        self._service = service
        self._routes = routes
        self._json: bytes | None = None

    async def as_json(self, _request: Request) -> Response:
        return Response(self._document(), media_type="application/json")

    async def as_yaml(self, _request: Request) -> Response:
        text = yaml.safe_dump(orjson.loads(self._document()), sort_keys=False, allow_unicode=True)
        return Response(text, media_type="application/yaml")

    async def info(self, _request: Request) -> Response:
        publisher = self._service.publisher
        return json_response(
            without_nulls(
                {
                    "apiName": "Utskick",
                    "apiVersion": __version__,
                    "apiReleased": _RELEASED,
                    "apiDocumentation": f"{publisher.url}/docs" if publisher.docs else None,
                    "apiStatus": "active",
                }
            )
        )

    def _document(self) -> bytes:
        if self._json is None:
            self._json = orjson.dumps(document(self._service, self._routes.operations))
        return self._json


API_INFO: Final = Operation(
    id="getApiInfo",
    method="GET",
    path="/api-info",
    summary="Get name, version and state of the API",
    description="Information about the API as Digg's REST API profile defines it (VER.06).",
    tag="API",
    scope=PUBLIC,
    rate=RateClass.ADDRESS,
    answers={200: Answer(ApiInfo)},
    bad_request=False,
)
API_DOCS: Final = Operation(
    id="getApiDocs",
    method="GET",
    path="/api-docs",
    summary="Get this description as YAML",
    description="The OpenAPI document of the service; `/openapi.json` is the same as JSON.",
    tag="API",
    scope=PUBLIC,
    rate=RateClass.ADDRESS,
    answers={200: Answer(media=("application/yaml",))},
    bad_request=False,
)

_ASSETS: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_SCRIPT: Final = 'SwaggerUIBundle({url:"/openapi.json",dom_id:"#ui",deepLinking:true})'
_DIGEST: Final = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
#: Only assets of the page itself; the inline script by its digest.
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    f"script-src 'self' 'sha256-{_DIGEST}'"
)
_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Utskick API</title>'
    '<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="ui"></div>'
    '<script src="/docs/swagger-ui-bundle.js"></script>'
    f"<script>{_SCRIPT}</script></html>"
)


async def _page(_request: Request) -> Response:
    return Response(_PAGE, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404)
    return Response(
        files("fastapi_swagger").joinpath("resources", name).read_bytes(), media_type=_ASSETS[name]
    )
