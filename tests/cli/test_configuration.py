"""Tests of ``utskick configuration``: set from a file, listed, shown and removed."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_retention import query_database
from tests.conftest import clear
from utskick.store.administration.audit import Audit
from utskick.store.database import Database

OWN = """
sender = "Skolan"
[accounts.own]
provider = "46elks"
url = "https://192.0.2.1/a1"
username = "u"
password = "hemligt-1"
"""


@pytest.fixture
def database_cli(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    query_database(server, clear)
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    monkeypatch.setenv("UTSKICK_PROVIDERS__NETWORKS", '["192.0.2.0/24"]')
    monkeypatch.setenv("UTSKICK_SANDBOX__ENABLED", "false")
    monkeypatch.setenv("COLUMNS", "160")
    return utskick


def test_settings_of_a_unit_are_set_displayed_and_removed(
    database_cli: Command, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "sms.toml"
    file.write_text(OWN)
    unit = ("2281", "sms", "--department", "Skola")
    done = database_cli("configuration", "set", *unit[:2], str(file), *unit[2:], "--by", "joe01doe")
    assert (done.code, done.out.strip()) == (0, "sms is set for 2281, department Skola."), done.err
    displayed = database_cli("configuration", "show", *unit)
    assert "Skolan" in displayed.out
    assert "own@2281.." in displayed.out
    assert "hemligt-1" not in displayed.out
    parsed = database_cli("configuration", "list", "2281").out
    assert "Skola" in parsed
    assert "joe01doe" in parsed

    async def trail(database: Database) -> list[str]:
        return [
            f"{row['issuer']} {row['action']}" for row in await Audit(database).last("2281", 10)
        ]

    assert query_database(server, trail) == ["joe01doe configure"]
    assert "no longer set" in database_cli("configuration", "remove", *unit).out
    assert "was not set" in database_cli("configuration", "remove", *unit).out
    assert "Nothing is set for 2281" in database_cli("configuration", "list", "2281").out


def test_in_a_sandbox_no_account_is_set_that_would_leave_the_machine(
    database_cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_SANDBOX__ENABLED", "true")
    file = tmp_path / "sms.toml"
    file.write_text(OWN)
    done = database_cli("configuration", "set", "2281", "sms", str(file))
    assert done.code == 1
    assert "accounts.own.url must be on this machine" in done.err
    assert "sandbox.enabled = false" in done.err


def test_an_invalid_member_is_reported_by_name_without_its_value(
    database_cli: Command, tmp_path: Path
) -> None:
    file = tmp_path / "sms.json"
    file.write_text(
        '{"accounts": {"own": {"provider": "46elks", "url": "https://10.0.0.1", "username": '
        '"u", "password": "hemligt-1"}}}'
    )
    done = database_cli("configuration", "set", "2281", "sms", str(file))
    assert done.code == 1
    assert (
        "accounts.own.url must not resolve to an address that may not be called from here"
        in " ".join(done.err.split())
    )
    assert "hemligt-1" not in done.err + done.out
    assert (
        "section must be one of"
        in database_cli("configuration", "set", "2281", "pigeon", str(file)).err
    )
    assert "is not served here" in database_cli("configuration", "list", "9999").err
    assert (
        "10 digits"
        in database_cli("configuration", "show", "2281", "sms", "--organization", "1").err
    )
    file.write_text("{")
    assert "cannot be read" in database_cli("configuration", "set", "2281", "sms", str(file)).err
