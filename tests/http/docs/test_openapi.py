"""What the API says of itself is whole: everything is described, every example is true, and the
examples work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import jsonschema_rs
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tests.http.conftest import Client, serving
from tests.http.messages.test_push import device
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

DEPRECATED = {"getMessage", "readAttachment", "sendDigitalMailDeprecated"}
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


async def test_every_operation_says_what_it_does(client: Client) -> None:
    document = await described(client)
    for method, path, operation in operations(document):
        assert len(operation["description"]) > 20, f"{method} {path}"
        assert operation["description"] != operation["summary"], f"{method} {path}"
        assert isinstance(operation["security"], list), f"{method} {path}"
    info = document["info"]
    assert {"contact", "termsOfService", "license", "description"} <= info.keys()
    assert "limitation" in info["description"]


def fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a model and of all models in it."""
    seen, waiting = set[type[BaseModel]](), [model]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for name, field in one.model_fields.items():
            yield f"{one.__name__}.{name}", field
            waiting += models(field.annotation)


def models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in models(arg)]


async def test_every_example_is_taken_by_our_own_validators(client: Client) -> None:
    """Of members, of request bodies and of responses."""
    wrong = []
    for operation in client.running.operations:
        answers = [a.model for a in operation.answers.values() if a.model is not None]
        bodies = [operation.body.model] if operation.body is not None else []
        for model in {each for top in (*answers, *bodies) for each in models(top) or [top]}:
            for where, field in fields(model):
                kind: Any = field.annotation
                for each in field.metadata:
                    kind = Annotated[kind, each]
                for example in field.examples or ():
                    try:
                        TypeAdapter(kind).validate_python(example)
                    except ValidationError as fault:
                        wrong.append(f"{where}: {fault}")
        if operation.body is not None and operation.body.example is not None:
            operation.body.model.model_validate(operation.body.example)
    assert wrong == []
    document = await described(client)
    declared = {(o.method, o.path): o for o in client.running.operations}
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            media = answer.get("content", {}).get("application/json")
            if media is None:
                continue
            model = declared[method, path].answers[int(status)].model
            TypeAdapter(model).validate_json(orjson.dumps(media["example"]), extra="forbid")
            assert holds(document, media["schema"], media["example"]), f"{method} {path}"


async def test_name_version_and_state_are_told_at_api_info(client: Client) -> None:
    answer = await client.get("/api-info", Authorization="")
    assert answer.status == 200
    assert answer.json["apiName"] == "Utskick"
    assert answer.json["apiStatus"] == "active"
    assert answer.json["apiDocumentation"] == f"{client.running.api_url}/docs"


async def test_the_public_address_is_that_of_the_settings(
    database: Database, tmp_path: Path
) -> None:
    http = {
        "port": 0,
        "public_url": "https://api.example.se/utskick/",
        "contact_email": "api@example.se",
        "terms": "https://example.se/terms",
    }
    async with serving(database, tmp_path, work=False, http=http) as client:
        document = await described(client)
        assert [each["url"] for each in document["servers"]] == ["https://api.example.se/utskick"]
        assert document["info"]["contact"]["email"] == "api@example.se"
        assert document["info"]["termsOfService"] == "https://example.se/terms"


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


async def test_the_example_of_every_other_call_is_taken(client: Client) -> None:
    """What it names has been made by the example of another call."""
    document = await described(client)
    bodies = {
        operation["operationId"]: (method, path, operation)
        for method, path, operation in operations(document)
        if "Sending Resources" not in operation["tags"]
        and "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    taken = dict[str, tuple[int, str]]()

    async def call(name: str, *, over: dict[str, Any] | None = None, **named: str) -> str:
        """Make a call; its example but for what ``over`` names. Returns the id that it made."""
        method, path, operation = bodies.pop(name)
        examples = {p["name"]: p.get("example") for p in operation["parameters"]}
        for each, value in {**examples, "municipalityId": "2281", **named}.items():
            path = path.replace(f"{{{each}}}", str(value))
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answer = await client.call(method, path, {**example, **(over or {})}, **{"x-origin": "A"})
        taken[name] = answer.status, answer.text
        return str(answer.headers.get("Location", "").rpartition("/")[2])

    first = await call("createContactSetting")
    made = await client.post("/2281/settings", {"alias": "Annas", "createdById": first})
    second = made.headers["Location"].rpartition("/")[2]
    await call("updateContactSetting", id=first)
    delegate = await call("createDelegate", over={"principalId": first, "agentId": second})
    rules = await call("createDelegateFilter", id=delegate)
    await call("updateDelegateFilter", id=delegate, filterId=rules)
    await call("putParty", partyId=PARTY)
    await call("createHold")
    await call("createSubscription")
    # The example's host is one that nobody has (RFC 2606).
    await call("createWebhook", over={"url": "http://127.0.0.1:9/utskick"})
    await call("putConfiguration")
    await call("putRetentionRule", messageType="SMS")
    for name in ("resolveDelivery", "resolveDeliveryShort"):
        await call(name, deliveryId=PARTY)
        assert taken.pop(name)[0] == 404, "there is no such delivery; the example itself is right"
    assert bodies == {}, "each of them is tried"
    assert {name: told for name, told in taken.items() if told[0] not in (200, 201, 204)} == {}


async def test_what_is_deprecated_is_what_the_contract_calls_so(client: Client) -> None:
    document = await described(client)
    found = {o["operationId"] for *_, o in operations(document) if o.get("deprecated")}
    assert found == DEPRECATED
