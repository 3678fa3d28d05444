"""Every call stands behind the door: without a token 401, without its scope 403, for another
municipality 403 or nothing at all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.auth.issuers import Issuer, issuing
from tests.http import tokens
from tests.http.conftest import Answer, Client, serving
from utskick.auth import scopes
from utskick.channels.registry import CHANNELS
from utskick.store.database import Database

#: What needs no token. Receipts show secrets of their own.
OPEN = re.compile(
    r"/(health/.*|openapi\.json|api-docs(\.yaml)?|api-info|docs(/.*)?|oauth2/.*|\.well-known/.*|receipts/.*)$"
)
SMS = {"mobileNumber": "+46701740605", "message": "Hej"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str, municipality_id: str = "2281") -> str:
    path = path.replace("{municipalityId}", municipality_id).replace(
        "{organizationNumber}", "2120002411"
    )
    return re.sub(r"{\w+}", str(uuid4()), path)


async def with_token(client: Client, database: Database, name: str, **may: Any) -> Client:
    """The same service, and another client of it."""
    await tokens.client_of(database, name, **may)
    return Client(
        client.running,
        client._session,
        await tokens.fetched(client._session, client.running.api_url, name),
    )


async def test_every_operation_has_one_scope_or_is_known_to_be_open(client: Client) -> None:
    document = (await client.get("/openapi.json")).json
    known, guarded = set(scopes.every(CHANNELS)), 0
    for method, path, operation in operations(document):
        if OPEN.match(path):
            assert operation["security"] == [], path
            continue
        guarded += 1
        assert [list(way) for way in operation["security"]] == [["oauth2"], ["bearer"]], (
            f"{method} {path}"
        )
        needed = [each for way in operation["security"] for each in way.values()]
        assert needed[0] == needed[1]
        assert len(needed[0]) == 1, f"{method} {path}"
        assert needed[0][0] in known, f"{method} {path}"
        assert {"401", "403"} <= operation["responses"].keys(), f"{method} {path}"
    assert guarded > 60
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["scopes"].keys() == known
    assert flow["tokenUrl"] == f"{client.running.api_url}/oauth2/token"


async def test_what_can_be_reached_is_described(client: Client, database: Database) -> None:
    """No route beside the description: what is not in it would have no scope."""
    for path in (
        "/openapi.json",
        "/api-docs",
        "/api-docs.yaml",
        "/docs",
        "/health/live",
        "/oauth2/jwks",
    ):
        assert (await client.get(path, Authorization="")).status == 200, path


async def test_without_a_token_no_call_does_anything_but_say_where_to_get_one(
    client: Client, database: Database
) -> None:
    document = (await client.get("/openapi.json")).json
    for method, path, _ in operations(document):
        if OPEN.match(path):
            continue
        for shown in ("", "Bearer abc", "Basic Zm9vOmJhcg=="):
            answer = await client.call(method, filled(path), {}, Authorization=shown)
            assert answer.status == 401, f"{method} {path}"
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
            assert f"POST {client.running.api_url}/oauth2/token" in answer.json["detail"]
    told = await database.pool.fetch(
        "SELECT municipality_id, action, subject ->> 'why' AS why FROM audit_entries"
        " WHERE action <> 'token' ORDER BY 3"
    )
    assert [tuple(row) for row in told] == [
        ("2281", "refused", "no access token"),
        ("2281", "refused", "the token is not a signed JWT"),
    ], "and a flood is told as one"


async def test_each_call_needs_its_scope_and_each_scope_opens_its_calls_alone(
    client: Client, database: Database
) -> None:
    document = (await client.get("/openapi.json")).json
    calls = [
        (m, p, o["security"][0]["oauth2"][0])
        for m, p, o in operations(document)
        if not OPEN.match(p)
    ]
    for scope in sorted({scope for *_, scope in calls}):
        without = await with_token(
            client,
            database,
            scope.replace(":", "-"),
            allowed=[s for s in tokens.EVERYTHING if s != scope],
        )
        for method, path, needed in calls:
            if needed == scope:
                answer = await without.call(method, filled(path), {})
                assert (answer.status, answer.json["code"], answer.json["scope"]) == (
                    403,
                    "insufficient-scope",
                    scope,
                ), f"{method} {path}"
                challenge = answer.headers["WWW-Authenticate"]
                assert 'error="insufficient_scope"' in challenge
                assert f'scope="{scope}"' in challenge
    alone = await with_token(client, database, "alone", allowed=["status:read"])
    assert (await alone.get(f"/2281/status/batch/{uuid4()}")).status == 404
    assert (await alone.post("/2281/sms", SMS)).status == 403


async def test_another_municipality_sees_nothing_of_the_first(
    client: Client, database: Database
) -> None:
    party = str(uuid4())
    ours = (await client.post("/2281/sms", {**SMS, "party": {"partyId": party}})).json
    other = await with_token(client, database, "ange", municipalities=["2260"])
    document = (await client.get("/openapi.json")).json
    for method, path, _ in operations(document):
        if OPEN.match(path):
            continue
        answer = await other.call(method, filled(path, "2281"), {})
        assert (answer.status, answer.json["code"]) == (403, "other-municipality"), (
            f"{method} {path}"
        )
        assert "2281" not in answer.text
    for path in (
        f"status/batch/{ours['batchId']}",
        f"status/messages/{ours['messageId']}",
        f"messages/{ours['messageId']}",
    ):
        assert (await client.get(f"/2281/{path}")).status == 200
        assert (await other.get(f"/2260/{path}")).status == 404
    assert (await other.get(f"/2260/conversation-history/{party}")).json == []
    assert len((await client.get(f"/2281/conversation-history/{party}")).json) == 1


async def test_a_municipality_that_is_not_served_is_a_fault_of_the_path(client: Client) -> None:
    answer = await client.get(f"/1234/status/batch/{uuid4()}")
    assert answer.json["violations"] == [
        {"field": "getBatchStatus.municipalityId", "message": "not a valid municipality ID"}
    ]


async def test_the_trail_knows_whose_token_it_was(client: Client, database: Database) -> None:
    caller = await with_token(client, database, "skolappen", allowed=["sms:send"])
    assert (await caller.post("/2281/sms", SMS)).status == 201
    assert (
        await database.pool.fetchval("SELECT client FROM audit_entries WHERE action = 'send'")
        == "skolappen"
    )


async def test_two_authorization_headers_are_one_too_many(client: Client) -> None:
    headers = [("Authorization", f"Bearer {client.token}"), ("Authorization", "Bearer abc")]
    async with client._session.get(
        f"{client.running.api_url}/2281/statistics", headers=headers
    ) as answer:
        assert answer.status == 401
        assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]


async def test_receipts_need_no_token_and_health_is_open(client: Client) -> None:
    assert (await client.get("/health/live", Authorization="")).status == 200
    answer = await client.post("/receipts/sms/link", {}, Authorization="")
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert "oauth2" not in answer.text


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


async def shown(
    client: Client, token: str, path: str = "/2281/sms?async=true", **headers: str
) -> Answer:
    return await client.post(path, SMS, Authorization=f"Bearer {token}", **headers)


async def test_tokens_of_the_municipalitys_issuer_are_taken_beside_our_own(
    database: Database, tmp_path: Path, issuer: Issuer
) -> None:
    section = {
        "url": issuer.url,
        "scope_claim": "roles",
        "scopes": {"Utskick.Sms": ["sms:send"]},
        "municipalities": ["2262"],
    }
    async with serving(database, tmp_path, auth={"mode": "both", "issuers": [section]}) as client:
        assert (await client.post("/2281/sms?async=true", SMS)).status == 201
        good = issuer.token(roles=["Utskick.Sms"], municipalities=["2281"])
        assert (await shown(client, good, "/2262/sms?async=true")).status == 201
        assert (await shown(client, good)).json["code"] == "other-municipality", (
            "the claim does not count beside the settings"
        )
        assert (await shown(client, issuer.token(roles=["sms:send"]), "/2262/sms")).json[
            "code"
        ] == "insufficient-scope"
        ours = issuer.token(iss=client.running.api_url, scope="sms:send")
        assert (await shown(client, ours)).status == 401, "its keys are not ours"
        schemes = (await client.get("/openapi.json")).json["components"]["securitySchemes"]
        assert schemes.keys() == {"oauth2", "issuer", "bearer"}


async def test_with_issuers_elsewhere_alone_no_tokens_are_given_out_here(
    database: Database, tmp_path: Path, issuer: Issuer
) -> None:
    async with serving(
        database, tmp_path, auth={"mode": "external", "issuers": [{"url": issuer.url}]}
    ) as client:
        assert (await client.post("/oauth2/token", "grant_type=client_credentials")).status == 404
        assert (await client.get("/.well-known/openid-configuration")).status == 404
        assert (await shown(client, issuer.token())).status == 201
        refused = await client.post("/2281/sms", SMS)
        assert issuer.url in refused.json["detail"]
        issuer.away = True
        issuer.keys.clear()
        refused = await shown(client, issuer.token(kid="new", key=tokens_key()))
        assert refused.status == 503, "an unknown key of an issuer that cannot be asked"
        assert 1 <= int(refused.headers["Retry-After"]) <= 30


def tokens_key() -> Any:
    from tests.auth.issuers import OTHER_EC

    return OTHER_EC


async def test_an_issuer_that_was_never_reached_is_no_fault_of_the_caller(
    database: Database, tmp_path: Path, issuer: Issuer
) -> None:
    issuer.away = True
    async with serving(
        database, tmp_path, auth={"mode": "external", "issuers": [{"url": issuer.url}]}
    ) as client:
        answer = await shown(client, issuer.token())
        assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (
            503,
            "issuer-away",
            "30",
        )


async def test_a_bound_token_is_taken_only_with_the_certificate_that_the_proxy_tells(
    database: Database, tmp_path: Path
) -> None:
    mine, others = "A" * 43, "B" * 43
    async with serving(
        database, tmp_path, auth={"certificate_header": "X-Client-Thumbprint"}
    ) as client:
        login = {
            "grant_type": "client_credentials",
            "client_id": "everything",
            "client_secret": tokens.SECRET,
        }
        url = f"{client.running.api_url}/oauth2/token"
        async with client._session.post(
            url, data=login, headers={"X-Client-Thumbprint": mine}
        ) as answer:
            bound = (await answer.json())["access_token"]
        assert (await shown(client, bound, X_Client_Thumbprint=mine)).status == 201
        assert (await shown(client, bound, X_Client_Thumbprint=f"{mine}=")).status == 201
        assert (await shown(client, bound, X_Client_Thumbprint=others)).status == 401
        assert (await shown(client, bound)).status == 401
        headers = [
            ("X-Client-Thumbprint", others),
            ("X-Client-Thumbprint", mine),
            ("Authorization", f"Bearer {bound}"),
        ]
        async with client._session.get(
            f"{client.running.api_url}/2281/statistics", headers=headers
        ) as answer:
            assert answer.status == 401, "the client's own header beside the proxy's"


async def test_without_the_door_nobody_is_asked_and_nothing_is_said_of_tokens(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, auth={"mode": "off"}) as client, aiohttp.ClientSession():
        assert (await client.post("/2281/sms?async=true", SMS)).status == 201
        document = (await client.get("/openapi.json")).json
        assert "securitySchemes" not in document["components"]
        assert not [path for _, path, operation in operations(document) if operation["security"]]
