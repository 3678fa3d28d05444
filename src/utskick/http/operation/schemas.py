"""JSON Schemas of request and response models, and the base of response models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

REF: Final = "#/components/schemas/{model}"
_SECTION: Final = re.compile(r",? \((?:contract|quirk)[^)]*\)")


class Response(BaseModel):
    """Base of the models of response bodies.

    Endpoints build plain dicts; a test validates every JSON response against its model, without
    further members.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    #: Names of members that the contract does not have.
    additions: ClassVar[frozenset[str]] = frozenset()


Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
#: Swedish local time without zone, as the contract prints it.
LocalTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time-local"})]
Uri = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]


def words(values: Iterable[str]) -> WithJsonSchema:
    """Return the schema of a string with these values."""
    return WithJsonSchema({"type": "string", "enum": [str(value) for value in values]})


def member(description: str, example: Any = None, alias: str | None = None) -> Any:
    """Declare a member of a response that may be left out."""
    examples = None if example is None else [example]
    return Field(default=None, alias=alias, description=description, examples=examples)


def required(description: str, example: Any = None, alias: str | None = None) -> Any:
    """Declare a member of a response that is always there."""
    examples = None if example is None else [example]
    return Field(alias=alias, description=description, examples=examples)


def ref(name: str) -> dict[str, str]:
    """Return a reference to a named schema."""
    return {"$ref": REF.format(model=name)}


def name_of(model: type[BaseModel]) -> str:
    """Return the name under which a model's schema is published."""
    return str(model.model_config.get("title") or model.__name__)


def schema_of(model: Any) -> dict[str, Any]:
    """Return the schema of a model, of a list of one, or of a mapping to one."""
    if get_origin(model) in (list, tuple):
        return {"type": "array", "items": schema_of(get_args(model)[0])}
    return dict(ref(name_of(model)))


def models_in(model: Any) -> type[BaseModel]:
    """Return the model of a type as ``schema_of`` takes it."""
    found: type[BaseModel] = get_args(model)[0] if get_origin(model) in (list, tuple) else model
    return found


def published(models: Iterable[type[BaseModel]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and schema of each model and of all that it refers to.

    Raises ``ValueError`` where two are published under one name.
    """
    ordered = sorted(set(models), key=lambda m: (m.__name__, m.__module__))
    _, found = models_json_schema(
        [(m, "validation") for m in ordered], ref_template=REF, schema_generator=_Plain
    )
    definitions: Mapping[str, Any] = found.get("$defs", {})
    names = {key: schema.pop("title", key) for key, schema in definitions.items()}
    if len(set(names.values())) < len(names):
        twice = sorted(name for name in names.values() if list(names.values()).count(name) > 1)
        raise ValueError(f"two schemas are published as {', '.join(twice)}")
    renamed = {REF.format(model=k): REF.format(model=n) for k, n in names.items()}
    for key, schema in definitions.items():
        yield names[key], _described(_renamed(schema, renamed))


def with_enums(
    components: dict[str, Any], enums: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return the schemas by name, with the values that the installed channels bring."""
    for name, values in enums.items():
        if name in components:
            components[name] = {**components[name], "enum": list(values)}
    return dict(sorted(components.items()))


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop references to sections of the contract from a docstring."""
    if "description" in schema:
        text = " ".join(str(schema["description"]).split())
        return {**schema, "description": _SECTION.sub("", text)}
    return schema


def _renamed(schema: Any, refs: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {k: refs.get(v, v) if k == "$ref" else _renamed(v, refs) for k, v in schema.items()}
    return [_renamed(one, refs) for one in schema] if isinstance(schema, list | tuple) else schema


class _Plain(GenerateJsonSchema):
    """Schemas in the contract's style.

    What may be left out may also be null, which is not repeated for each member.
    """

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {k: v for k, v in found.items() if k != "default" or v not in (None, "", {})}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "number", "format": "double"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False
