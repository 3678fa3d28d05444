"""Whatever is asked of the service, in form or out of it, it answers only what it documents, and no
fault of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.http.conftest import Client
from tests.http.docs.test_openapi import PARTY
from tests.http.messages.test_push import device
from utskick.sandbox.digital_mail.citizens import number

#: Of each call, beside its example.
CASES = 2
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "allow_header_conformance",
)


def settings(url: str, headers: dict[str, str]) -> SchemathesisConfig:
    """The same cases on every run, and no search for a smaller one."""
    return SchemathesisConfig.from_dict(
        {
            "base-url": url,
            "headers": headers,
            "continue-on-failure": True,
            "request-timeout": 30,
            "parameters": {
                "municipalityId": "2281",
                "organizationNumber": "2120002411",
                "follow": "false",
            },
            "max-stream-events": 1,
            "generation": {
                "max-examples": CASES,
                "no-shrink": True,
                "deterministic": True,
                "database": "none",
            },
            "phases": {"coverage": {"enabled": False}, "stateful": {"enabled": False}},
            "checks": {"enabled": False, **{check: {"enabled": True} for check in CHECKS}},
        }
    )


def explored(url: str, headers: dict[str, str], document: dict[str, Any]) -> Iterator[str]:
    """What should not have been answered, one line each; at the end the number of cases."""
    document["paths"].pop("/api-docs")  # is YAML, and as such no string
    for path in document[
        "paths"
    ].values():  # each event would be held against the schema of the whole
        for answer in (
            answer for operation in path.values() for answer in operation["responses"].values()
        ):
            answer.get("content", {}).get("text/event-stream", {}).pop("schema", None)
    asked = 0
    for event in from_schema(
        schemathesis.openapi.from_dict(document, config=settings(url, headers))
    ).execute():
        if isinstance(event, events.FatalError | events.NonFatalError):
            yield f"not explored: {event}"
        if isinstance(event, events.ScenarioFinished):
            asked += len(event.recorder.cases)
            yield from told(event.recorder)
    yield str(asked)


def told(recorder: Any) -> Iterator[str]:
    for case_id, interaction in recorder.interactions.items():
        failed = [
            check.failure_info for check in recorder.checks.get(case_id, ()) if check.failure_info
        ]
        yield from (
            f"{recorder.cases[case_id].value.operation.label}: {found.failure}\n{found.code_sample}"
            for found in failed
        )
        answer = interaction.response
        if answer is None:
            yield f"{recorder.cases[case_id].value.operation.label}: no answer"
        elif answer.status_code >= 500 and not is_meant(answer.status_code, answer.json()):
            yield f"{recorder.cases[case_id].value.operation.label}: {answer.status_code} {answer.json()}"


def is_meant(status: int, problem: dict[str, Any]) -> bool:
    """The one delivery of a synchronous call that failed: people whom nobody knows have no mailbox
    and no device."""
    return status == 502 and problem["code"] == "delivery-failed" and "deliveryId" in problem


async def test_the_service_answers_only_what_it_documents(client: Client) -> None:
    home = {"address": "Storgatan 1", "zipCode": "85230", "city": "Sundsvall"}
    assert (
        await client.call("PUT", f"/2281/parties/{PARTY}", {"legalId": number(1), "address": home})
    ).status == 201
    await device(client, "mobilen", PARTY)
    document = (await client.get("/openapi.json")).json
    *wrong, asked = await asyncio.to_thread(
        lambda: list(explored(client.running.api_url, client.bearer, document))
    )
    assert wrong == []
    assert int(asked) > 2 * len(document["paths"])
