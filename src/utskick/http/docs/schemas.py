"""The schemas of bodies and answers, by name: plain, as the contract writes them, every member
described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from utskick.http.configuration import schemas as configuration_shapes
from utskick.http.context import ApiContext
from utskick.http.directory import requests as directory_requests
from utskick.http.directory import requests as directory_shapes
from utskick.http.docs.descriptions import MEMBERS
from utskick.http.docs.schema_descriptions import SCHEMAS
from utskick.http.events import feed_schemas as event_shapes
from utskick.http.events import webhook_schemas as webhook_shapes
from utskick.http.history import schemas as record_shapes
from utskick.http.messages.schemas import SHAPES
from utskick.http.messages.status import ResolveRequest
from utskick.http.oauth import schemas as token_shapes
from utskick.http.retention import schemas as retention_shapes

REF: Final = "#/components/schemas/{model}"
_SECTION: Final = re.compile(r",? \((?:contract|quirk)[^)]*\)")


def ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}


def name_of(model: type[BaseModel]) -> str:
    """The name that its schema is published under."""
    return str(model.model_config.get("title") or model.__name__)


def schemas(service: ApiContext) -> dict[str, Any]:
    """Those of every channel that is there, of the directory, and of all answers."""
    models: set[type[BaseModel]] = {
        m for c in service.channels.values() for f in c.forms for m in (f.request, f.short) if m
    }
    models.update(
        [
            ResolveRequest,
            webhook_shapes.WebhookRequest,
            *directory_requests.MODELS,
            *retention_shapes.MODELS,
            *configuration_shapes.MODELS,
        ]
    )
    models.update(q.request for c in service.channels.values() for q in c.questions)
    found: dict[str, Any] = dict(SHAPES)
    for each in (
        record_shapes,
        event_shapes,
        webhook_shapes,
        directory_shapes,
        retention_shapes,
        configuration_shapes,
        token_shapes,
    ):
        found.update(each.SHAPES)
    for name, schema in published(models):
        if name in found:
            raise ValueError(f"two schemas are called {name}")
        found[name] = schema
    return {name: _told(name, schema) for name, schema in sorted(found.items())}


def published(models: Iterable[type[BaseModel]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The models by their titles, which are the contract's names."""
    ordered = sorted(models, key=lambda m: m.__name__)
    _, found = models_json_schema(
        [(m, "validation") for m in ordered], ref_template=REF, schema_generator=_Plain
    )
    names = {key: schema.pop("title", key) for key, schema in found.get("$defs", {}).items()}
    for key, schema in found.get("$defs", {}).items():
        yield (
            names[key],
            _renamed(schema, {REF.format(model=k): REF.format(model=n) for k, n in names.items()}),
        )


def _renamed(schema: Any, refs: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {k: refs.get(v, v) if k == "$ref" else _renamed(v, refs) for k, v in schema.items()}
    return [_renamed(one, refs) for one in schema] if isinstance(schema, list | tuple) else schema


class _Plain(GenerateJsonSchema):
    """What may be left out may be null, too, as in the contract: that is not said of each
    member."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {k: v for k, v in found.items() if k != "default" or v not in (None, "", {})}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "number", "format": "double"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _told(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """With the words for the schema and for its members, those of its own before those that the
    member has everywhere."""
    told = dict(schema)
    text = SCHEMAS.get(name) or schema.get("description")
    if text:
        told["description"] = _SECTION.sub("", text)
    if "properties" in schema:
        told["properties"] = {
            member: _member(name, member, inner) for member, inner in schema["properties"].items()
        }
    return told


def _member(name: str, member: str, schema: dict[str, Any]) -> dict[str, Any]:
    said = MEMBERS.get(f"{name}.{member}") or MEMBERS.get(member)
    if said is None:
        return schema
    words: dict[str, Any] = {"description": said.text}
    if said.example is not None and schema.get("type") != "array" and "$ref" not in schema:
        words["examples"] = [said.example]
    return {**schema, **words} if "description" not in schema else schema
