"""The API's own description: operations, headers, bodies and answers, as the contract has them, ours beside them."""

from __future__ import annotations

from utskick.http.openapi.operations import Operation, closing, plain, question, reading, receipt, sending
from utskick.http.openapi.pages import install
from utskick.http.openapi.security import guarded, limited, published, token

__all__ = [
    "Operation", "closing", "guarded", "install", "limited", "plain", "published", "question", "reading", "receipt", "sending", "token",
]  # fmt: skip
