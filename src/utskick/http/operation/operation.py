"""Declaration of an operation.

One value from which its route, authorization, rate limit, audit and OpenAPI description follow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel

from utskick.domain.audit import AuditEntry
from utskick.http.audit.subject import Audit
from utskick.http.operation.parameters import Parameter

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


class Public(Enum):
    """Marks an operation that needs no token."""

    PUBLIC = "public"


PUBLIC: Final = Public.PUBLIC


class RateClass(Enum):
    """How calls are limited.

    ``CLIENT``: per client, or per client and municipality where that has a limit of its own; calls
    that are refused, per address. ``ADDRESS``: per address of the caller, for public calls.
    ``TOKEN``: the same, by the lower rate of the token endpoint. ``REFUSED``: only calls that are
    refused count, per address, so that reports of providers are never held up.
    """

    CLIENT = "client"
    ADDRESS = "address"
    TOKEN = "token"  # noqa: S105 - a name
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response.

    ``model``: the type of the JSON body, a pydantic model or a list of one; None: no JSON.
    ``media``: media types beside or instead of JSON. ``headers``: names from ``responses.HEADERS``.
    """

    model: Any = None
    description: str = "Successful operation"
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A request body.

    ``model``: its type; ``media``: its media type; ``example``: the example of the media type.
    """

    model: type[BaseModel]
    media: str = JSON
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of the API.

    ``path``: with its parameters in braces; ``served``: the path as it is routed, where that
    differs (``{name:path}``). ``scope``: the OAuth 2.0 scope that a token needs, or ``PUBLIC``.
    ``audit``: None where nothing about a person is read and nothing is changed, or where the engine
    writes the entry with the message. ``parameters``: those of headers and query; the path names
    its own. ``problems``: statuses of error responses, each with its meaning, None for the usual
    one; 400 (unless ``bad_request`` is false), 500, 503 and those of authorization, rate limit and
    bodies follow from the rest.
    """

    id: str
    method: str
    path: str
    summary: str
    description: str
    tag: str
    scope: str | Public
    answers: Mapping[int, Answer]
    audit: Audit | None = None
    rate: RateClass = RateClass.CLIENT
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: Mapping[int, str | None] = field(default_factory=dict)
    served: str | None = None
    deprecated: bool = False
    bad_request: bool = True

    @property
    def name(self) -> str:
        """The id without the suffix of the form for the default municipality."""
        return self.id.removesuffix("Short")

    def short(self, path: str, **changes: Any) -> Operation:
        """Return the form for the default municipality, without a municipality in the path."""
        return replace(self, id=f"{self.id}Short", path=path, **changes)


ReadEndpoint = Callable[[Request], Awaitable[Response]]
#: Takes the audit entry, and writes it in the transaction of the change.
ChangeEndpoint = Callable[[Request, AuditEntry], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation with the endpoint that serves it."""

    operation: Operation
    endpoint: ReadEndpoint | ChangeEndpoint
