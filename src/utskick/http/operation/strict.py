"""Answers for clients that refuse what the contract does not name.

Generated clients (openapi-generator, openapi-python-client) refuse unknown words of enums, and some
of them unknown members (contract Q33). A strict client gets exactly the peer's: models name their
``additions``, and message types of its own that Utskick has become ``MESSAGE``, or are left out of
history.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import orjson
from fastapi import Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from utskick.domain.channel import Channel
from utskick.http.operation.operation import JSON, Operation
from utskick.http.wire.problems import PROBLEM

#: Members of a problem in the contract (section 1.3).
_PROBLEM: Final = frozenset({"type", "title", "status", "detail", "instance", "violations"})
#: The peer's word for what was routed, or cannot be told otherwise.
_ROUTED: Final = "MESSAGE"


class Strict:
    """Reduces answers to the contract, for services with these channels."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels

    @cached_property
    def _types(self) -> frozenset[str]:
        """The message types of the contract."""
        return frozenset(
            each.message_type for each in self._channels.values() if each.history_facts.in_contract
        )

    async def answer(self, operation: Operation, given: Response) -> Response:
        """Return the answer without additions; one that is not JSON as it is."""
        media = (given.media_type or given.headers.get("content-type", "")).partition(";")[0]
        if media == PROBLEM:
            members = orjson.loads(await _body(given))
            kept = {name: value for name, value in members.items() if name in _PROBLEM}
            return _with_body(given, kept)
        declared = operation.answers.get(given.status_code)
        if media != JSON or declared is None or declared.model is None:
            return given
        return _with_body(given, self.reduced(declared.model, orjson.loads(await _body(given))))

    def reduced(self, model: Any, value: Any) -> Any:
        """Return a JSON value of the model without additions."""
        model = _present(model)
        if value is None or model is Any:
            return value
        if get_origin(model) is list:
            [inner] = get_args(model)
            return [self.reduced(inner, one) for one in value if not self._is_left_out(inner, one)]
        if not isinstance(model, type) or not issubclass(model, BaseModel):
            return value
        if getattr(model, "is_message_type", False):
            return value if value in self._types else _ROUTED
        if not isinstance(value, dict):
            return value
        additions: frozenset[str] = getattr(model, "additions", frozenset())
        found = {}
        for name, field in model.model_fields.items():
            key = field.serialization_alias or field.alias or name
            if name not in additions and key in value:
                found[key] = self.reduced(field.annotation, value[key])
        return found

    def _is_left_out(self, model: Any, value: Any) -> bool:
        """Return whether an entry of a list is of a type that the contract does not have."""
        kind = value.get("messageType") if isinstance(value, dict) else None
        return getattr(model, "only_known_types", False) and kind not in self._types


def _present(model: Any) -> Any:
    """Return the type of what is there, of a member that may be left out."""
    if get_origin(model) in (Union, UnionType):
        others = [each for each in get_args(model) if each is not NoneType]
        return others[0] if len(others) == 1 else Any
    return model


async def _body(given: Response) -> bytes:
    if not isinstance(given, StreamingResponse):
        return bytes(given.body)
    pieces: AsyncIterable[Any] = given.body_iterator
    return b"".join([p.encode() if isinstance(p, str) else bytes(p) async for p in pieces])


def _with_body(given: Response, members: Any) -> Response:
    headers = {
        name: value
        for name, value in given.headers.items()
        if name.lower() not in ("content-length", "content-type")
    }
    media = given.media_type or given.headers.get("content-type")
    return Response(orjson.dumps(members), given.status_code, headers, media)
