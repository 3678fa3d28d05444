"""Errors of a call: rejected by the service, or without a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """Violated rule: the member (``parties[0].mobileNumber``), and the rule of the contract."""

    field: str
    message: str


class UtskickClientError(Exception):
    """Base class of all errors of this package."""


class Unsendable(UtskickClientError, ValueError):
    """Invalid arguments: an address, a header or a body that cannot be sent. Nothing was sent."""


class Refused(UtskickClientError):
    """Problem returned by the service (RFC 9457): nothing was sent, or the delivery failed.

    ``status``: HTTP status. ``code``: Utskick's error code (docs/errors.md). ``problem``: the whole
    body. ``violations``: all violated rules. ``batch_id``, ``message_id``, ``delivery_id``: set if
    the message was stored nevertheless. ``request_id``: identifies the call in the service's log.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], request_id: str | None = None
    ) -> None:
        self.status = status
        self.problem = problem
        self.request_id = request_id
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.code: str | None = problem.get("code")
        self.batch_id: str | None = problem.get("batchId")
        self.message_id: str | None = problem.get("messageId")
        self.delivery_id: str | None = problem.get("deliveryId")
        found = problem.get("violations") or problem.get("reasons") or []
        self.violations = tuple(
            Violation(each.get("field", ""), each.get("message", "")) for each in found
        )
        text = "; ".join(f"{v.field} {v.message}".strip() for v in self.violations) or self.detail
        super().__init__(f"{status} {self.title}".strip() + (f": {text}" if text else ""))

    @property
    def is_temporary(self) -> bool:
        """Whether a retry may succeed.

        Includes a 502 or 504 of a proxy, which the key makes safe. Utskick's own 502 is a final
        result.
        """
        unavailable = self.status in (502, 503, 504) and self.code != "delivery-failed"
        return unavailable or (self.status == 409 and self.code == "idempotency-running")


class NoAnswer(UtskickClientError):
    """No response; with ``maybe_accepted`` the request may have been executed.

    ``key``: Idempotency-Key of a sending call. Repeating the call with it finds out, and sends
    nothing twice within 24 hours.
    """

    def __init__(self, text: str, *, key: str | None = None, maybe_accepted: bool = False) -> None:
        super().__init__(text)
        self.key = key
        self.maybe_accepted = maybe_accepted


class NotUtskick(NoAnswer):
    """Response that is not from Utskick's API."""
