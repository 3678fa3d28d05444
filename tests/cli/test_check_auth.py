"""``check`` at the door: whose tokens are taken, whether they can be verified, who may fetch one,
with which key all is sealed; and the municipality's own services."""

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
from tests.cli.test_check import grade
from tests.contracts.provider import SECRET
from tests.directory.neighbours import Neighbourhood
from tests.http.tokens import client_of
from tests.store.test_migrations import fresh
from utskick.auth.key_rotation import TokenSigner
from utskick.cli import console as screen
from utskick.domain.clock import utc_now
from utskick.store import migrations
from utskick.store.administration.signing_keys import SigningKeys
from utskick.store.database import Database

Check = Callable[..., Awaitable[Done]]


def line(what: str, done: Done) -> str:
    """What stands in the line of the table, without the lines between its columns."""
    [found] = [row for row in done.out.splitlines() if row.startswith(f"│ {what} ")]
    return " ".join(found.replace("│", " ").split())


@pytest.fixture
def check(utskick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """``check`` with these settings beside the defaults. It has an event loop of its own; servers
    of a test answer it from theirs."""

    async def run(
        text: str = "",
        database: Database | None = None,
        *,
        key: bytes = bytes(32),
        directory: Any = None,
    ) -> Done:
        monkeypatch.setattr(screen.console, "width", 500)  # no line is broken
        monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(tmp_path / "var"))
        if database is not None:
            monkeypatch.setenv("UTSKICK_DATABASE__URL", database.url)
            monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(key).decode())
        if directory is not None:
            monkeypatch.setenv("UTSKICK_DIRECTORY", json.dumps(directory))
        (tmp_path / "u.toml").write_text(text)
        return await asyncio.to_thread(utskick, "check", "--config", tmp_path / "u.toml")

    return run


async def test_out_of_the_box_the_door_is_our_own_and_the_key_is_still_to_be_made(
    check: Check, tmp_path: Path
) -> None:
    done = await check()
    assert [grade(what, done) for what in ("auth", "issuer", "signing keys", "vault key")] == [
        "ok"
    ] * 4
    assert "embedded: tokens of our own issuer for utskick" in line("auth", done)
    assert "none yet" in line("vault key", done)
    assert not (tmp_path / "var").exists()


async def test_a_door_that_asks_nobody_is_told_and_off_loopback_a_fault(check: Check) -> None:
    done = await check('[auth]\nmode = "off"\n')
    assert (done.code, grade("auth", done)) == (0, "warning")
    assert 'auth.mode = "embedded"' in line("auth", done)
    assert "signing keys" not in done.out
    done = await check(
        '[auth]\nmode = "off"\n[http]\nhost = "0.0.0.0"\n[sandbox]\nenabled = false\n'
    )
    assert grade("auth", done) == "fault"


async def test_a_header_with_thumbprints_comes_with_advice_for_the_proxy(check: Check) -> None:
    header = '[auth]\ncertificate_header = "X-Thumbprint"\n'
    done = await check(header)
    assert grade("certificate header", done) == "ok"
    assert "let the proxy remove it" in line("certificate header", done)
    done = await check(f'{header}[http]\nhost = "0.0.0.0"\n[sandbox]\nenabled = false\n')
    assert (grade("certificate header", done), grade("issuer", done)) == ("warning", "warning")
    assert "nobody but the proxy" in done.out
    assert "set auth.issuer" in line("issuer", done)


# -- issuers elsewhere ----------------------------------------


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


def external(issuer: Issuer, **more: str) -> str:
    lines = "".join(f'{name} = "{value}"\n' for name, value in more.items())
    return f'[auth]\nmode = "external"\n[[auth.issuers]]\nurl = "{issuer.url}"\n{lines}'


async def test_an_issuer_whose_keys_can_be_read_is_well(check: Check, issuer: Issuer) -> None:
    done = await check(external(issuer))
    assert (done.code, grade(f"issuer {issuer.url}", done)) == (0, "ok"), done.out
    assert "2 usable keys (ES256, PS256, RS256)" in line(f"issuer {issuer.url}", done)
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
    ("happens", "said", "todo"),
    [
        (away, "its metadata cannot be fetched", "jwks_url"),
        (
            of_another,
            "names the issuer https://login.example.se/",
            "write what the metadata name as issuer",
        ),
        (without_keys, "has no jwks_uri with an https address", "set jwks_url"),
        (keys_away, "its keys cannot be fetched", "jwks_uri"),
        (unusable, "none of its keys", "publish each key with a kid"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_an_issuer_whose_tokens_could_not_be_verified_is_a_fault_with_what_to_do(
    check: Check, issuer: Issuer, happens: Any, said: str, todo: str
) -> None:
    happens(issuer)
    done = await check(external(issuer))
    assert (done.code, grade(f"issuer {issuer.url}", done)) == (1, "fault")
    told = line(f"issuer {issuer.url}", done)
    assert said in told
    assert todo in told


async def test_an_issuer_that_is_nowhere_is_a_fault(check: Check) -> None:
    done = await check(
        '[auth]\nmode = "both"\n[[auth.issuers]]\nurl = "http://127.0.0.1:1"\njwks_url = "http://127.0.0.1:1/keys"\n'
    )
    assert (done.code, grade("issuer http://127.0.0.1:1", done)) == (1, "fault")
    assert "(unreachable)" in done.out
    assert grade("signing keys", done) == "ok"


# -- our own ----------------------------------------

REAL = "[sandbox]\nenabled = false\n"


async def test_without_a_client_nobody_can_fetch_a_token(check: Check, database: Database) -> None:
    await client_of(database, "sandbox")  # that of a sandbox, which is revoked outside it
    done = await check(REAL, database)
    assert (grade("database", done), grade("clients", done), grade("signing keys", done)) == (
        "ok",
        "warning",
        "ok",
    )
    assert "utskick clients create NAME --municipality 2281" in line("clients", done)
    await client_of(database, "skolappen")
    done = await check(REAL, database)
    assert (grade("clients", done), "1 may fetch tokens" in line("clients", done)) == ("ok", True)


async def test_the_signing_keys_are_told_and_whether_they_open(
    check: Check, database: Database
) -> None:
    await TokenSigner(SigningKeys(database), utc_now).published()
    done = await check(REAL, database)
    assert f"1; the one that signs has done so since {utc_now():%Y-%m-%d}" in line(
        "signing keys", done
    )
    await database.pool.execute("UPDATE signing_keys SET sealed = sha512('x')")
    assert grade("signing keys", await check(REAL, database)) == "fault"


async def test_the_vaults_key_is_named_and_another_is_a_fault(
    check: Check, database: Database
) -> None:
    before = await database.pool.fetch("SELECT * FROM vault_wraps")
    done = await check(REAL, database)
    assert grade("vault key", done) == "ok"
    assert f"{database.vault.ring[0]}, in vault.key" in line("vault key", done)
    done = await check(REAL, database, key=b"\1" * 32)
    assert (done.code, grade("vault key", done)) == (1, "fault")
    assert "not the one that this database was sealed with" in line("vault key", done)
    assert b64encode(b"\1" * 32).decode() not in done.out + done.err
    old = b64encode(bytes(32)).decode()
    done = await check(f'[vault]\nold_keys = ["{old}"]\n{REAL}', database, key=b"\1" * 32)
    assert grade("vault key", done) == "warning"
    assert "utskick vault rewrap" in line("vault key", done)
    assert await database.pool.fetch("SELECT * FROM vault_wraps") == before, (
        "a look changes nothing"
    )


async def test_a_look_writes_nothing_into_a_database_that_was_never_opened(
    check: Check, server: str
) -> None:
    unopened = Database(await fresh(server, "looked_at"))
    await asyncio.to_thread(migrations.migrate, unopened.url)
    done = await check(REAL, unopened)
    assert (grade("database", done), grade("vault key", done), grade("signing keys", done)) == (
        "ok",
        "ok",
        "ok",
    )
    connection = await asyncpg.connect(unopened.url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM vault_keys") == 0
    finally:
        await connection.close()


# -- neighbours ----------------------------------------


@pytest.fixture
async def town() -> AsyncIterator[Neighbourhood]:
    opened = await Neighbourhood().open()
    yield opened
    await opened.close()


SERVICES = ("party", "citizen", "contact_settings")


async def test_the_municipalitys_own_services_are_asked_about_nobody(
    check: Check, town: Neighbourhood
) -> None:
    section = town.section()
    done = await check(directory=section)
    assert (done.code, [grade(f"directory / {name}", done) for name in SERVICES]) == (
        0,
        ["ok"] * 3,
    ), done.out
    assert [call.split("?")[0].split("/")[1] for call in sorted(town.calls)] == [
        "citizen",
        "contacts",
        "party",
    ]
    done = await check(directory={**town.section(), "addresses": "local"})
    assert "directory / citizen" not in done.out, "one that is not used is not asked"


async def test_a_service_that_refuses_our_login_or_is_away_is_a_fault(
    check: Check, town: Neighbourhood
) -> None:
    section = town.section()
    town.instead = lambda request: (
        web.Response(status=403) if request.path.startswith("/citizen") else None
    )
    done = await check(directory=section)
    assert (done.code, grade("directory / party", done), grade("directory / citizen", done)) == (
        1,
        "ok",
        "fault",
    )
    assert "issued a token, but the service answers 403 (refused-login)" in line(
        "directory / citizen", done
    )
    assert SECRET not in done.out + done.err
    town.instead = lambda request: web.Response(status=401) if request.path == "/token" else None
    done = await check(directory=section)
    assert "issued no token (refused-login)" in line("directory / party", done)
    town.instead = lambda request: (
        web.Response(text="<h1>Nothing here</h1>", status=404) if request.path != "/token" else None
    )
    done = await check(directory=section)
    assert [grade(f"directory / {name}", done) for name in SERVICES] == ["warning"] * 3
    await town.server.close()
    done = await check(directory=section)
    assert [grade(f"directory / {name}", done) for name in SERVICES] == ["fault"] * 3
