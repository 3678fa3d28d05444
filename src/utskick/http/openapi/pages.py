"""Where the description is served: as JSON, as YAML, and as a page to read and try."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson
import yaml
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from utskick.http.openapi.schemas import schemas
from utskick.http.service import Service


def install(app: FastAPI, service: Service) -> None:
    """``/openapi.json``, the same as YAML at ``/api-docs``, and Swagger UI at ``/docs``, from files of the package."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=app.license_info
            )
            found.setdefault("components", {})["schemas"] = schemas(service)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    async def as_yaml(_request: Request) -> Response:
        return Response(yaml.safe_dump(described(), sort_keys=False, allow_unicode=True), media_type="application/yaml")

    async def as_json(_request: Request) -> Response:
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
