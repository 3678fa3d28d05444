"""Conversion between dataclasses and JSON.

snake_case becomes camelCase, None is omitted, and unknown members are kept in ``raw``.
"""

from __future__ import annotations

import json
import types
from base64 import b64encode
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from utskick_client.errors import NotUtskick, Unsendable


@dataclass(frozen=True, slots=True)
class Wire:
    """JSON representation of a field, as in ``Annotated[str, Wire("filename")]``.

    ``name``: member name, None if it is not in JSON. ``encode``: conversion of its value.
    """

    name: str | None
    encode: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Field with a JSON member; ``required`` if the member is always present."""

    attribute: str
    name: str
    hint: Any
    encode: Callable[[Any], Any]
    required: bool


@cache
def members_of(kind: Any) -> tuple[Member, ...]:
    """Return the members of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for of in fields(kind):
        hint, wire = hints[of.name], None
        if get_origin(hint) is Annotated:
            hint, wire = get_args(hint)
        name = wire.name if wire is not None else camel(of.name)
        if name is not None:
            required = of.default is MISSING and of.default_factory is MISSING
            found.append(
                Member(
                    of.name,
                    name,
                    hint,
                    (wire.encode if wire is not None else None) or to_json,
                    required,
                )
            )
    return tuple(found)


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


# -- to JSON ----------------------------------------


@dataclass(frozen=True)
class Body:
    """Part of a request body."""

    def members(self) -> dict[str, Any]:
        """Return the JSON members."""
        found = [
            (member, getattr(self, member.attribute))
            for member in members_of(cast(Hashable, type(self)))
        ]
        return {member.name: member.encode(value) for member, value in found if value is not None}


def base64_of(text: str | bytes) -> str:
    """Encode bytes, or text in UTF-8."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def to_json(value: Any) -> Any:
    """Convert a value for JSON: bytes to base64, dates and times to ISO 8601."""
    if isinstance(value, Body):
        return value.members()
    if isinstance(value, bytes):
        return base64_of(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def encoded(value: Any) -> bytes:
    """Serialise equal values to equal bytes; raise ``Unsendable`` if that is impossible."""
    try:
        return json.dumps(
            to_json(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()
    except ValueError:
        raise Unsendable(
            "the body contains a number or a character that cannot be encoded as JSON in UTF-8"
        ) from None


# -- from JSON ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Part of a response; ``raw`` contains all members, including unknown ones."""

    raw: Annotated[Mapping[str, Any], Wire(None)] = field(
        default_factory=dict, repr=False, compare=False
    )


R = TypeVar("R", bound=Result)
Reader = Callable[[Any], Any]


def parse_json(body: bytes) -> Any:
    """Parse JSON; raise ``NotUtskick`` if it is malformed."""
    try:
        return json.loads(body)
    except ValueError:
        raise NotUtskick("the response is not from Utskick's API: it is not JSON") from None


def read(kind: type[R], members: Any) -> R:
    """Parse a result; raise ``NotUtskick`` if a required member is missing."""
    if not isinstance(members, Mapping):
        raise NotUtskick(
            f"the response is not from Utskick's API: expected an object, {kind.__name__}"
        )
    found: dict[str, Any] = {"raw": members}
    for attribute, name, reader, required in _plan(cast(Hashable, kind)):
        value = members.get(name)
        if value is not None:
            found[attribute] = reader(value) if reader else value
        elif required:
            raise NotUtskick(
                f"the response is not from Utskick's API: {kind.__name__} without {name}"
            )
    return kind(**found)


def read_list(kind: type[R], items: Any) -> tuple[R, ...]:
    if not isinstance(items, list):
        raise NotUtskick(
            f"the response is not from Utskick's API: expected a list of {kind.__name__}"
        )
    return tuple(read(kind, item) for item in items)


@cache
def _plan(kind: Any) -> tuple[tuple[str, str, Reader | None, bool], ...]:
    return tuple(
        (member.attribute, member.name, _reader(member.hint), member.required)
        for member in members_of(kind)
    )


def _reader(hint: Any) -> Reader | None:
    """Return the converter for values of this type, or None."""
    if get_origin(hint) in (Union, types.UnionType):
        [hint] = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) is tuple:
        inner = _reader(get_args(hint)[0])
        return (lambda items: tuple(inner(item) for item in items)) if inner else tuple
    if hint is datetime:
        return datetime.fromisoformat
    if isinstance(hint, type) and issubclass(hint, Result):
        return lambda members: read(hint, members)
    return None
