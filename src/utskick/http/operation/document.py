"""The OpenAPI document of the service, built from its operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel

from utskick import __version__
from utskick.http.context import ApiContext
from utskick.http.operation import security
from utskick.http.operation.operation import Body, Operation, RateClass
from utskick.http.operation.parameters import path_parameters
from utskick.http.operation.placeholders import filled
from utskick.http.operation.problem_schemas import ConstraintViolationProblem, Problem
from utskick.http.operation.responses import REQUEST_ID, responses
from utskick.http.operation.sample import sample_of
from utskick.http.operation.schemas import models_in, name_of, published, ref, schema_of, with_enums
from utskick.http.operation.tags import TAGS
from utskick.store.messages.print_batches import HAND_OVER

_OPENAPI: Final = "3.1.0"
_DESCRIPTION: Final = """SMS, e-mail, digital mail, letters and more for public bodies: one API, a \
life-cycle status for every delivery, and the history of every person.

Every path has the municipality as its first segment; the forms without it are for the default \
municipality.

## Known limitations

- Rate limits are counted per process; with several processes a client can make more calls.
- Responses to a synchronous call wait at most the configured time; the outcome then comes by \
status, event feed or webhook.
- Numbers and addresses of persons are never returned by the directory; only the extract of a \
person holds them.
- Paths and members follow the contract of the service that this one replaces, also where that \
departs from Digg's REST API profile; the documentation lists each rule.
"""


def document(service: ApiContext, operations: Sequence[Operation]) -> dict[str, Any]:
    """Build the document. Raises ``ValueError`` where two models have one name."""
    schemes = security.schemes(service)
    enums = _enums(service)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method.lower()] = _operation(operation, list(schemes), enums)
    components: dict[str, Any] = {
        "schemas": _schemas(operations, enums),
        "headers": {"RequestId": REQUEST_ID},
    }
    if schemes:
        components["securitySchemes"] = schemes
    described = {
        "openapi": _OPENAPI,
        "info": _info(service),
        "servers": [{"url": service.publisher.url, "description": "This service"}],
        "tags": TAGS,
        "paths": paths,
        "components": components,
    }
    return dict(filled(described, service))


def _info(service: ApiContext) -> dict[str, Any]:
    notice = f"**{service.notice}**\n\n" if service.notice else ""
    return {
        "title": "Utskick",
        "version": __version__,
        "description": notice + _DESCRIPTION,
        "license": {"name": "MIT", "identifier": "MIT"},
        **service.publisher.info(),
    }


def _enums(service: ApiContext) -> dict[str, list[str]]:
    """Return the values that the installed channels bring, by the name of the schema."""
    installed = {channel.message_type for channel in service.channels.values()}
    types = [kind for kind in service.message_types if kind in installed]
    return {"MessageType": [*types, HAND_OVER]}


def _schemas(operations: Sequence[Operation], enums: dict[str, list[str]]) -> dict[str, Any]:
    models: set[type[BaseModel]] = {Problem, ConstraintViolationProblem}
    for operation in operations:
        if operation.body is not None:
            models.add(operation.body.model)
        models.update(
            models_in(answer.model)
            for answer in operation.answers.values()
            if answer.model is not None
        )
    return with_enums(dict(published(models)), enums)


def _operation(
    operation: Operation, schemes: list[str], enums: dict[str, list[str]]
) -> dict[str, Any]:
    """Build the operation object. Headers come first, then path and query."""
    own = operation.parameters
    ordered = [
        *(each for each in own if each.place == "header"),
        *path_parameters(operation.path),
        *(each for each in own if each.place == "query"),
    ]
    requirements = security.requirements(operation, schemes)
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        **({"deprecated": True} if operation.deprecated else {}),
        "parameters": [each.document() for each in ordered],
        **({"requestBody": _body(operation.body)} if operation.body else {}),
        "responses": responses(
            operation,
            lambda model: {"schema": schema_of(model), "example": sample_of(model, enums)},
            guarded=bool(requirements),
            limited=operation.rate is not RateClass.REFUSED,
        ),
        "security": requirements,
    }


def _body(body: Body) -> dict[str, Any]:
    example = {} if body.example is None else {"example": body.example}
    schema = ref(name_of(body.model))
    return {"required": True, "content": {body.media: {"schema": schema, **example}}}
