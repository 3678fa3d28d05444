"""One declaration: what cannot be declared cannot be served."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from tests.http.conftest import Client
from utskick.auth import scopes
from utskick.auth.setup import Access
from utskick.channels.registry import CHANNELS
from utskick.http.audit.subject import READS
from utskick.http.messages.operations import BATCH_STATUS
from utskick.http.operation import PUBLIC, Operation, Route
from utskick.http.pipeline import health, routing


async def endpoint(_request: Request) -> Response:
    return Response()


def routes(monkeypatch: pytest.MonkeyPatch) -> routing.Routes:
    monkeypatch.setattr(routing, "AuditRecorder", lambda _service: None)
    service: Any = SimpleNamespace(channels=CHANNELS, access=Access(), rate=1.0)
    return routing.Routes(FastAPI(), service)


def test_an_operation_needs_a_scope_or_public() -> None:
    members = {name: getattr(BATCH_STATUS, name) for name in ("id", "method", "path", "summary")}
    with pytest.raises(TypeError, match="scope"):
        Operation(**members, description="", tag="", answers={})  # type: ignore[call-arg]


def test_an_unknown_scope_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    to = routes(monkeypatch)
    with pytest.raises(ValueError, match="unknown scope"):
        to.add([Route(replace(BATCH_STATUS, scope="status:raed"), endpoint)])
    to.add([Route(replace(BATCH_STATUS, scope=PUBLIC), endpoint)])


def test_an_id_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    to = routes(monkeypatch)
    to.add([Route(BATCH_STATUS, endpoint)])
    with pytest.raises(ValueError, match="getBatchStatus"):
        to.add([Route(BATCH_STATUS, endpoint)])


async def test_every_scope_is_needed_by_some_operation(client: Client) -> None:
    needed = {o.scope for o in client.running.operations if o.scope is not PUBLIC}
    # Health checks are public, and tell more to who has this scope.
    assert needed | {health.SCOPE} == set(scopes.every(CHANNELS))


async def test_what_an_operation_audits_is_among_its_parameters(client: Client) -> None:
    for operation in client.running.operations:
        if operation.audit is None:
            continue
        named = {p.name for p in operation.parameters} | {
            part.strip("{}") for part in operation.path.split("/") if part.startswith("{")
        }
        party = {operation.audit.party} - {None}
        assert {*operation.audit.subject, *party} <= named, operation.id
        reads = operation.scope != "holds:write" and operation.method == "GET"
        assert not reads or operation.audit.action in READS, operation.id
