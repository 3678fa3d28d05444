"""Declarations of operations, and the OpenAPI document that follows from them."""

from utskick.http.audit.subject import Audit
from utskick.http.operation.operation import (
    PUBLIC,
    Answer,
    Body,
    Operation,
    Public,
    RateClass,
    Route,
)
from utskick.http.operation.parameters import header, query

__all__ = [
    "PUBLIC",
    "Answer",
    "Audit",
    "Body",
    "Operation",
    "Public",
    "RateClass",
    "Route",
    "header",
    "query",
]
