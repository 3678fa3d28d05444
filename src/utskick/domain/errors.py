"""The errors that a caller can act on: code, HTTP status and a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    ``field``: as the client wrote the path (``parties[0].mobileNumber``). ``message``: as the
    contract words it. ``code``: of a fault of one way, which another may carry (``Leg.spared``).
    """

    field: str
    message: str
    code: str = ""


class UtskickError(Exception):
    """An error that the caller can act on."""

    code: ClassVar[str] = "utskick-error"
    status: ClassVar[int] = 500
    title: str = "Internal Server Error"

    def __init__(
        self, detail: str, *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.members = members


#: Violations of a request that are reported one by one.
MOST_TOLD: Final = 100


def told_of_rest(more: int) -> str:
    """Return the message in place of the violations that are not reported one by one."""
    return f"… and {more:,} more".replace(",", " ")


class Invalid(UtskickError):
    """The request is well-formed, but one or more fields break a rule; nothing was stored."""

    code, status, title = "constraint-violation", 400, "Constraint Violation"

    def __init__(self, violations: list[Violation], more: int = 0) -> None:
        """Report at most ``MOST_TOLD``. ``more``: those that were counted only."""
        super().__init__("; ".join(f"{v.field} {v.message}" for v in violations[:10]))
        more += len(violations[MOST_TOLD:])
        self.violations = violations[:MOST_TOLD]
        if more:
            place = self.violations[-1].field.partition("[")[0]
            self.violations.append(Violation(place, told_of_rest(more)))


class Unreadable(UtskickError):
    """The body or a parameter is not of the right form."""

    code, status, title = "unreadable", 400, "Bad Request"


class NotFound(UtskickError):
    """There is no such thing in this municipality."""

    code, status, title = "not-found", 404, "Not Found"


class Erased(UtskickError):
    """It existed, and has been made unreadable for good: the key of its month was destroyed."""

    code, status, title = "erased", 410, "Gone"


class NotAllowedHere(UtskickError):
    """The thing exists, but this cannot be done in its state."""

    code, status, title = "conflict", 409, "Conflict"


class ChangedMeanwhile(UtskickError):
    """It has changed since the client read it (If-Match); nothing was changed.

    RFC 9110 section 13.1.1.
    """

    code, status, title = "precondition-failed", 412, "Precondition Failed"


class StillRunning(UtskickError):
    """The first request with this Idempotency-Key is not answered yet; retry after Retry-After."""

    code, status, title = "idempotency-running", 409, "Conflict"


class KeyReused(UtskickError):
    """The Idempotency-Key was used with another body."""

    code, status, title = "idempotency-key-reused", 422, "Unprocessable Content"


class TooMany(UtskickError):
    """The client exceeds its rate limit; retry after Retry-After."""

    code, status, title = "too-many-requests", 429, "Too Many Requests"


class TooSlow(UtskickError):
    """The body of the request did not arrive in time."""

    code, status, title = "request-timeout", 408, "Request Timeout"


class TooLarge(UtskickError):
    """The body exceeds the limit; reading stopped there."""

    code, status, title = "too-large", 413, "Content Too Large"


class ExtractTooLong(UtskickError):
    """A person's extract exceeds the length of a PDF; JSON holds all of it."""

    code, status, title = "extract-too-long", 422, "Unprocessable Content"


class WrongMediaType(UtskickError):
    """Only application/json is accepted here."""

    code, status, title = "wrong-media-type", 415, "Unsupported Media Type"


class Unauthorized(UtskickError):
    """The token or the credentials of this call are missing or wrong.

    ``why``: which, without the advice, and without anything of the credentials.
    """

    code, status, title = "unauthorized", 401, "Unauthorized"

    def __init__(
        self, detail: str, *, why: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail, headers=headers)
        self.why = why or detail


class ScopeMissing(UtskickError):
    """The token does not have the scope that this call needs."""

    code, status, title = "insufficient-scope", 403, "Forbidden"


class OtherMunicipality(UtskickError):
    """The token is not valid for the municipality of this call."""

    code, status, title = "other-municipality", 403, "Forbidden"


class IssuerAway(UtskickError):
    """The token cannot be verified now: the keys of its issuer are unavailable."""

    code, status, title = "issuer-away", 503, "Service Unavailable"


class DeliveryFailed(UtskickError):
    """The provider did not accept the one delivery of a synchronous call."""

    code, status, title = "delivery-failed", 502, "Bad Gateway"


class RecipientMissing(UtskickError):
    """The provider does not know the recipient or case of a synchronous call's one delivery."""

    code, status, title = "recipient-missing", 404, "Not Found"


class ConfigurationBroken(UtskickError):
    """The configuration of the municipality or a part of it cannot be used; nothing was accepted.

    An administrator must correct it.
    """

    code, status, title = "configuration-broken", 503, "Service Unavailable"


class NotBuilt(UtskickError):
    """A part of the contract that is not available here."""

    code, status, title = "not-built", 501, "Not Implemented"


class Unavailable(UtskickError):
    """The database cannot be reached or cannot write; nothing was accepted."""

    code, status, title = "unavailable", 503, "Service Unavailable"


class TooManyStreams(UtskickError):
    """The process serves as many live progress streams as it may; retry after Retry-After."""

    code, status, title = "too-many-streams", 503, "Service Unavailable"


class Overloaded(UtskickError):
    """The process holds as many bodies and answers as it may; retry after Retry-After."""

    code, status, title = "overloaded", 503, "Service Unavailable"


class SettingsFault(UtskickError):
    """The settings are wrong; every fault is listed."""

    code, title = "settings", "Settings"


class DatabaseFault(UtskickError):
    """The database cannot be used as it is, with the sentence that says what to do."""

    code, title = "database", "Database"
