"""Error responses: ``application/problem+json`` (RFC 9457) in the form of the contract.

Section 1.3.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from utskick.domain.errors import Invalid, UtskickError

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
CONSTRAINT = "https://github.com/Sundsvallskommun/dept44/problems/constraint-violation"


def problem(status: int, title: str, detail: str | None = None, **members: Any) -> Response:
    body = {"title": title, "status": status, "detail": detail, **members}
    return Response(
        orjson.dumps(
            {k: v for k, v in body.items() if v is not None}, option=orjson.OPT_APPEND_NEWLINE
        ),
        status,
        media_type=PROBLEM,
    )


def method_not_allowed(methods: Collection[str]) -> Response:
    """405, with the methods that the path has; where it has GET, HEAD too."""
    found = {*methods, *(["HEAD"] if "GET" in methods else [])}
    answer = problem(405, HTTPStatus.METHOD_NOT_ALLOWED.phrase)
    answer.headers["Allow"] = ", ".join(sorted(found))
    return answer


def of_error(error: UtskickError) -> Response:
    if isinstance(error, Invalid):
        answer = Response(
            orjson.dumps(
                {
                    "type": CONSTRAINT,
                    "title": error.title,
                    "status": error.status,
                    "violations": [
                        {"field": v.field, "message": v.message} for v in error.violations
                    ],
                }
            ),
            error.status,
            media_type=PROBLEM,
        )
    else:
        answer = problem(error.status, error.title, error.detail, code=error.code, **error.members)
    answer.headers.update(error.headers)
    return answer


async def _of_utskick(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UtskickError)
    return of_error(error)


async def _of_starlette(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(
        error.status_code,
        HTTPStatus(error.status_code).phrase,
        None if error.detail == HTTPStatus(error.status_code).phrase else error.detail,
    )
    answer.headers.update(error.headers or {})
    return answer


async def _of_parameters(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "missing":
        return problem(
            400, "Bad Request", f"Required parameter '{first['loc'][-1]}' is not present."
        )
    return problem(
        400, "Bad Request", f"Failed to convert '{first['loc'][-1]}' with value: '{first['input']}'"
    )


async def _of_bug(request: Request, error: Exception) -> Response:
    log.error(
        "unexpected",
        path=request.scope.get("route") and request.scope["route"].path,
        exc_info=error,
    )
    return problem(
        500,
        "Internal Server Error",
        "An unexpected fault; it is in the log under the request's x-request-id.",
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(UtskickError, _of_utskick)
    app.add_exception_handler(HTTPException, _of_starlette)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(Exception, _of_bug)
