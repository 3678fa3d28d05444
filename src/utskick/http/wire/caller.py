"""The caller of a request, from its headers (contract section 1.2)."""

from __future__ import annotations

import re
from typing import Protocol

from fastapi import Request

from utskick.domain.errors import Invalid, Violation
from utskick.domain.message import Caller
from utskick.domain.validators import LONGEST_NAME


def caller_of(request: Request, municipality_id: str) -> Caller:
    """Return the caller. Raises ``Invalid`` where a name is longer than can be recorded."""
    headers = request.headers
    origin, sent_by = _text(headers.get("x-origin")), read_sent_by(_text(headers.get("x-sent-by")))
    issuer = sent_by or (_text(headers.get("x-issuer")) or "").strip() or None
    named = (("x-origin", origin), ("X-Sent-By" if sent_by else "x-issuer", issuer))
    too_long = [
        Violation(name, f"size must be between 0 and {LONGEST_NAME}")
        for name, value in named
        if len(value or "") > LONGEST_NAME
    ]
    if too_long:
        raise Invalid(too_long)
    state, address = request.state, address_of(request) or None
    return Caller(
        municipality_id, origin, issuer, state.request_id, getattr(state, "client", None), address
    )


def address_of(request: Request) -> str:
    """Return the caller's address, "" where it is unknown (a Unix socket)."""
    return request.client.host if request.client else ""


class ScopeCheck(Protocol):
    """Check of a call's token for one more scope. Raises ``ScopeMissing``."""

    async def __call__(self, request: Request, scope: str) -> None: ...


async def require_scope(request: Request, scope: str) -> None:
    """Require a scope beside that of the operation, for what only some of its calls do.

    Nothing is required where authentication is off. Raises ``ScopeMissing``, which is audited.
    """
    check: ScopeCheck | None = getattr(request.state, "scope_check", None)
    if check is not None:
        await check(request, scope)


def responsible(caller: Caller) -> str:
    """Return who is responsible for a decision: the user, else the calling system."""
    return caller.issuer or caller.origin or caller.client or "unnamed"


def _text(header: str | None) -> str | None:
    """Decode a header value: most clients send UTF-8 above ASCII, the rest Latin-1.

    RFC 9110 section 5.5.
    """
    if header is None or header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def read_sent_by(header: str | None) -> str | None:
    """Return the user of ``joe01doe.

    Type=adAccount``, in either order (contract 1.2); None for a malformed header, which the
    contract ignores.
    """
    if header is None:
        return None
    parts = re.sub(r"\s", "", header).split(";")
    if len(parts) != 2:
        return None
    typed = [part for part in parts if part.lower().startswith("type=")]
    values = [part for part in parts if not part.lower().startswith("type=")]
    return values[0] if len(typed) == 1 and len(typed[0]) > 5 and values[0] else None
