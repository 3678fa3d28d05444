"""Headers, path and query parameters."""

from __future__ import annotations

from typing import Any

HEADERS = [
    ("x-origin", "The calling system; kept with the message, drives statistics", False),
    ("X-Sent-By", "The user: `joe01doe; type=adAccount`", False),
    ("x-issuer", "Deprecated: use X-Sent-By", True),
    ("x-request-id", "Echoed; made when absent", False),
    ("Idempotency-Key", "The same key and body give the first answer again, for 24 hours", False),
]


def path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
