"""Shapes of the token endpoint's answers, in the API's description (RFC 6749 sections 5.1 and
5.2)."""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final = {"type": "string"}

SHAPES: Final[dict[str, Any]] = {
    "Token": {
        "type": "object",
        "properties": {
            "access_token": {**_TEXT, "description": "To be sent as `Authorization: Bearer …`"},
            "token_type": {**_TEXT, "enum": ["Bearer"], "description": "How it is sent"},
            "expires_in": {
                "type": "integer",
                "format": "int32",
                "description": "Seconds that it is good for",
            },
            "scope": {**_TEXT, "description": "What it allows, with spaces between"},
        },
        "required": ["access_token", "token_type", "expires_in", "scope"],
    },
    "TokenRefusal": {
        "type": "object",
        "properties": {
            "error": {**_TEXT, "description": "A word of RFC 6749, section 5.2"},
            "error_description": {**_TEXT, "description": "What to do"},
        },
        "required": ["error"],
    },
}
