"""Structured logging with correlation ids, and masking of personal data."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PERSONAL = re.compile(
    r"\+\d{6,15}|[^\s@<>\"']+@[^\s@<>\"']+\.[a-zA-Z]+|\b(?:19|20)?\d{6}[-+]?\d{4}\b"
)


#: What PostgreSQL adds to an error: the row or key, which may contain personal data.
_ROW = re.compile(r"^DETAIL:.*$", re.MULTILINE)


def mask(text: str) -> str:
    """Replace phone numbers, e-mail addresses and personal numbers by ``***``.

    A safety net below code that should not log them in the first place.
    """
    return _PERSONAL.sub("***", _ROW.sub("DETAIL: (left out)", text))


class Masked(logging.Formatter):
    """Formatter for the log records of libraries, including tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


#: Values that hold no personal data and may look like it: ids, times, and the names of accounts
#: (``link@2281/2120002411``) and units.
_PLAIN = frozenset({"timestamp", "worker", "delivery", "batch", "request_id", "account", "unit"})


def mask_values(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask the values of an event; a processor of structlog."""
    for key, value in event.items():
        if isinstance(value, str) and key not in _PLAIN:
            event[key] = mask(value)
    return event


def configure(level: str, form: str) -> None:
    """Configure logging to standard error. ``form``: ``json`` or ``text``."""
    last = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_values,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Masked("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for noisy in ("pgqueuer", "uvicorn.error", "mail.log", "asyncio", "asyncpg.pool"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
