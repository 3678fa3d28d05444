"""Tests of the checks of authentication, vault key and directory services."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from tests.auth.issuers import Issuer, issuing
from tests.cli.conftest import Command, Done
from tests.cli.test_check import grade_of
from tests.contracts.provider import SECRET
from tests.directory.neighbours import Neighbourhood
from tests.http.tokens import client_of
from tests.store.test_migrations import fresh
from utskick.auth.key_rotation import TokenSigner
from utskick.cli import console
from utskick.domain.clock import utc_now
from utskick.store import migrations
from utskick.store.administration.signing_keys import SigningKeys
from utskick.store.database import Database

Check = Callable[..., Awaitable[Done]]


def line_of(label: str, done: Done) -> str:
    """Return a line of the table without its borders."""
    [found] = [row for row in done.out.splitlines() if row.startswith(f"│ {label} ")]
    return " ".join(found.replace("│", " ").split())


@pytest.fixture
def check(utskick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function that runs ``check`` with the given settings.

    The command runs in a thread with an event loop of its own, so that test servers can answer.
    """

    async def run(
        text: str = "",
        database: Database | None = None,
        *,
        key: bytes = bytes(32),
        directory: Any = None,
    ) -> Done:
        monkeypatch.setattr(console.stdout, "width", 500)  # wide enough to avoid line breaks
        monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(tmp_path / "var"))
        if database is not None:
            monkeypatch.setenv("UTSKICK_DATABASE__URL", database.url)
            monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(key).decode())
        if directory is not None:
            monkeypatch.setenv("UTSKICK_DIRECTORY", json.dumps(directory))
        (tmp_path / "u.toml").write_text(text)
        return await asyncio.to_thread(utskick, "check", "--config", tmp_path / "u.toml")

    return run


async def test_out_of_the_box_the_issuer_is_embedded_and_the_key_is_not_yet_created(
    check: Check, tmp_path: Path
) -> None:
    done = await check()
    assert [grade_of(label, done) for label in ("auth", "issuer", "signing keys", "vault key")] == [
        "ok"
    ] * 4
    assert "embedded: tokens of the embedded issuer for utskick" in line_of("auth", done)
    assert "none yet" in line_of("vault key", done)
    assert not (tmp_path / "var").exists()


async def test_authentication_turned_off_is_a_warning_and_off_loopback_a_fault(
    check: Check,
) -> None:
    done = await check('[auth]\nmode = "off"\n')
    assert (done.code, grade_of("auth", done)) == (0, "warning")
    assert 'auth.mode = "embedded"' in line_of("auth", done)
    assert "signing keys" not in done.out
    done = await check(
        '[auth]\nmode = "off"\n[http]\nhost = "0.0.0.0"\n[sandbox]\nenabled = false\n'
    )
    assert grade_of("auth", done) == "fault"


async def test_a_header_with_thumbprints_comes_with_advice_for_the_proxy(check: Check) -> None:
    header = '[auth]\ncertificate_header = "X-Thumbprint"\n'
    done = await check(header)
    assert grade_of("certificate header", done) == "ok"
    assert "configure the proxy to remove this header" in line_of("certificate header", done)
    done = await check(f'{header}[http]\nhost = "0.0.0.0"\n[sandbox]\nenabled = false\n')
    assert (grade_of("certificate header", done), grade_of("issuer", done)) == (
        "warning",
        "warning",
    )
    assert "allow only the proxy" in done.out
    assert "set auth.issuer" in line_of("issuer", done)


async def test_an_unnamed_issuer_is_told_where_messages_are_real_also_on_loopback(
    check: Check,
) -> None:
    done = await check("[sandbox]\nenabled = false\n")
    assert grade_of("issuer", done) == "warning"
    assert "set auth.issuer" in line_of("issuer", done)
    done = await check(
        '[sandbox]\nenabled = false\n[auth]\nissuer = "https://utskick.example.se"\n'
    )
    assert grade_of("issuer", done) == "ok"


# -- external issuers ----------------------------------------


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


def external(issuer: Issuer, **more: str) -> str:
    lines = "".join(f'{name} = "{value}"\n' for name, value in more.items())
    return f'[auth]\nmode = "external"\n[[auth.issuers]]\nurl = "{issuer.url}"\n{lines}'


async def test_an_issuer_with_readable_keys_is_ok(check: Check, issuer: Issuer) -> None:
    done = await check(external(issuer))
    assert (done.code, grade_of(f"issuer {issuer.url}", done)) == (0, "ok"), done.out
    assert "2 usable keys (ES256, PS256, RS256)" in line_of(f"issuer {issuer.url}", done)
    assert "clients" not in done.out
    assert "signing keys" not in done.out


def away(issuer: Issuer) -> None:
    issuer.away = True


def of_another(issuer: Issuer) -> None:
    issuer.metadata["issuer"] = "https://login.example.se/"


def without_keys(issuer: Issuer) -> None:
    issuer.metadata["jwks_uri"] = "http://10.0.0.1/keys"


def keys_away(issuer: Issuer) -> None:
    issuer.metadata["jwks_uri"] = f"{issuer.url}/nowhere"


def unusable(issuer: Issuer) -> None:
    issuer.keys.clear()


@pytest.mark.parametrize(
    ("happens", "expected", "todo"),
    [
        (away, "its metadata cannot be fetched", "jwks_url"),
        (
            of_another,
            "names the issuer https://login.example.se/",
            "set issuer exactly as in the metadata",
        ),
        (without_keys, "has no jwks_uri with an https address", "set jwks_url"),
        (keys_away, "its keys cannot be fetched", "jwks_uri"),
        (unusable, "none of its keys", "2048 bits or more"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_an_issuer_with_unverifiable_tokens_is_a_fault_with_a_remedy(
    check: Check, issuer: Issuer, happens: Any, expected: str, todo: str
) -> None:
    happens(issuer)
    done = await check(external(issuer))
    assert (done.code, grade_of(f"issuer {issuer.url}", done)) == (1, "fault")
    values = line_of(f"issuer {issuer.url}", done)
    assert expected in values
    assert todo in values


async def test_an_issuer_that_is_nowhere_is_a_fault(check: Check) -> None:
    done = await check(
        '[auth]\nmode = "both"\n[[auth.issuers]]\nurl = "http://127.0.0.1:1"\njwks_url = '
        '"http://127.0.0.1:1/keys"\n'
    )
    assert (done.code, grade_of("issuer http://127.0.0.1:1", done)) == (1, "fault")
    assert "(unreachable)" in done.out
    assert grade_of("signing keys", done) == "ok"


# -- embedded issuer ----------------------------------------

REAL = "[sandbox]\nenabled = false\n"


async def test_without_a_client_no_token_can_be_issued(check: Check, database: Database) -> None:
    await client_of(database, "sandbox")  # the sandbox client, which is revoked without sandbox
    done = await check(REAL, database)
    assert (
        grade_of("database", done),
        grade_of("clients", done),
        grade_of("signing keys", done),
    ) == (
        "ok",
        "warning",
        "ok",
    )
    assert "utskick clients create NAME --municipality 2281" in line_of("clients", done)
    await client_of(database, "skolappen")
    done = await check(REAL, database)
    assert (grade_of("clients", done), "1 may request tokens" in line_of("clients", done)) == (
        "ok",
        True,
    )


async def test_signing_keys_are_reported_and_whether_they_can_be_decrypted(
    check: Check, database: Database
) -> None:
    await TokenSigner(SigningKeys(database), utc_now).published()
    done = await check(REAL, database)
    assert f"1; the current one has signed since {utc_now():%Y-%m-%d}" in line_of(
        "signing keys", done
    )
    await database.pool.execute("UPDATE signing_keys SET sealed = sha512('x')")
    assert grade_of("signing keys", await check(REAL, database)) == "fault"


async def test_the_vaults_key_is_named_and_another_is_a_fault(
    check: Check, database: Database
) -> None:
    before = await database.pool.fetch("SELECT * FROM vault_wraps")
    done = await check(REAL, database)
    assert grade_of("vault key", done) == "ok"
    assert f"{database.vault.ring[0]}, in vault.key" in line_of("vault key", done)
    done = await check(REAL, database, key=b"\1" * 32)
    assert (done.code, grade_of("vault key", done)) == (1, "fault")
    assert "not the one that this database was encrypted with" in line_of("vault key", done)
    assert b64encode(b"\1" * 32).decode() not in done.out + done.err
    old = b64encode(bytes(32)).decode()
    done = await check(f'[vault]\nold_keys = ["{old}"]\n{REAL}', database, key=b"\1" * 32)
    assert grade_of("vault key", done) == "warning"
    assert "utskick vault rewrap" in line_of("vault key", done)
    assert await database.pool.fetch("SELECT * FROM vault_wraps") == before, (
        "a look changes nothing"
    )


async def test_a_check_writes_nothing_into_an_unused_database(check: Check, server: str) -> None:
    unopened = Database(await fresh(server, "looked_at"))
    await asyncio.to_thread(migrations.migrate, unopened.url)
    done = await check(REAL, unopened)
    assert (
        grade_of("database", done),
        grade_of("vault key", done),
        grade_of("signing keys", done),
    ) == (
        "ok",
        "ok",
        "ok",
    )
    connection = await asyncpg.connect(unopened.url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM vault_keys") == 0
    finally:
        await connection.close()


# -- directory services ----------------------------------------


@pytest.fixture
async def services() -> AsyncIterator[Neighbourhood]:
    opened = await Neighbourhood().open()
    yield opened
    await opened.close()


SERVICES = ("party", "citizen", "contact_settings")


async def test_directory_services_are_checked_without_querying_a_person(
    check: Check, services: Neighbourhood
) -> None:
    section = services.section()
    done = await check(directory=section)
    assert (done.code, [grade_of(f"directory / {name}", done) for name in SERVICES]) == (
        0,
        ["ok"] * 3,
    ), done.out
    assert [call.split("?")[0].split("/")[1] for call in sorted(services.calls)] == [
        "citizen",
        "contacts",
        "party",
    ]
    done = await check(directory={**services.section(), "addresses": "local"})
    assert "directory / citizen" not in done.out, "one that is not used is not asked"


async def test_a_service_that_refuses_our_login_or_is_away_is_a_fault(
    check: Check, services: Neighbourhood
) -> None:
    section = services.section()
    services.instead = lambda request: (
        web.Response(status=403) if request.path.startswith("/citizen") else None
    )
    done = await check(directory=section)
    assert (
        done.code,
        grade_of("directory / party", done),
        grade_of("directory / citizen", done),
    ) == (
        1,
        "ok",
        "fault",
    )
    assert "issued a token, but the service answers 403 (refused-login)" in line_of(
        "directory / citizen", done
    )
    assert SECRET not in done.out + done.err
    services.instead = lambda request: (
        web.Response(status=401) if request.path == "/token" else None
    )
    done = await check(directory=section)
    assert "the login service issued no token (refused-login)" in line_of("directory / party", done)
    services.instead = lambda request: (
        web.Response(text="<h1>Nothing here</h1>", status=404) if request.path != "/token" else None
    )
    done = await check(directory=section)
    assert [grade_of(f"directory / {name}", done) for name in SERVICES] == ["warning"] * 3
    await services.server.close()
    done = await check(directory=section)
    assert [grade_of(f"directory / {name}", done) for name in SERVICES] == ["fault"] * 3
