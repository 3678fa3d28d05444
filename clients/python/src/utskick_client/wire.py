"""Between our dataclasses and JSON: snake_case here, camelCase there; what is None is left out;
what is unknown stays in ``raw``."""

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
    """How a field stands in JSON: ``Annotated[str, Wire("filename")]``. ``name`` None: not at all.
    ``encode``: how its value is written."""

    name: str | None
    encode: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A field that stands in JSON. ``needed``: there is always such a member."""

    attribute: str
    name: str
    hint: Any
    encode: Callable[[Any], Any]
    needed: bool


@cache
def members_of(kind: Any) -> tuple[Member, ...]:
    """Of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for of in fields(kind):
        hint, wire = hints[of.name], None
        if get_origin(hint) is Annotated:
            hint, wire = get_args(hint)
        name = wire.name if wire is not None else camel(of.name)
        if name is not None:
            needed = of.default is MISSING and of.default_factory is MISSING
            found.append(
                Member(
                    of.name,
                    name,
                    hint,
                    (wire.encode if wire is not None else None) or written,
                    needed,
                )
            )
    return tuple(found)


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


# -- to JSON ----------------------------------------


@dataclass(frozen=True)
class Body:
    """A part of a request's body."""

    def members(self) -> dict[str, Any]:
        """As JSON has it."""
        found = [
            (member, getattr(self, member.attribute))
            for member in members_of(cast(Hashable, type(self)))
        ]
        return {member.name: member.encode(value) for member, value in found if value is not None}


def base64_of(text: str | bytes) -> str:
    """Of text: as UTF-8."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def written(value: Any) -> Any:
    """Bytes become base64, days and times ISO 8601."""
    if isinstance(value, Body):
        return value.members()
    if isinstance(value, bytes):
        return base64_of(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): written(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return value


def encoded(value: Any) -> bytes:
    """The same value gives the same bytes, on every machine. Raises ``Unsendable`` where JSON or
    UTF-8 has no such thing."""
    try:
        return json.dumps(
            written(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()
    except ValueError:
        raise Unsendable(
            "the body holds a number or a character that JSON in UTF-8 cannot hold"
        ) from None


# -- from JSON ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Part of an answer. ``raw``: all of it, with the members that this release does not know."""

    raw: Annotated[Mapping[str, Any], Wire(None)] = field(
        default_factory=dict, repr=False, compare=False
    )


R = TypeVar("R", bound=Result)
Reader = Callable[[Any], Any]


def decoded(body: bytes) -> Any:
    """Raises ``NotUtskick`` where it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        raise NotUtskick(
            "what answers there is not Utskick's API: it does not speak JSON"
        ) from None


def read(kind: type[R], members: Any) -> R:
    """Raises ``NotUtskick`` where a member that is always there is not."""
    if not isinstance(members, Mapping):
        raise NotUtskick(
            f"what answers there is not Utskick's API: an object was expected, {kind.__name__}"
        )
    found: dict[str, Any] = {"raw": members}
    for attribute, name, reader, needed in _plan(cast(Hashable, kind)):
        value = members.get(name)
        if value is not None:
            found[attribute] = reader(value) if reader else value
        elif needed:
            raise NotUtskick(
                f"what answers there is not Utskick's API: {kind.__name__} without {name}"
            )
    return kind(**found)


def read_list(kind: type[R], items: Any) -> tuple[R, ...]:
    if not isinstance(items, list):
        raise NotUtskick(
            f"what answers there is not Utskick's API: a list was expected, of {kind.__name__}"
        )
    return tuple(read(kind, item) for item in items)


@cache
def _plan(kind: Any) -> tuple[tuple[str, str, Reader | None, bool], ...]:
    return tuple(
        (member.attribute, member.name, _reader(member.hint), member.needed)
        for member in members_of(kind)
    )


def _reader(hint: Any) -> Reader | None:
    """How a value of this type is read; None: as it is."""
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
