"""Tests of ``utskick clients``, and of the credentials sent by other commands."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.auth.issuers import EC
from tests.cli.conftest import Command, Done, Service
from utskick.auth.secret_digest import matches
from utskick.domain.clock import utc_now
from utskick.store.administration.clients import Client, Clients
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

SENDING = ("--municipality", "2281", "--scope", "sms:send")


T = TypeVar("T")


def query_database(server: str, query: Callable[[Database], Awaitable[T]]) -> T:
    """Query the test's database in an event loop of its own, like the commands."""

    async def run() -> T:
        database = Database(server, size=4, vault=Vault(Cipher([bytes(32)])))
        await database.open()
        try:
            return await query(database)
        finally:
            await database.close()

    return asyncio.run(run())


def client_of(server: str, name: str) -> Client:
    found = query_database(server, lambda database: Clients(database).get(name))
    assert found is not None
    return found


@pytest.fixture
def database_cli(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command runner with the test's database."""
    query_database(server, lambda database: database.pool.execute("TRUNCATE clients CASCADE"))
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    return utskick


def secret_of(done: Done) -> str:
    found = re.search(r"^ucs_[A-Za-z0-9_-]{43}$", done.out, re.M)
    assert found, done.out
    return found[0]


def test_a_client_is_created_and_its_secret_displayed_once(
    database_cli: Command, server: str
) -> None:
    secret = secret_of(
        database_cli(
            "clients",
            "create",
            "skolappen",
            *SENDING,
            "--scope",
            "status:read",
            "--municipality",
            "2262",
        )
    )
    client = client_of(server, "skolappen")
    assert (client.municipalities, client.scopes) == (("2281", "2262"), ("sms:send", "status:read"))
    assert client.digest is not None
    assert matches(client.digest, secret)
    parsed = database_cli("clients", "list").out
    assert "skolappen" in parsed
    assert secret not in parsed


def test_a_client_with_all_scopes_has_those_of_every_channel(
    database_cli: Command, server: str
) -> None:
    assert database_cli("clients", "create", "allt", "--municipality", "2281", "--all").code == 0
    client = client_of(server, "allt")
    assert {"sms:send", "snail-mail:send", "history:read", "admin"} <= set(client.scopes)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("a", "--scope", "sms:send"), "municipality must be given"),
        (("a", "--municipality", "2281"), "scope must be given"),
        (("a b", *SENDING), "name must be"),
        (("a", "--municipality", "1234", "--scope", "sms:send"), "1234 is not one of"),
        (("a", "--municipality", "2281", "--scope", "sms:read"), "sms:read is not one of"),
        (("a", "--municipality", "2281", "--scope", "sms:send", "--all"), "cannot be combined"),
    ],
)
def test_invalid_arguments_are_rejected_in_one_sentence(
    database_cli: Command, arguments: tuple[str, ...], expected: str
) -> None:
    done = database_cli("clients", "create", *arguments)
    assert done.code == 1
    assert expected in done.err


def test_a_new_secret_leaves_the_old_one_for_a_day_and_a_name_is_never_used_again(
    database_cli: Command, server: str
) -> None:
    old = secret_of(database_cli("clients", "create", "bygg", *SENDING))
    new = secret_of(database_cli("clients", "rotate", "bygg"))
    client = client_of(server, "bygg")
    assert [
        matches(digest, secret)
        for digest, secret in zip(client.digests(utc_now()), (new, old), strict=True)
    ] == [True, True]
    assert database_cli("clients", "rotate", "bygg", "--overlap", "0").code == 0
    client = client_of(server, "bygg")
    assert len(client.digests(utc_now())) == 1
    assert database_cli("clients", "revoke", "bygg").code == 0
    assert "revoked" in database_cli("clients", "list").out

    async def trail(database: Database) -> list[tuple[str, str, str]]:
        rows = await database.pool.fetch(
            "SELECT municipality_id, action, subject FROM audit_entries WHERE "
            "subject->>'client' = 'bygg' ORDER BY id"
        )
        return [
            (row["municipality_id"], row["action"], row["subject"]["operation"]) for row in rows
        ]

    values = query_database(server, trail)
    assert [operation for municipality, _, operation in values if municipality == "2281"] == [
        "createClient",
        "rotateClient",
        "rotateClient",
        "revokeClient",
    ]
    assert {action for _, action, _ in values} == {"configure"}
    for again in (
        ("revoke", "bygg"),
        ("rotate", "bygg"),
        ("create", "bygg", *SENDING),
        ("rotate", "nobody"),
    ):
        assert database_cli("clients", *again).code == 1


def test_a_client_with_a_key_of_its_own_has_no_secret(
    database_cli: Command, server: str, tmp_path: Path
) -> None:
    public, private = tmp_path / "public.pem", tmp_path / "private.pem"
    public.write_bytes(
        EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    private.write_bytes(EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = database_cli("clients", "create", "signer", *SENDING, "--public-key", public)
    assert done.code == 0
    assert "ucs_" not in done.out
    client = client_of(server, "signer")
    assert client.public_keys is not None
    assert client.public_keys["keys"][0]["kid"] in done.out
    refused = database_cli("clients", "create", "careless", *SENDING, "--public-key", private)
    assert "private key" in refused.err
    assert database_cli("clients", "rotate", "signer").code == 1
    nothing = tmp_path / "nothing"
    nothing.write_text('{"keys": []}')
    assert (
        "no public key"
        in database_cli("clients", "create", "x", *SENDING, "--public-key", nothing).err
    )


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_what_the_command_line_shows_is_a_token_a_client_or_what_the_sandbox_keeps(
    utskick: Command, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UTSKICK_URL", service.url)
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(tmp_path))
    sms = ("send", "sms", "--to", "+46700301021", "--message", "Hej")
    without = utskick(*sms)
    assert without.code == 1
    assert f"POST {service.url}/oauth2/token" in without.err
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(service.folder))
    assert utskick(*sms).code == 0
    monkeypatch.setenv("UTSKICK_CLIENT_ID", "sandbox")
    assert "must be set together" in utskick(*sms).err
    monkeypatch.setenv("UTSKICK_CLIENT_SECRET", "ucs_wrong")
    assert "No Token" in utskick(*sms).err
    monkeypatch.setenv("UTSKICK_CLIENT_SECRET", service.client[1])
    assert utskick(*sms).code == 0
    monkeypatch.setenv("UTSKICK_TOKEN", "abc")
    assert "not a signed JWT" in utskick(*sms).err


def test_a_client_is_marked_as_strict_and_open_again(database_cli: Command) -> None:
    assert database_cli("clients", "create", "gammal", *SENDING, "--contract", "strict").code == 0
    assert "strict" in database_cli("clients", "list").out
    done = database_cli("clients", "contract", "gammal", "open")
    assert done.code == 0
    assert "gammal gets open answers with its next token" in done.out
    assert "strict" not in database_cli("clients", "list").out
    assert database_cli("clients", "contract", "ingen", "strict").code != 0
    assert database_cli("clients", "contract", "gammal", "loose").code == 2
