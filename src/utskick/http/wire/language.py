"""The language of sentences for people in answers: Swedish, or English where it is preferred."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from utskick.domain.notice import Language

#: That of the request being served.
LANGUAGE: Final[ContextVar[Language]] = ContextVar("language", default="sv")


def preferred(header: str | None) -> Language:
    """Return the language of an ``Accept-Language`` (RFC 9110 section 12.5.4); else Swedish."""
    weights: dict[str, float] = {}
    for part in (header or "").lower().split(","):
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        weights.setdefault(tag.strip().partition("-")[0], weight)
    other = weights.get("*", 0.0)
    return "en" if weights.get("en", other) > weights.get("sv", other) else "sv"
