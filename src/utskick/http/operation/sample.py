"""Examples of response bodies, assembled from the examples of their members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import WithJsonSchema

#: Nested objects that are shown; beyond, a member is left out.
_DEPTH: Final = 3
_SCALARS: Final[Mapping[Any, Any]] = {
    bool: True,
    int: 1,
    float: 1.0,
    str: "text",
    UUID: "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c",
    datetime: "2026-02-25T15:54:39.254123+01:00",
    date: "2026-02-25",
}
_FORMATS: Final = {"uri": "https://example.se", "date-time-local": "2026-02-25T15:54:39.254123"}
_MISSING: Final = object()


def sample_of(model: Any, enums: Mapping[str, list[str]]) -> Any:
    """Return an example of a model, or of a list of one.

    ``enums``: the values of models whose values the installed channels bring.
    """
    return _of_type(model, (), enums, _DEPTH)


def _of_type(kind: Any, metadata: Any, enums: Mapping[str, list[str]], depth: int) -> Any:
    for each in metadata:
        if isinstance(each, WithJsonSchema) and each.json_schema:
            schema = each.json_schema
            return schema["enum"][0] if "enum" in schema else _FORMATS[schema["format"]]
    origin = get_origin(kind)
    if origin in (list, tuple):
        inner = _of_type(get_args(kind)[0], (), enums, depth)
        return [] if inner is _MISSING else [inner]
    if origin is Literal:
        return get_args(kind)[0]
    if hasattr(kind, "__metadata__"):
        return _of_type(kind.__origin__, kind.__metadata__, enums, depth)
    if origin is Union or type(kind).__name__ == "UnionType":
        return _of_type(
            next(arg for arg in get_args(kind) if arg is not type(None)), (), enums, depth
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_model(kind, enums, depth)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(each.value for each in kind)
    return _SCALARS.get(kind, _MISSING)


def _of_model(model: type[BaseModel], enums: Mapping[str, list[str]], depth: int) -> Any:
    if model.__name__ in enums:
        return enums[model.__name__][0]
    if issubclass(model, RootModel):
        root = model.model_fields["root"]
        found = _of_type(root.annotation, root.metadata, enums, depth)
        return {} if found is _MISSING else found
    if depth == 0:
        return _MISSING
    members = {
        field.alias or name: _of_field(field, enums, depth - 1)
        for name, field in model.model_fields.items()
    }
    return {name: value for name, value in members.items() if value is not _MISSING}


def _of_field(field: FieldInfo, enums: Mapping[str, list[str]], depth: int) -> Any:
    if field.examples:
        return field.examples[0]
    return _of_type(field.annotation, field.metadata, enums, depth)
