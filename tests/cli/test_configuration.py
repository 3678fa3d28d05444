"""``utskick configuration``: what units say, set from a file, shown as tables, and taken away."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_retention import within
from tests.conftest import clear
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
def over(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    within(server, clear)
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    monkeypatch.setenv("UTSKICK_PROVIDERS__NETWORKS", '["192.0.2.0/24"]')
    monkeypatch.setenv("UTSKICK_SANDBOX__ENABLED", "false")
    monkeypatch.setenv("COLUMNS", "160")
    return utskick


def test_a_unit_is_set_shown_and_taken_away(over: Command, server: str, tmp_path: Path) -> None:
    file = tmp_path / "sms.toml"
    file.write_text(OWN)
    said = ("2281", "sms", "--department", "Skola")
    done = over("configuration", "set", *said[:2], str(file), *said[2:], "--by", "joe01doe")
    assert (done.code, done.out.strip()) == (0, "sms is set for 2281, department Skola."), done.err
    shown = over("configuration", "show", *said)
    assert "Skolan" in shown.out
    assert "own@2281.." in shown.out
    assert "hemligt-1" not in shown.out
    listed = over("configuration", "list", "2281").out
    assert "Skola" in listed
    assert "joe01doe" in listed

    async def trail(database: Database) -> list[str]:
        return [
            f"{row['issuer']} {row['action']}"
            for row in await database.pool.fetch("SELECT issuer, action FROM audit_entries")
        ]

    assert within(server, trail) == ["joe01doe configure"]
    assert "no longer set" in over("configuration", "remove", *said).out
    assert "was not set" in over("configuration", "remove", *said).out
    assert "Nothing is set in 2281" in over("configuration", "list", "2281").out


def test_in_a_sandbox_no_account_is_set_that_would_leave_the_machine(
    over: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_SANDBOX__ENABLED", "true")
    file = tmp_path / "sms.toml"
    file.write_text(OWN)
    done = over("configuration", "set", "2281", "sms", str(file))
    assert done.code == 1
    assert "accounts.own.url must be on this machine" in done.err
    assert "sandbox.enabled = false" in done.err


def test_what_cannot_be_is_told_by_name_without_what_it_says(over: Command, tmp_path: Path) -> None:
    file = tmp_path / "sms.json"
    file.write_text(
        '{"accounts": {"own": {"provider": "46elks", "url": "https://10.0.0.1", "username": "u", "password": "hemligt-1"}}}'
    )
    done = over("configuration", "set", "2281", "sms", str(file))
    assert done.code == 1
    assert (
        "accounts.own.url must not resolve to an address that may not be called from here"
        in " ".join(done.err.split())
    )
    assert "hemligt-1" not in done.err + done.out
    assert "section must be one of" in over("configuration", "set", "2281", "pigeon", str(file)).err
    assert "is not served here" in over("configuration", "list", "9999").err
    assert "10 digits" in over("configuration", "show", "2281", "sms", "--organization", "1").err
    file.write_text("{")
    assert "cannot be read" in over("configuration", "set", "2281", "sms", str(file)).err
