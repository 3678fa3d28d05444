"""A call without its transport: the request that it makes, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from utskick_client.results import BatchResult, MessageResult
from utskick_client.steps import Repeat, Reply, Request, Step, Tries
from utskick_client.wire import Body, Result, encoded, read, read_list

T = TypeVar("T")
R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, one answer."""

    request: Request
    read: Callable[[Reply], T]


@dataclass(frozen=True, slots=True)
class Flow(Generic[T]):
    """Something to iterate over, in as many requests as it takes."""

    steps: Callable[[Tries], Generator[Step, Any, None]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a message is sent.

    ``key``: the Idempotency-Key, up to 255 characters; one is made where None. The same key never
    sends twice within 24 hours. ``wait``: for the provider's answer, some seconds; False: only
    until it has been accepted. Batches are never waited for.
    """

    key: str | None = None
    wait: bool = True


def path_of(*parts: str) -> str:
    """Each part is one segment, whatever stands in it."""
    return "/".join(quote(part, safe="") for part in parts)


def query_of(**given: object) -> dict[str, str]:
    """Without what is None. A trailing underscore keeps a name from being a word of Python."""
    return {name.rstrip("_"): _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


# -- sending ----------------------------------------


def sent_one(
    path: str, body: Body, manner: Manner, query: Mapping[str, str] | None = None
) -> Call[MessageResult]:
    return _sent(MessageResult, path, body, manner, query)


def sent_many(path: str, body: Body, manner: Manner) -> Call[BatchResult]:
    return _sent(BatchResult, path, body, manner, None)


S = TypeVar("S", MessageResult, BatchResult)


def _sent(
    kind: type[S], path: str, body: Body, manner: Manner, query: Mapping[str, str] | None
) -> Call[S]:
    key = manner.key or str(uuid4())
    asked = {**(query or {}), **({} if manner.wait else {"async": "true"})}
    request = Request("POST", path, asked, encoded(body), key=key, repeat=Repeat.KEYED)

    def result(reply: Reply) -> S:
        return replace(
            read(kind, reply.json()),
            key=key,
            replayed=reply.headers.get("idempotency-replayed") == "true",
        )

    return Call(request, result)


# -- reading ----------------------------------------


def got(kind: type[R], path: str, query: Mapping[str, str] | None = None) -> Call[R]:
    return Call(Request("GET", path, query or {}), lambda reply: read(kind, reply.json()))


def got_list(
    kind: type[R], path: str, query: Mapping[str, str] | None = None
) -> Call[tuple[R, ...]]:
    return Call(Request("GET", path, query or {}), lambda reply: read_list(kind, reply.json()))


def posted(kind: type[R], path: str, body: Any) -> Call[R]:
    """Not made again where it may have been carried out: the service would do it twice, or refuse
    the second."""
    return Call(
        Request("POST", path, body=encoded(body), repeat=Repeat.NEVER),
        lambda reply: read(kind, reply.json()),
    )
