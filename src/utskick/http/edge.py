"""What every call has in common: its id, its caller, its municipality, its body up to the limit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from utskick.domain.channel import Parameter
from utskick.domain.errors import Invalid, TooLarge, TooSlow, Unreadable, Violation, WrongMediaType
from utskick.domain.ids import parse_id
from utskick.domain.message import Caller
from utskick.domain.rules import LONGEST_NAME, NO_NUL, refusal
from utskick.domain.unit import is_organization_number

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
M = TypeVar("M", bound=BaseModel)

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}\Z")
_NOT_STORED = [(b"cache-control", b"no-store"), (b"expires", b"0"), (b"pragma", b"no-cache")]
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}\Z")
#: Of the forms of ISO 8601 the contract takes this one.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
#: Contract 1.1, ``@Min(1)`` of an int.
MOST = 2_147_483_647
#: Security headers (OWASP ASVS 14.4): nothing of the API is to be sniffed, framed, or run; ``/docs`` says otherwise of itself.
_GUARDED = [
    (b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]  # fmt: skip
#: Seconds: the longest pause within a body that comes in, and until a client has taken a piece of its answer.
_PAUSE, _UNREAD = 20.0, 60.0
_TRUE, _FALSE = {"true", "on", "yes", "1"}, {"false", "off", "no", "0"}


class Envelope:
    """ASGI middleware: ``x-request-id`` in, out and in the log; answers are not to be stored by anybody between.

    A client that does not take its answer is cut off. HEAD is answered as GET; the server leaves the body out (RFC 9110 section 9.3.2).
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given if _REQUEST_ID.match(given) else str(uuid4()).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def enveloped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                guarded = _GUARDED if not any(name == _GUARDED[1][0] for name, _ in own) else _GUARDED[:1]
                message["headers"] = [*own, (b"x-request-id", request_id), *_NOT_STORED, *guarded]
            async with asyncio.timeout(_UNREAD):  # who does not read is cut off
                await send(message)

        with structlog.contextvars.bound_contextvars(request_id=scope["state"]["request_id"]):
            await self._app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, enveloped)


class Parameters:
    """Path and query parameters of one operation: every fault is collected, each under ``<operation>.<name>``."""

    def __init__(self, operation: str, municipalities: Iterable[str]) -> None:
        self._operation = operation
        self._municipalities = municipalities
        self._faults: list[Violation] = []

    def fault(self, name: str, message: str) -> None:
        self._faults.append(Violation(f"{self._operation}.{name}", message))

    def municipality(self, value: str) -> str:
        if value not in self._municipalities:
            self.fault("municipalityId", "not a valid municipality ID")
        return value

    def uuid(self, name: str, value: str) -> UUID:
        found = parse_id(value)
        if found is None:
            self.fault(name, "not a valid UUID")
        return found or UUID(int=0)

    def organization(self, value: str) -> str:
        if not is_organization_number(value):
            self.fault("organizationNumber", r"must match the regular expression ^([1235789][\d][2-9]\d{7})$")
        return value

    def counted(self, name: str, value: int) -> int:
        if value < 1:
            self.fault(name, f"must be greater than or equal to 1 and less than or equal to {MOST}")
        return value

    def text(self, name: str, value: str | None) -> str | None:
        """Any text that the database can hold."""
        message, holds = NO_NUL
        if value is not None and not holds(value):
            self.fault(name, message)
        return value

    def paging(self, request: Request, limit: int = 15) -> tuple[int, int]:
        """``page`` and ``limit``, by default the first and so many (contract section 9). Raises ``Unreadable`` where one is no number."""
        return self.counted("page", count(request, "page", 1)), self.counted("limit", count(request, "limit", limit))

    def filled(self, name: str, value: str | None) -> str | None:
        """A parameter that may be absent, but not empty."""
        if value is not None and not value.strip():
            self.fault(name, "must not be blank")
        return self.text(name, value)

    def trimmed(self, name: str, value: str | None) -> str | None:
        """Contract 1.1, ``@ValidNullOrNotEmpty``: absent, or something without spaces around it."""
        if value is not None and (not value or value != value.strip(" ")):
            self.fault(name, "text is not null or not empty or has starting or trailing spaces")
        return self.text(name, value)

    def days(self, request: Request) -> tuple[date | None, date | None]:
        """``from`` and ``to``, both inclusive (contract Q20)."""
        since, until = day(request, "from"), day(request, "to")
        if since is not None and until is not None and since > until:
            self.fault("from", "must not be after to")
        return since, until

    def query(self, request: Request, parameter: Parameter) -> str | None:
        """A query parameter by its rule. Raises ``Unreadable`` where one that is needed is absent."""
        value = request.query_params.get(parameter.name)
        if value is None:
            if parameter.required:
                raise Unreadable(f"Required parameter '{parameter.name}' is not present.")
            return None
        self.uuid(parameter.name, value)
        return value

    def done(self) -> None:
        if self._faults:
            raise Invalid(self._faults)


def located(request: Request, municipalities: Iterable[str], operation: str, *names: str) -> tuple[str, list[UUID]]:
    """The municipality of the path, and the ids that it names, in their order. Raises ``Invalid`` with every fault."""
    parameters = Parameters(operation, municipalities)
    municipality_id = parameters.municipality(request.path_params["municipalityId"])
    found = [parameters.uuid(name, request.path_params[name]) for name in names]
    parameters.done()
    return municipality_id, found


def required(request: Request, name: str) -> str:
    """A query parameter that must be there."""
    value = request.query_params.get(name)
    if value is None:
        raise Unreadable(f"Required parameter '{name}' is not present.")
    return value


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Reading stops at the limit: what is over it is refused, not buffered."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise WrongMediaType(f"Content-Type '{media}' is not supported; send application/json")
    too_large = TooLarge(f"the body is over {limit} bytes, the limit of this call", headers={"Connection": "close"})
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    chunks, size = [], 0
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(_PAUSE) as patience:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
                patience.reschedule(clock() + _PAUSE)
    except TimeoutError:
        raise TooSlow(f"nothing of the body came for {_PAUSE:.0f} s", headers={"Connection": "close"}) from None
    return b"".join(chunks)


def parse(model: type[M], body: bytes) -> M:
    """Raises ``Unreadable`` or ``Invalid`` with everything that is wrong."""
    try:
        if b"NaN" in body or b"Infinity" in body:  # RFC 8259 section 6 has no such numbers; as text they may stand in a message
            from_json(body, allow_inf_nan=False)
        return model.model_validate_json(body)
    except ValidationError as fault:
        raise refusal(fault, model) from None
    except ValueError as fault:
        raise Unreadable("Failed to read request", reasons=[{"message": f"not JSON: {fault}"}]) from None


def caller_of(request: Request, municipality_id: str) -> Caller:
    """Raises ``Invalid`` where a name is longer than can be counted by."""
    headers = request.headers
    origin, sent_by = _text(headers.get("x-origin")), read_sent_by(_text(headers.get("x-sent-by")))
    issuer = sent_by or (_text(headers.get("x-issuer")) or "").strip() or None
    named = (("x-origin", origin), ("X-Sent-By" if sent_by else "x-issuer", issuer))
    too_long = [Violation(name, f"size must be between 0 and {LONGEST_NAME}") for name, value in named if len(value or "") > LONGEST_NAME]
    if too_long:
        raise Invalid(too_long)
    state, address = request.state, request.client.host if request.client else None
    return Caller(municipality_id, origin, issuer, state.request_id, getattr(state, "client", None), address)


def _text(header: str | None) -> str | None:
    """RFC 9110 section 5.5 leaves it open what bytes above ASCII mean: most clients send UTF-8, the rest Latin-1."""
    if header is None or header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def read_sent_by(header: str | None) -> str | None:
    """``joe01doe; type=adAccount`` in either order (contract 1.2); a malformed header is ignored, as the peer does."""
    if header is None:
        return None
    parts = re.sub(r"\s", "", header).split(";")
    if len(parts) != 2:
        return None
    typed = [part for part in parts if part.lower().startswith("type=")]
    values = [part for part in parts if not part.lower().startswith("type=")]
    return values[0] if len(typed) == 1 and len(typed[0]) > 5 and values[0] else None


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A boolean query parameter. One that is empty counts as absent, as everywhere in the contract."""
    value = request.query_params.get(name)
    if not value:
        return default
    if value.lower() in _FALSE:
        return False
    if value.lower() in _TRUE:
        return True
    raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'")


def count(request: Request, name: str, default: int) -> int:
    """A whole number in the query, as it was written; ``Parameters.counted`` says whether it may be that."""
    value = request.query_params.get(name)
    if value is None or value == "":
        return default
    if not _WHOLE.match(value) or abs(int(value)) > MOST:
        raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'")
    return int(value)


def day(request: Request, name: str) -> date | None:
    value = request.query_params.get(name)
    if value is None or value == "":
        return None
    try:
        if not _DAY.match(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'") from None
