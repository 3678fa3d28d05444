"""Response objects of OpenAPI: successful answers, and a problem for every error status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from utskick.http.operation.operation import JSON, Answer, Operation
from utskick.http.wire.problems import PROBLEM

#: A model → the media type object of its JSON: schema and example.
Media = Callable[[Any], dict[str, Any]]

_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_MEANINGS: Final = {
    400: "The request cannot be parsed, or violates one or more constraints, all of which are "
    "listed. Nothing was stored",
    401: "There is no valid access token; `detail` says where to get one",
    403: "The token lacks the scope `{scope}`, or is not valid for the municipality",
    404: "The resource does not exist in this municipality",
    408: "The body did not arrive in time",
    409: "The current state does not allow it, or the first request with this Idempotency-Key is "
    "still being processed",
    410: "The content has been erased: the encryption key of its month was destroyed",
    412: "The current version does not match `If-Match`: it was changed after it was read. Nothing "
    "was changed",
    413: "The body exceeds the size limit of this operation",
    415: "The media type is not `application/json`",
    422: "This Idempotency-Key was used with a different request",
    429: "The client exceeded its rate limit",
    500: "Internal error; it is logged under the `x-request-id` of the response",
    501: "No provider account is configured for this channel",
    502: "The only delivery of a synchronous call failed; the problem has its ids as members",
    503: "The database is unavailable. Nothing was accepted: retry with the same Idempotency-Key",
}
_TEXT: Final = {"type": "string"}


def _header(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema}


#: Response headers by name; ``components.headers`` holds those of every response.
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Retry-After": _header("Seconds to wait before the next attempt", {"type": "integer"}),
    "WWW-Authenticate": _header("The authentication that is missing (RFC 6750)", _TEXT),
    "Location": _header("Path of the created resource, without host", _TEXT),
    "ETag": _header("Version of the representation, for `If-Match`", _TEXT),
    "Idempotency-Replayed": _header(
        "`true`: a repeated response to this Idempotency-Key", {**_TEXT, "enum": ["true"]}
    ),
}
#: Of every response.
REQUEST_ID: Final = _header("Id of the request, as sent or as generated", _TEXT)
_OF_STATUS: Final = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Retry-After",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_BODY: Final = dict.fromkeys((408, 413, 415))


def responses(
    operation: Operation, media: Media, *, guarded: bool, limited: bool
) -> dict[str, Any]:
    """Build the response objects of an operation.

    ``guarded``: a token is needed; ``limited``: calls are limited.
    """
    problems: dict[int, str | None] = {500: None, 503: None}
    if operation.bad_request:
        problems[400] = None
    if operation.body is not None and operation.body.media == JSON:
        problems |= _BODY
    problems |= dict(operation.problems)
    if guarded:
        meaning = _MEANINGS[403].format(scope=operation.scope)
        problems = {401: None, **problems, 403: meaning}
    if limited:
        problems[429] = None
    found = {str(status): _answer(answer, media) for status, answer in operation.answers.items()}
    found |= {
        str(status): problem(status, meaning)
        for status, meaning in sorted(problems.items())
        if status not in operation.answers
    }
    for answer in found.values():
        answer.setdefault("headers", {})["x-request-id"] = {
            "$ref": "#/components/headers/RequestId"
        }
    return found


def problem(status: int, meaning: str | None) -> dict[str, Any]:
    """Build the response object of an error. ``meaning``: None for the usual one."""
    reference = {"$ref": "#/components/schemas/Problem"}
    either = {"oneOf": [reference, {"$ref": "#/components/schemas/ConstraintViolationProblem"}]}
    found: dict[str, Any] = {
        "description": f"{_TITLES[status]}: {meaning or _MEANINGS[status]}",
        "content": {PROBLEM: {"schema": either if status == 400 else reference}},
    }
    if names := _OF_STATUS.get(status):
        found["headers"] = {name: HEADERS[name] for name in names}
    return found


def _answer(answer: Answer, media: Media) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        found["headers"] = {name: HEADERS[name] for name in answer.headers}
    content: dict[str, Any] = {}
    if answer.model is not None:
        content[JSON] = media(answer.model)
    for name in answer.media:
        text = name.startswith(("text/", "application/yaml"))
        content[name] = {"schema": {**_TEXT, **({} if text else {"format": "binary"})}}
    if content:
        found["content"] = content
    return found
