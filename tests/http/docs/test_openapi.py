"""What the API says of itself is whole: everything is described, every example is true, and the
examples work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from tests.http.conftest import Client
from tests.http.messages.test_push import device
from utskick.sandbox.digital_mail.citizens import number

PARTY = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"


async def described(client: Client) -> Any:
    return (await client.get("/openapi.json")).json


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def members(document: Any) -> Iterator[tuple[str, Any]]:
    for name, schema in document["components"]["schemas"].items():
        for member, inner in schema.get("properties", {}).items():
            yield f"{name}.{member}", inner


def holds(document: Any, schema: Any, value: Any) -> bool:
    return bool(
        jsonschema_rs.validator_for({**schema, "components": document["components"]}).is_valid(
            value
        )
    )


async def test_everything_is_described(client: Client) -> None:
    document = await described(client)
    assert [where for where, schema in members(document) if "description" not in schema] == []
    assert [
        name
        for name, schema in document["components"]["schemas"].items()
        if "description" not in schema
    ] == []
    said = [
        (method, path, parameter)
        for method, path, operation in operations(document)
        for parameter in operation.get("parameters", ())
    ]
    assert [one for one in said if not one[2]["description"]] == []
    assert {tag for *_, operation in operations(document) for tag in operation["tags"]} <= {
        tag["name"] for tag in document["tags"]
    }


async def test_what_may_be_left_out_is_written_plainly(client: Client) -> None:
    document = await described(client)
    text = str(document)
    assert "'anyOf'" not in text
    assert "title': '" not in str(document["components"]["schemas"])
    assert "utskick__" not in text


async def test_every_example_is_true(client: Client) -> None:
    document = await described(client)
    wrong = [
        where
        for where, schema in members(document)
        for value in schema.get("examples", ())
        if not holds(document, schema, value)
    ]
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if "example" in parameter and not holds(
                document, parameter["schema"], parameter["example"]
            ):
                wrong.append(f"{method} {path} {parameter['name']}")
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if not holds(document, media["schema"], media["example"]):
                wrong.append(f"{method} {path}")
    assert wrong == []


async def test_the_example_of_every_call_that_sends_is_taken(client: Client) -> None:
    document = await described(client)
    person = {
        "legalId": number(1),
        "address": {"address": "Storgatan 1", "zipCode": "85230", "city": "Sundsvall"},
    }
    assert (await client.call("PUT", f"/2281/parties/{PARTY}", person)).status == 201
    await device(client, "mobilen", PARTY)
    taken = {}
    for method, path, operation in operations(document):
        if (
            method == "POST"
            and "Sending Resources" in operation["tags"]
            and "requestBody" in operation
        ):
            at = path.replace("{municipalityId}", "2281").replace(
                "{organizationNumber}", "2120002411"
            )
            asked = [
                f"{p['name']}={p['example']}"
                for p in operation["parameters"]
                if p["in"] == "query" and p["required"]
            ]
            answer = await client.post(
                "?".join([at, *asked]),
                operation["requestBody"]["content"]["application/json"]["example"],
            )
            taken[operation["operationId"]] = (answer.status, answer.json)
    assert {operation: told for operation, told in taken.items() if told[0] not in (200, 201)} == {}
    assert len(taken) > 15
