"""Tests of ``ClientCredentials``: one token for many calls, renewed before it expires."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.client.conftest import Make, ScriptedServer, respond
from tests.http import tokens
from tests.http.conftest import Client
from utskick_client import (
    AsyncUtskickClient,
    ClientCredentials,
    NotUtskick,
    Refused,
    Sms,
    UtskickClient,
)

SENT = {"messageId": "m"}


class TokenEndpoint:
    """Token endpoint that issues t1, t2 … and accepts only the newest."""

    def __init__(self, wire: ScriptedServer, life: int = 600) -> None:
        self.given = 0
        self._life = life
        wire.answers = [self.answer]

    def answer(self, request: web.Request) -> Any:
        if request.path.endswith("/token"):
            self.given += 1
            return web.json_response(
                {"access_token": f"t{self.given}", "token_type": "Bearer", "expires_in": self._life}
            )
        if request.headers.get("Authorization") != f"Bearer t{self.given}":
            return web.json_response(
                {"title": "Unauthorized", "status": 401, "code": "unauthorized"}, status=401
            )
        return web.json_response(SENT, status=201)


def credentials(wire: ScriptedServer, secret: str = "ucs_å:/", **more: Any) -> ClientCredentials:
    return ClientCredentials(f"{wire.url}/token", "skolappen", secret, **more)


async def test_one_token_serves_many_calls(wire: ScriptedServer, make: Make) -> None:
    issuing = TokenEndpoint(wire)
    utskick = make(wire.url, token=credentials(wire, scope="sms:send"))
    for _ in range(3):
        await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    assert issuing.given == 1
    path, headers, body = wire.calls[0]
    assert (path, body) == ("/token", b"grant_type=client_credentials&scope=sms%3Asend")
    assert (
        headers["Authorization"] == "Basic c2tvbGFwcGVuOnVjc18lQzMlQTUlM0ElMkY="
    )  # form-encoded, then Basic (RFC 6749 section 2.3.1)


async def test_a_token_that_is_no_longer_accepted_is_renewed_once(
    wire: ScriptedServer, make: Make
) -> None:
    issuing = TokenEndpoint(wire)
    utskick = make(wire.url, token=credentials(wire))
    await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    issuing.given += 1  # the signing keys have been replaced
    await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    assert issuing.given == 3
    wire.answers = [
        respond(200, {"access_token": "x", "expires_in": 600}),
        respond(401, {"title": "Unauthorized"}),
    ]
    with pytest.raises(Refused) as fault:
        await make(wire.url, token=credentials(wire)).call("send_sms", Sms("+46701740605", "Hej"))
    assert fault.value.status == 401


async def test_a_token_is_renewed_before_it_ends(wire: ScriptedServer, make: Make) -> None:
    issuing = TokenEndpoint(wire, life=1)
    utskick = make(wire.url, token=credentials(wire))
    await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    await asyncio.sleep(0.92)
    await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    assert [
        headers["Authorization"][:6] for path, headers, _ in wire.calls if path != "/token"
    ] == ["Bearer", "Bearer"]
    assert issuing.given == 2


async def test_no_token_is_reported_as_a_rejection_and_nothing_is_sent(
    wire: ScriptedServer, make: Make
) -> None:
    wire.answers = [
        respond(401, {"error": "invalid_client", "error_description": "the client is not known"})
    ]
    with pytest.raises(Refused, match="the client is not known") as fault:
        await make(wire.url, token=credentials(wire)).call("send_sms", Sms("+46701740605", "Hej"))
    assert (fault.value.status, fault.value.code) == (401, "invalid_client")
    assert [path for path, *_ in wire.calls] == ["/token"]
    assert "ucs_" not in str(fault.value) + repr(credentials(wire))
    wire.answers = [respond(200, "<html>")]
    with pytest.raises(NotUtskick):
        await make(wire.url, token=credentials(wire)).call("send_sms", Sms("+46701740605", "Hej"))


async def test_many_tasks_and_threads_share_one_fetch(wire: ScriptedServer) -> None:
    issuing = TokenEndpoint(wire)
    shared = credentials(wire)
    async with AsyncUtskickClient(wire.url, token=shared) as utskick:
        await asyncio.gather(*(utskick.send_sms(Sms("+46701740605", "Hej")) for _ in range(20)))
    assert issuing.given == 1
    with UtskickClient(wire.url, token=credentials(wire)) as blocking:
        await asyncio.gather(
            *(asyncio.to_thread(blocking.send_sms, Sms("+46701740605", "Hej")) for _ in range(20))
        )
    assert issuing.given == 2


async def test_a_real_service_issues_and_accepts_tokens_and_streams_with_them(
    client: Client, make: Make
) -> None:
    login = ClientCredentials(f"{client.running.api_url}/oauth2/token", "everything", tokens.SECRET)
    utskick = make(client.running.api_url, token=login)
    sent = await utskick.call("send_sms", Sms("+46701740605", "Hej"))
    assert [progress.total async for progress in utskick.iterate("watch_batch", sent.batch_id)][
        -1
    ] == 1
