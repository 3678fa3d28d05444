"""The API's own description: operations, headers, bodies and answers, as the contract has them,
ours beside them."""

from __future__ import annotations

from utskick.http.docs.pages import install
from utskick.http.operation.operations import (
    Operation,
    closing,
    plain,
    question,
    reading,
    receipt,
    sending,
)
from utskick.http.operation.security import guarded, limited, published, token

__all__ = [
    "Operation",
    "closing",
    "guarded",
    "install",
    "limited",
    "plain",
    "published",
    "question",
    "reading",
    "receipt",
    "sending",
    "token",
]
