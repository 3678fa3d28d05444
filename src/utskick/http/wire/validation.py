"""Validation of JSON bodies in bounded time and memory, however many faults they have.

Pydantic collects every fault before it returns: 100 000 elements with two faults each take seconds
and hundreds of megabytes. Larger bodies are therefore counted before they are parsed, validated up
to the first fault, and only then looked through for others, piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaValidator, from_json

from utskick.domain.errors import MOST_TOLD, Invalid, UtskickError, Violation
from utskick.domain.validators import Constraint, refusal, refusal_of

M = TypeVar("M", bound=BaseModel)

#: Values of a body, in objects and lists together. A batch of 100 000 recipients has at most some
#: 900 000; parsing this many takes about 0.1 s.
MOST_VALUES: Final = 1_500_000
#: Values up to which all faults are collected at once.
_FEW: Final = 1_000
#: Elements of a list that are validated at a time, and which may all be faulty.
_PIECE: Final = 200
_MARKS: Final = re.compile(rb'[{}\[\],"]')
_TOO_MANY: Final = "must not hold more than {} values"


def validated(model: type[M], body: bytes) -> M:
    """Validate a JSON body. Raises ``UtskickError`` with at most ``MOST_TOLD`` faults.

    Raises ``ValueError`` for what is no JSON.
    """
    values = body.count(b",")
    if values <= _FEW:
        try:
            return model.model_validate_json(body)
        except ValidationError as fault:
            raise refusal(fault, model) from None
    if values > MOST_VALUES and (place := _overfull(body)) is not None:
        raise Invalid([Violation(place, _size_message(model, place))])
    try:
        found: M = _hasty(model).validate_json(body)
    except ValidationError as fault:
        raise _refusal(model, body, fault) from None
    return found


# -- counting ----------------------------------------


def _overfull(body: bytes) -> str | None:
    """Return the outermost member in which the values become too many; None: they do not.

    Strings are skipped, so that commas of a text do not count. Runs in short steps, between which
    other threads get their turn.
    """
    values, depth, position = 0, 0, 0
    name = member = b""
    while (mark := _MARKS.search(body, position)) is not None:
        position = mark.end()
        sign = body[position - 1]
        if sign == 0x22:  # "
            start, position = position, _end_of_string(body, position)
            if depth == 1:
                name = body[start : position - 1]
        elif sign in b"{[":
            depth, values = depth + 1, values + 1
            member = name if depth == 2 else member
        elif sign == 0x2C:  # ,
            values += 1
        else:
            depth -= 1
        if values > MOST_VALUES:
            return member.decode("utf-8", "replace")[:64] if depth > 1 else ""
    return None


def _end_of_string(body: bytes, position: int) -> int:
    """Return the position after the quotation mark that ends a string (RFC 8259 section 7)."""
    while (quote := body.find(b'"', position)) >= 0:
        before = body[position:quote]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return quote + 1
        position = quote + 1
    return len(body)


def _size_message(model: type[BaseModel], name: str) -> str:
    rule = _count_of(_fields(model).get(name))
    words = [message for message, _ in rule.checks if message.startswith("size")] if rule else []
    return words[0] if words else _TOO_MANY.format(MOST_VALUES)


def _rules_of(kind: Any, rules: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
    """Return the annotations of a list, which may be optional; None: it is something else."""
    if get_origin(kind) is list:
        return rules
    if get_origin(kind) is Annotated:
        return _rules_of(kind.__origin__, (*rules, *kind.__metadata__))
    if get_origin(kind) in (Union, UnionType):
        found = (_rules_of(each, rules) for each in get_args(kind))
        return next((each for each in found if each is not None), None)
    return None


def _count_of(field: FieldInfo | None) -> Constraint | None:
    """Return the rule of a list's size."""
    rules = _rules_of(field.annotation, tuple(field.metadata)) if field is not None else ()
    constraints = (each for each in rules or () if isinstance(each, Constraint))
    return next((each for each in constraints if "maxItems" in dict(each.schema)), None)


# -- faults ----------------------------------------


class _Faults(NamedTuple):
    """Faults as pydantic reports them, and how many more there are."""

    told: list[Any]
    more: int


def _refusal(model: type[BaseModel], body: bytes, fault: ValidationError) -> UtskickError:
    """Return the error with what else is wrong beside the first fault of each list."""
    if not any(isinstance(part, int) for error in _errors(fault) for part in error["loc"]):
        return refusal(fault, model)
    data = from_json(body)
    if isinstance(data, dict):
        faults, counted = _of_lists(model, data, _errors(fault))
        if counted:
            return Invalid(counted)
        if faults.told:
            return refusal_of(faults.told, model, faults.more)
    elif isinstance(data, list):
        try:
            model.model_validate_json(orjson.dumps(data[:_FEW]))
        except ValidationError as head:
            return refusal(head, model)
    return refusal(fault, model)


def _of_lists(
    model: type[BaseModel], data: Mapping[str, Any], first: Iterable[Any]
) -> tuple[_Faults, list[Violation]]:
    """Return the faults of a body, and those of the sizes of its lists, which go before."""
    fields = _fields(model)
    lists = {
        name: value
        for name, value in data.items()
        if isinstance(value, list)
        and name in fields
        and _rules_of(fields[name].annotation) is not None
    }
    counted = [
        Violation(name, message)
        for name, value in lists.items()
        if (rule := _count_of(fields[name])) is not None
        and len(value) > dict(rule.schema)["maxItems"]
        for message, holds in rule.checks
        if not holds(value)
    ]
    told = [error for error in first if len(error["loc"]) < 2 or error["loc"][0] not in lists]
    more = 0
    if not counted:
        for name, value in lists.items():
            found = _of_elements(name, value, _elements(model, name), MOST_TOLD - len(told))
            told, more = told + found.told, more + found.more
    return _Faults(told, more), counted


def _of_elements(name: str, value: list[Any], elements: SchemaValidator, most: int) -> _Faults:
    told: list[Any] = []
    more = 0
    for start in range(0, len(value), _PIECE):
        try:
            elements.validate_json(orjson.dumps(value[start : start + _PIECE]))
        except ValidationError as fault:
            room = most - len(told)
            if room <= 0:
                more += fault.error_count()
                continue
            errors = _errors(fault)
            more += len(errors[room:])
            told += [{**error, "loc": _shifted(name, start, error)} for error in errors[:room]]
    return _Faults(told, more)


def _shifted(name: str, start: int, error: Any) -> tuple[int | str, ...]:
    index, *rest = error["loc"] or (0,)
    return (name, index + start if isinstance(index, int) else start, *rest)


def _errors(fault: ValidationError) -> list[Any]:
    return list(fault.errors(include_url=False))


# -- validators ----------------------------------------


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


@cache
def _hasty(model: type[BaseModel]) -> SchemaValidator:
    """Return the model's validator, which leaves each list and object at its first fault."""
    return _validator(_failing_fast(model.__pydantic_core_schema__))


@cache
def _elements(model: type[BaseModel], name: str) -> SchemaValidator:
    """Return a validator of a member that is a list: of all elements, each up to a first list."""
    kind: Any = _fields(model)[name].annotation
    schema = TypeAdapter(kind).core_schema
    return _validator(_failing_fast(schema, outermost=False))


def _validator(schema: Any) -> SchemaValidator:
    """Build a validator of the schema as it is, without what its models have ready of theirs."""
    return SchemaValidator(schema, _use_prebuilt=False)


def _failing_fast(schema: Any, *, outermost: bool = True) -> Any:
    """Return a copy of a core schema whose lists and dictionaries fail at their first fault."""
    if isinstance(schema, list | tuple):
        return type(schema)(_failing_fast(each, outermost=outermost) for each in schema)
    if not isinstance(schema, dict):
        return schema
    is_collection = schema.get("type") in ("list", "dict") and not isinstance(
        schema["type"], Mapping
    )
    inner = outermost or is_collection
    copy = {
        key: value if key == "metadata" else _failing_fast(value, outermost=inner)
        for key, value in schema.items()
    }
    return {**copy, "fail_fast": True} if is_collection and outermost else copy
