"""The embedded issuer (RFC 6749 section 4.4): who gets a token and who does not, in the words of
section 5.2."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

import jwt

from tests.auth.issuers import EC, OTHER_EC, RSA, public
from tests.http import tokens
from tests.http.conftest import Answer, Client, serving
from utskick.auth.client_assertion import KIND
from utskick.auth.secret_digest import digest_of
from utskick.domain.clock import utc_now
from utskick.store.administration.clients import Client as Known
from utskick.store.administration.clients import Clients
from utskick.store.database import Database

GRANT = "client_credentials"
LOGIN = {"client_id": "everything", "client_secret": tokens.SECRET}


async def asked(client: Client, form: dict[str, str] | str, **headers: str) -> Answer:
    body = form if isinstance(form, str) else urlencode(form)
    return await client.post(
        "/oauth2/token",
        body,
        **{"Authorization": "", "Content-Type": "application/x-www-form-urlencoded", **headers},
    )


def basic(name: str, secret: str) -> str:
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.json["error_description"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
    return answer.status, answer.json["error"]


async def test_a_client_of_the_sandbox_gets_a_token_for_an_hour_that_says_what_it_may(
    client: Client,
) -> None:
    for answer in (
        await asked(client, {"grant_type": GRANT, **LOGIN}),
        await asked(
            client, {"grant_type": GRANT}, Authorization=basic("everything", tokens.SECRET)
        ),
        await asked(
            client,
            {"grant_type": GRANT, "client_id": "everything"},
            Authorization=basic("everything", tokens.SECRET),
        ),
    ):
        assert answer.status == 200
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
        assert answer.json["scope"] == " ".join(tokens.EVERYTHING)
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == (
            "no-store",
            "no-cache",
        )
    keys = (await client.get("/oauth2/jwks", Authorization="")).json
    assert "d" not in keys["keys"][0]
    token = answer.json["access_token"]
    payload = jwt.decode(
        token,
        jwt.PyJWKSet.from_dict(keys).keys[0].key,
        ["ES256"],
        audience="utskick",
        issuer=client.running.api_url,
    )
    assert (payload["sub"], payload["client_id"], payload["municipalities"]) == (
        "everything",
        "everything",
        list(tokens.SERVED),
    )
    assert payload["exp"] - payload["iat"] == 3600
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    second = jwt.decode(
        (await asked(client, {"grant_type": GRANT, **LOGIN})).json["access_token"],
        options={"verify_signature": False},
    )
    assert second["jti"] != payload["jti"]


async def test_a_scope_that_is_asked_for_makes_the_token_smaller(client: Client) -> None:
    answer = await asked(
        client, {"grant_type": GRANT, "scope": "status:read sms:send sms:send", **LOGIN}
    )
    assert answer.json["scope"] == "status:read sms:send"
    small = Client(client.running, client._session, answer.json["access_token"])
    assert (await small.get("/2281/statistics")).status == 403
    assert (await small.get(f"/2281/status/batch/{uuid4()}")).status == 404


async def test_all_that_a_client_may_can_be_asked_for(client: Client) -> None:
    every = " ".join(tokens.EVERYTHING)
    answer = await asked(client, {"grant_type": GRANT, "scope": every, **LOGIN})
    assert (answer.status, answer.json["scope"]) == (200, every)


ASKED: dict[str, tuple[dict[str, str] | str, dict[str, str], tuple[int, str]]] = {
    "nothing": ("", {}, (400, "invalid_request")),
    "no grant": (LOGIN, {}, (400, "invalid_request")),
    "another grant": ({"grant_type": "password", **LOGIN}, {}, (400, "unsupported_grant_type")),
    "no client": ({"grant_type": GRANT}, {}, (401, "invalid_client")),
    "a name alone": ({"grant_type": GRANT, "client_id": "everything"}, {}, (401, "invalid_client")),
    "a wrong secret": (
        {"grant_type": GRANT, **LOGIN, "client_secret": "ucs_x"},
        {},
        (401, "invalid_client"),
    ),
    "an unknown client": (
        {"grant_type": GRANT, **LOGIN, "client_id": "nobody"},
        {},
        (401, "invalid_client"),
    ),
    "a client that cannot be": (
        {"grant_type": GRANT, **LOGIN, "client_id": "a\x00b"},
        {},
        (401, "invalid_client"),
    ),
    "an endless client": (
        {"grant_type": GRANT, **LOGIN, "client_id": "a" * 9000},
        {},
        (401, "invalid_client"),
    ),
    "a scope that it may not": (
        {"grant_type": GRANT, "scope": "sms:send everything", **LOGIN},
        {},
        (400, "invalid_scope"),
    ),
    "a scope that is none": (
        {"grant_type": GRANT, "scope": 'sms:send "', **LOGIN},
        {},
        (400, "invalid_scope"),
    ),
    "a wrong Basic": (
        {"grant_type": GRANT},
        {"Authorization": basic("everything", "x")},
        (401, "invalid_client"),
    ),
    "a broken Basic": (
        {"grant_type": GRANT},
        {"Authorization": "Basic %%%"},
        (401, "invalid_client"),
    ),
    "a Bearer": ({"grant_type": GRANT}, {"Authorization": "Bearer x"}, (401, "invalid_client")),
    "two ways": (
        {"grant_type": GRANT, **LOGIN},
        {"Authorization": basic("everything", tokens.SECRET)},
        (400, "invalid_request"),
    ),
    "two names": (
        {"grant_type": GRANT, "client_id": "b"},
        {"Authorization": basic("everything", tokens.SECRET)},
        (400, "invalid_request"),
    ),
    "a parameter twice": (
        f"grant_type={GRANT}&grant_type={GRANT}&{urlencode(LOGIN)}",
        {},
        (400, "invalid_request"),
    ),
    "JSON": ("{}", {"Content-Type": "application/json"}, (400, "invalid_request")),
    "no UTF-8": (f"grant_type=%ff&{urlencode(LOGIN)}", {}, (400, "unsupported_grant_type")),
    "an assertion of another type": (
        {"grant_type": GRANT, "client_assertion": "x", "client_assertion_type": "urn:x"},
        {},
        (400, "invalid_request"),
    ),
    "an assertion that is none": (
        {"grant_type": GRANT, "client_assertion": "x", "client_assertion_type": KIND},
        {},
        (401, "invalid_client"),
    ),
}


async def test_who_gets_no_token_is_told_by_the_words_of_the_standard(client: Client) -> None:
    for what, (form, headers, expected) in ASKED.items():
        answer = await asked(client, form, **headers)
        assert refusal(answer) == expected, what
        assert tokens.SECRET not in answer.text
    assert (await asked(client, "x" * 40_000)).status == 413


async def test_a_secret_is_good_until_another_has_replaced_it_and_the_overlap_is_over(
    client: Client, database: Database
) -> None:
    clients = Clients(database)
    form = {"grant_type": GRANT, **LOGIN}
    new = {**form, "client_secret": "ucs_new"}
    assert await clients.replace_secret(
        "everything", digest_of("ucs_new"), utc_now() + timedelta(seconds=60)
    )
    assert [(await asked(client, f)).status for f in (form, new)] == [200, 200]
    await database.pool.execute("UPDATE clients SET old_secret_until = now()")
    assert [(await asked(client, f)).status for f in (form, new)] == [401, 200]
    assert await clients.revoke("everything", utc_now())
    assert (await asked(client, new)).status == 401
    assert await database.pool.fetchval("SELECT used_at FROM clients") is not None


async def test_guessing_is_slowed_down_and_who_knows_the_secret_is_not(client: Client) -> None:
    """The client has fetched a token before, as a system does all day."""
    assert (await asked(client, {"grant_type": GRANT, **LOGIN})).status == 200
    guesses = [
        await asked(client, {"grant_type": GRANT, **LOGIN, "client_secret": f"ucs_{n}"})
        for n in range(7)
    ]
    assert {refusal(answer) for answer in guesses} == {(401, "invalid_client")}
    assert [("Retry-After" in answer.headers) for answer in guesses] == [False] * 5 + [True] * 2
    assert (await asked(client, {"grant_type": GRANT, **LOGIN})).status == 200
    unknown = [
        await asked(client, {"grant_type": GRANT, **LOGIN, "client_id": "nobody"}) for _ in range(6)
    ]
    assert "Retry-After" in unknown[-1].headers, (
        "whether there is such a client cannot be told from it"
    )


async def test_a_client_that_knows_its_secret_is_forgiven_its_wrong_tries(client: Client) -> None:
    """Ten in all, of which no five came in a row."""
    right = {"grant_type": GRANT, **LOGIN}
    for _ in range(2):
        for n in range(4):
            wrong = await asked(client, {**right, "client_secret": f"ucs_{n}"})
            assert (refusal(wrong), "Retry-After" in wrong.headers) == (
                (401, "invalid_client"),
                False,
            )
        assert (await asked(client, right)).status == 200
    throttled = [await asked(client, {**right, "client_secret": f"ucs_{n}"}) for n in range(6)]
    assert ["Retry-After" in each.headers for each in throttled] == [False] * 5 + [True]


def assertion(url: str, key: Any = EC, kid: str = "mine", alg: str = "ES256", **over: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": url,
        "exp": now + 60,
        "iat": now,
        "jti": str(uuid4()),
        **over,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, alg, {"kid": kid})


async def signer(database: Database) -> None:
    keys = {"keys": [public(EC, "mine"), public(RSA, "rsa")]}
    await Clients(database).add(
        Known("signer", ("2281",), ("status:read",), None, utc_now(), public_keys=keys)
    )


async def proven(client: Client, text: str) -> Answer:
    return await asked(
        client, {"grant_type": GRANT, "client_assertion_type": KIND, "client_assertion": text}
    )


async def test_a_client_may_sign_instead_of_having_a_secret(
    client: Client, database: Database
) -> None:
    await signer(database)
    issuer = client.running.api_url
    for url in (issuer, f"{issuer}/oauth2/token"):
        assert (await proven(client, assertion(url))).json["scope"] == "status:read"
    assert (await proven(client, assertion(issuer, RSA, "rsa", "PS256"))).status == 200
    shown = {"grant_type": GRANT, "client_id": "signer", "client_secret": "ucs_x"}
    assert refusal(await asked(client, shown)) == (401, "invalid_client")


async def test_an_assertion_is_good_once(client: Client, database: Database) -> None:
    await signer(database)
    text = assertion(client.running.api_url)
    assert [(await proven(client, text)).status for _ in range(2)] == [200, 401]


WRONG: dict[str, dict[str, Any]] = {
    "another's key": {"key": OTHER_EC},
    "an unknown key": {"kid": "nobody"},
    "a key of another type": {"kid": "rsa"},
    "for another": {"aud": "https://another.example.se"},
    "for nobody": {"aud": None},
    "expired": {"exp": 1},
    "endless": {"exp": None},
    "for a day": {"exp": int(time.time()) + 86_400},
    "no id": {"jti": None},
    "an id that is no text": {"jti": 7},
    "of another": {"iss": "everything"},
    "about another": {"sub": "everything"},
    "about nobody": {"sub": None},
}


async def test_an_assertion_that_proves_nothing_is_refused(
    client: Client, database: Database
) -> None:
    await signer(database)
    for what, wrong in WRONG.items():
        assert refusal(await proven(client, assertion(client.running.api_url, **wrong))) == (
            401,
            "invalid_client",
        ), what


async def test_what_the_issuer_can_do_is_published_in_both_places(client: Client) -> None:
    found = [
        (await client.get(f"/.well-known/{name}", Authorization="")).json
        for name in ("oauth-authorization-server", "openid-configuration")
    ]
    assert found[0] == found[1]
    issuer = client.running.api_url
    assert (found[0]["issuer"], found[0]["token_endpoint"], found[0]["jwks_uri"]) == (
        issuer,
        f"{issuer}/oauth2/token",
        f"{issuer}/oauth2/jwks",
    )
    assert set(found[0]["scopes_supported"]) == set(tokens.EVERYTHING)


async def test_processes_behind_one_address_take_each_others_tokens(
    database: Database, tmp_path: Path
) -> None:
    auth = {
        "issuer": "https://utskick.example.se",
        "token_seconds": 60,
        "audience": "https://api.example.se",
    }
    async with (
        serving(database, tmp_path / "a", auth=auth) as one,
        serving(database, tmp_path / "b", auth=auth) as other,
    ):
        assert (
            await Client(other.running, other._session, one.token).get("/2281/statistics")
        ).status == 200
        assert (
            await Client(one.running, one._session, other.token).get("/2281/statistics")
        ).status == 200
        answer = await other.get("/2281/statistics", Authorization="")
        assert "https://utskick.example.se/oauth2/token" in answer.json["detail"]
