"""What can go wrong with a call: the service said no, or it is not known what it would have
said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: which member (``parties[0].mobileNumber``), and the rule in the contract's
    words."""

    field: str
    message: str


class UtskickClientError(Exception):
    """Any of the faults below."""


class Unsendable(UtskickClientError, ValueError):
    """What was given cannot be sent: no address of a service, no line of a header, no JSON. Nothing
    left."""


class Refused(UtskickClientError):
    """The service answered with a problem (RFC 9457): nothing was sent, or the one delivery of the
    call has failed.

    ``status``: of HTTP. ``code``: Utskick's own word for it (docs/errors.md). ``problem``: the
    whole body. ``violations``: every rule that was broken. ``batch_id``, ``message_id``,
    ``delivery_id``: where the message was stored all the same. ``request_id``: by which the
    service's log knows the call.
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
        told = "; ".join(f"{v.field} {v.message}".strip() for v in self.violations) or self.detail
        super().__init__(f"{status} {self.title}".strip() + (f": {told}" if told else ""))

    @property
    def passing(self) -> bool:
        """Worth trying again. A 502 or 504 of a proxy too: the key makes it safe. Utskick's own 502
        is the answer to the message."""
        away = self.status in (502, 503, 504) and self.code != "delivery-failed"
        return away or (self.status == 409 and self.code == "idempotency-running")


class NoAnswer(UtskickClientError):
    """No answer came. ``maybe_accepted``: the request may have been carried out.

    ``key``: of a sending call. The same call with the same ``key`` finds out, and sends nothing
    twice (for 24 hours).
    """

    def __init__(self, told: str, *, key: str | None = None, maybe_accepted: bool = False) -> None:
        super().__init__(told)
        self.key = key
        self.maybe_accepted = maybe_accepted


class NotUtskick(NoAnswer):
    """Something answered that is not Utskick's API."""
