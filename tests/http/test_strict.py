"""A strict client: every answer fits the peer's OpenAPI with all its objects closed."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import aiohttp
import jsonschema_rs
import pytest
import yaml

from tests.http import tokens
from tests.http.conftest import Answer, Client
from tests.http.people_in_full import SENDER, known_in_full, requests_about
from tests.http.test_contract import PEER
from utskick.store.administration.clients import Clients
from utskick.store.database import Database


@pytest.fixture(scope="module")
def peer() -> Any:
    if not PEER.exists():
        pytest.skip(f"the peer's OpenAPI is not beside the repository ({PEER.name})")
    return closed(json.loads(json.dumps(yaml.safe_load(PEER.read_text()), default=str)))


def closed(schema: Any) -> Any:
    """The document with objects that allow no members but those that they name, and times as the
    peer writes them."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items() if value != "date-time"}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found["additionalProperties"] = False
    return found


def fault_of(peer: Any, method: str, path: str, answer: Answer) -> str | None:
    """What the peer's OpenAPI does not allow in the answer."""
    template, operation = next(
        (template, methods[method.lower()])
        for template, methods in peer["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path.partition("?")[0])
        and method.lower() in methods
    )
    declared = operation["responses"].get(str(answer.status), {}).get("content", {})
    media = next((m for m in declared if "json" in m or m == "*/*"), None)
    assert media is not None, f"{method} {template} {answer.status}: {answer.text}"
    whole = {**declared[media]["schema"], "components": peer["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole)
    return next((f"{method} {path}: {e}" for e in validator.iter_errors(answer.json)), None)


async def strictly(client: Client, database: Database) -> None:
    """Have the client call with a token of a strict client from now on."""
    await tokens.client_of(database, "strict")
    assert await Clients(database).set_contract("strict", "strict")
    async with aiohttp.ClientSession() as session:
        client.token = await tokens.fetched(session, client.running.api_url, "strict")


async def test_every_answer_is_the_peers_and_nothing_more(
    client: Client, database: Database, peer: Any
) -> None:
    person = await known_in_full(client)
    await strictly(client, database)
    faults = []
    for _, path, body in requests_about(person.party, person.other, uuid4()):
        if path == "push":
            continue  # not the peer's
        answer = await client.post(f"/2281/{path}", body, **SENDER)
        assert answer.status == 201, answer.text
        faults.append(fault_of(peer, "POST", f"/2281/{path}", answer))
    message, batch = person.messages["messages"], person.batches["messages"]
    status = await client.get(f"/2281/status/messages/{message}")
    paths = [
        f"conversation-history/{person.party}",
        f"status/batch/{batch}",
        f"status/messages/{message}",
        f"status/delivery/{status.json['deliveries'][0]['deliveryId']}",
        f"messages/{message}",
        f"messages/{message}/metadata",
        "users/anna01/batches",
        "users/anna01/messages",
        f"users/anna01/messages/{person.messages['sms']}",
        "statistics",
        "statistics/departments",
        "statistics/departments/SBK",
        "statistics/delivery-status",
        f"status/messages/{uuid4()}",
        "status/messages/no-uuid",
    ]
    for path in paths:
        answer = await client.get(f"/2281/{path}")
        faults.append(fault_of(peer, "GET", f"/2281/{path}", answer))
    failed = await client.post("/2281/sms", {"mobileNumber": "+46700000003", "message": "Hej"})
    faults.append(fault_of(peer, "POST", "/2281/sms", failed))
    assert [fault for fault in faults if fault] == []


async def test_an_open_client_gets_more(client: Client, peer: Any) -> None:
    """The comparison can fail."""
    answer = await client.post("/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"})
    assert "lifecycle" in (fault_of(peer, "POST", "/2281/sms", answer) or "")


async def test_push_is_a_message_and_left_out_of_history(
    client: Client, database: Database
) -> None:
    person = await known_in_full(client)
    await strictly(client, database)
    status = await client.get(f"/2281/status/messages/{person.messages['push']}")
    assert {d["messageType"] for d in status.json["deliveries"]} == {"MESSAGE"}
    history = (await client.get(f"/2281/conversation-history/{person.party}")).json
    assert {"SMS", "EMAIL"} <= {entry["messageType"] for entry in history}
    assert "PUSH" not in {entry["messageType"] for entry in history}


async def test_headers_stay(client: Client, database: Database) -> None:
    await strictly(client, database)
    body = {"mobileNumber": "+46701740605", "message": "Hej"}
    first = await client.post("/2281/sms", body, Idempotency_Key="k")
    again = await client.post("/2281/sms", body, Idempotency_Key="k")
    assert first.json.keys() == {"messageId", "deliveries"}
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"].endswith(first.json["messageId"])
    assert first.headers["Content-Type"] == "application/json"
    assert int(first.headers["Content-Length"]) == len(first.text.encode())
