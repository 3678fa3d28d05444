"""Whoever knows a client's id does not keep it out, and nobody makes the issuer work without end."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import aiohttp
import pytest

from tests.auth.issuers import EC, public
from tests.http import tokens
from tests.http.conftest import Client, serving
from tests.http.oauth.test_endpoints import GRANT, LOGIN, asked, assertion, refusal
from utskick.auth import client_authentication, secret_digest
from utskick.auth.client_assertion import KIND
from utskick.domain.clock import utc_now
from utskick.store.administration.clients import Client as Known
from utskick.store.administration.clients import Clients
from utskick.store.database import Database

#: Of two processes behind one address.
ISSUER = {"issuer": "http://127.0.0.1/utskick"}
WRONG = {"grant_type": GRANT, **LOGIN, "client_secret": "ucs_wrong"}


async def with_key(database: Database) -> None:
    """Add a client that has a secret and a key."""
    keys = {"keys": [public(EC, "mine")]}
    await Clients(database).add(
        Known("signed", ("2281",), ("sms:send",), tokens.DIGEST, utc_now(), public_keys=keys)
    )


async def test_wrong_secrets_do_not_keep_assertions_out(database: Database, tmp_path: Path) -> None:
    async with serving(database, tmp_path) as client:
        await with_key(database)
        for _ in range(8):
            assert (await asked(client, {**WRONG, "client_id": "signed"})).status == 401
        for n in range(20):
            text = assertion(client.running.api_url, jti=f"j-{n}", iss="signed", sub="signed")
            form = {"grant_type": GRANT, "client_assertion_type": KIND, "client_assertion": text}
            assert (await asked(client, form)).status == 200


async def test_wrong_secrets_from_one_address_do_not_keep_the_client_out_at_another(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        await tokens.client_of(database, "other")
        for _ in range(7):
            refused = await asked(client, {**WRONG, "client_id": "other"})
        assert "from this address" in refused.json["error_description"]
        assert int(refused.headers["Retry-After"]) > 0
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            assert await tokens.fetched(session, client.running.api_url, "other")


@pytest.mark.parametrize(
    "state", ["no client", "no secret", "one secret", "two secrets", "revoked"]
)
async def test_a_wrong_secret_costs_the_same_whatever_client_it_is_for(
    database: Database, tmp_path: Path, state: str
) -> None:
    """Neither that there is a client nor that its secret rotates can be told from the time."""
    clients, computed = Clients(database), list[str]()

    def count(digest: str, secret: str) -> bool:
        computed.append(digest)
        return secret_digest.matches(digest, secret)

    async with serving(database, tmp_path) as client:
        digest = None if state == "no secret" else tokens.DIGEST
        if state != "no client":
            await clients.add(Known("some", ("2281",), ("sms:send",), digest, utc_now()))
        if state == "two secrets":
            await clients.replace_secret("some", tokens.DIGEST, utc_now().replace(year=2100))
        if state == "revoked":
            await clients.revoke("some", utc_now())
        with patch.object(
            client_authentication,
            "secret_digest",
            type("", (), {"matches": count, "decoy_digest": secret_digest.decoy_digest}),
        ):
            assert (await asked(client, {**WRONG, "client_id": "some"})).status == 401
    assert len(computed) == 2


async def test_digests_that_wait_are_bounded_and_the_rest_told_to_come_again(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, auth={"token_rate": 1000}) as client:
        with ExitStack() as stack:
            stack.enter_context(patch.object(client_authentication, "_WAITING", 3))
            answers = await asyncio.gather(
                *(asked(client, {**WRONG, "client_id": f"nobody-{n}"}) for n in range(30))
            )
        found = {refusal(answer) for answer in answers}
        assert found == {(401, "invalid_client"), (503, "temporarily_unavailable")}
        busy = next(answer for answer in answers if answer.status == 503)
        assert int(busy.headers["Retry-After"]) >= 1
        assert (await asked(client, {"grant_type": GRANT, **LOGIN})).status == 200


async def test_the_token_endpoint_has_a_rate_for_each_address(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, auth={"token_rate": 2}) as client:
        answers = [await asked(client, {"grant_type": "x"}) for _ in range(8)]
        assert 429 in {answer.status for answer in answers}
        limited = next(answer for answer in answers if answer.status == 429)
        assert int(limited.headers["Retry-After"]) >= 1
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            assert await tokens.fetched(session, client.running.api_url, "everything")


async def test_refused_and_public_calls_count_in_the_rates(
    database: Database, tmp_path: Path
) -> None:
    http = {"port": 0, "sync_wait": 4, "rate": 3}
    async with serving(database, tmp_path, http=http) as client:

        async def statuses(path: str, method: str = "GET", **headers: str) -> set[int]:
            return {(await client.call(method, path, **headers)).status for _ in range(12)}

        assert await statuses("/2281/statistics", Authorization="Bearer x") == {401, 429}
        assert await statuses("/api-info", Authorization="") == {200, 429}
        assert await statuses("/receipts/sms/link/wrong", "POST", Authorization="") == {401, 429}
        assert (await client.get("/2281/statistics")).status == 200, "a client has its own rate"


async def test_tokens_of_a_revoked_client_stop_in_every_process(
    database: Database, tmp_path: Path
) -> None:
    with patch("utskick.auth.revocations.EVERY", 0.1):
        async with (
            serving(database, tmp_path, auth=ISSUER) as one,
            serving(database, tmp_path / "other", work=False, auth=ISSUER) as other,
        ):
            both = [one, Client(other.running, other._session, one.token)]
            for each in both:
                assert (await each.get("/2281/statistics")).status == 200
            assert await Clients(database).revoke("everything", utc_now())
            for each in both:
                await gone(each)
            await Clients(database).allow("everything", ["2281"], ["history:read"])
            await asyncio.sleep(0.3)
            refused = await one.get("/2281/statistics")
            assert refused.status == 401, "enabled again, it has to fetch a new one"
            assert "has been revoked" in refused.json["detail"]


async def gone(client: Client) -> None:
    async with asyncio.timeout(5):
        while (await client.get("/2281/statistics")).status != 401:
            await asyncio.sleep(0.05)


async def test_health_tells_its_parts_only_to_who_may_know(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        await tokens.client_of(database, "watcher", allowed=["health:read"])
        await tokens.client_of(database, "sender", allowed=["sms:send"])
        url = client.running.api_url
        watcher = await tokens.fetched(client._session, url, "watcher")
        sender = await tokens.fetched(client._session, url, "sender")
        for header in ("", "Bearer x", f"Bearer {sender}", "Basic eDp5"):
            answer = await client.get("/health/ready", Authorization=header)
            assert (answer.status, answer.json) == (200, {"status": "UP"}), header
        whole = await client.get("/health/ready", Authorization=f"Bearer {watcher}")
        assert {"database", "providers", "circuits"} <= whole.json["components"].keys()


async def test_the_description_of_the_api_can_be_switched_off(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, http={"port": 0, "docs": False}) as client:
        for path in ("/docs", "/openapi.json", "/api-docs", "/api-docs.yaml", "/docs/x.css"):
            assert (await client.get(path)).status == 404, path
        assert "apiDocumentation" not in (await client.get("/api-info")).json
