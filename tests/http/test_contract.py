"""Our OpenAPI is the peer's, member by member; what differs is meant, and stands in
docs/contract.md."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.http.conftest import Client
from tests.http.difference import Difference, Row, differences, rows
from tests.shape.sizes import ROOT

PEER = ROOT.parent / "shared" / "contracts" / "messaging-7.10-openapi.yml"
PAGE = ROOT / "docs" / "contract.md"
#: Operations of the peer that are still to be built.
NOT_YET: set[str] = set()


@pytest.fixture(scope="module")
def peer() -> Any:
    return _read(PEER)


def _read(path: Path) -> Any:
    if not path.exists():
        pytest.skip(f"the peer's OpenAPI is not beside the repository ({path.name})")
    return yaml.safe_load(path.read_text())


async def test_every_difference_is_meant_and_every_meant_one_is_there(
    client: Client, peer: Any
) -> None:
    found = differences(peer, (await client.get("/openapi.json")).json)
    missing = {d.where for d in found if (d.peer, d.ours) == ("there", "missing")} & set(NOT_YET)
    assert missing == NOT_YET, "these are there now: take them out of NOT_YET"
    found = [d for d in found if d.where not in missing]
    meant = rows(PAGE.read_text())
    assert [d for d in found if not any(row.covers(d) for row in meant)] == []
    assert [row for row in meant if not any(row.covers(d) for d in found)] == []
    first = [next(row for row in meant if row.covers(d)) for d in found]
    assert [row for row in meant if row not in first] == [], "another row says it already"


# -- the comparison itself ----------------------------------------

SMALL: dict[str, Any] = {
    "paths": {
        "/{m}/things": {
            "post": {
                "operationId": "sendThing",
                "tags": ["Things"],
                "parameters": [
                    {"name": "m", "in": "path", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "async",
                        "in": "query",
                        "required": False,
                        "schema": {"type": "boolean", "default": False},
                    },
                    {
                        "name": "x-old",
                        "in": "header",
                        "required": False,
                        "deprecated": True,
                        "schema": {"type": "string"},
                    },
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                    },
                },
                "responses": {
                    "201": {
                        "headers": {"Location": {"schema": {"type": "string"}}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Made"}}
                        },
                    },
                    "400": {
                        "content": {
                            "application/problem+json": {
                                "schema": {"oneOf": [{"$ref": "#/components/schemas/Made"}]}
                            }
                        }
                    },
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1, "enum": ["A", "B"]},
                    "parts": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"$ref": "#/components/schemas/Part"},
                    },
                    "words": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "required": ["name"],
            },
            "Part": {
                "type": "object",
                "properties": {"id": {"type": ["string", "null"], "format": "uuid"}},
            },
            "Made": {
                "type": "object",
                "properties": {"status": {"type": "string", "enum": ["SENT"]}},
            },
        }
    },
}
THING, MADE, PART = (("components", "schemas", name) for name in ("Thing", "Made", "Part"))
POST = ("paths", "/{m}/things", "post")


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with one place changed; None: taken away."""
    made = copy.deepcopy(SMALL)
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("paths", "/{m}/things"), {}, "POST /{m}/things"),
        ((*POST, "operationId"), "sendIt", "POST /{m}/things operationId"),
        ((*POST, "tags"), ["Others"], "POST /{m}/things tags"),
        ((*POST, "deprecated"), True, "POST /{m}/things deprecated"),
        ((*POST, "parameters", 1), None, "POST /{m}/things query async"),
        ((*POST, "parameters", 1, "required"), True, "POST /{m}/things query async required"),
        (
            (*POST, "parameters", 1, "schema", "default"),
            True,
            "POST /{m}/things query async default",
        ),
        ((*POST, "parameters", 0, "schema", "pattern"), "^a$", "POST /{m}/things path m pattern"),
        ((*POST, "parameters", 2, "deprecated"), False, "POST /{m}/things header x-old deprecated"),
        ((*POST, "requestBody", "required"), False, "POST /{m}/things request required"),
        ((*POST, "requestBody", "content"), {}, "POST /{m}/things request application/json"),
        ((*POST, "requestBody"), None, "POST /{m}/things request"),
        ((*POST, "responses", "201"), None, "POST /{m}/things 201"),
        ((*POST, "responses", "201", "headers"), {}, "POST /{m}/things 201 header Location"),
        ((*POST, "responses", "201", "content"), {}, "POST /{m}/things 201 application/json"),
        (
            (*POST, "responses", "400", "content", "application/problem+json", "schema"),
            {},
            "POST /{m}/things 400 application/problem+json oneOf",
        ),
        ((*THING, "properties", "name"), None, "Thing.name"),
        ((*THING, "required"), ["name", "words"], "Thing.words required"),
        ((*THING, "required"), [], "Thing.name required"),
        ((*THING, "required"), ["name", "new"], "Thing.new"),
        ((*THING, "properties", "name", "minLength"), None, "Thing.name minLength"),
        ((*THING, "properties", "name", "enum"), ["A", "B", "C"], "Thing.name enum"),
        ((*THING, "properties", "parts", "minItems"), None, "Thing.parts minItems"),
        (
            (*THING, "properties", "words", "additionalProperties", "type"),
            "integer",
            "Thing.words{} type",
        ),
        ((*PART, "properties", "id", "type"), "string", "Part.id type"),
        ((*PART, "properties", "id", "format"), None, "Part.id format"),
        ((*MADE, "properties", "status", "enum"), ["PENDING"], "Made.status enum"),
        ((*MADE, "type"), "array", "Made type"),
    ],
)
def test_a_client_would_notice(path: tuple[Any, ...], value: Any, where: str) -> None:
    assert where in {d.where for d in differences(SMALL, changed(path, value))}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("paths", "/{m}/others"), {"get": {"responses": {}}}),
        ((*POST, "parameters", 1, "description"), "At once"),
        ((*POST, "responses", "503"), {"description": "Away"}),
        ((*THING, "properties", "more"), {"type": "string"}),
        ((*THING, "properties", "name", "description"), "Its name"),
        ((*MADE, "properties", "status", "enum"), ["SENT", "LATER"]),
        ((*MADE, "properties", "more"), {"type": "string"}),
    ],
)
def test_a_client_would_not_notice(path: tuple[Any, ...], value: Any) -> None:
    assert differences(SMALL, changed(path, value)) == []


def test_a_schema_under_another_name_is_told_once() -> None:
    ours = copy.deepcopy(SMALL)
    ours["components"]["schemas"]["Piece"] = ours["components"]["schemas"].pop("Part")
    ours["components"]["schemas"]["Thing"]["properties"]["parts"]["items"] = {
        "$ref": "#/components/schemas/Piece"
    }
    assert differences(SMALL, ours) == [Difference("schema Part", "Part", "Piece")]


def test_rows_are_read_from_tables_of_differences_alone() -> None:
    page = "| # | Peer | Utskick |\n|---|---|---|\n| Q1 | a | b |\n\n"
    page += (
        "| Where | Peer | Utskick | Why |\n|---|---|---|---|\n| `a.* x` | `–` | `^a\\|b$` | so |\n"
    )
    assert rows(page) == [Row("a.* x", "–", "^a|b$")]
    assert rows(page)[0].covers(Difference("a.b x", "–", "^a|b$"))
    assert not rows(page)[0].covers(Difference("a.b x", "–", "^a$"))
