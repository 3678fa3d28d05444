"""Tests of ``utskick check``: its results, and that it changes nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from tests.cli.conftest import Command, Done, Service


def url(service: Service, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={service.folder}"


async def query(service: Service, database: str, statement: str) -> object:
    connection = await asyncpg.connect(url(service, database), timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def grade_of(label: str, done: Done) -> str:
    found = re.search(rf"│ {label} +│ (\w+) ", done.out)
    assert found, done.out
    return found[1]


def test_out_of_the_box_all_checks_pass_and_nothing_is_created(
    utskick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(tmp_path / "var"))
    done = utskick("check")
    assert done.code == 0
    assert [
        grade_of(label, done)
        for label in ("settings", "database", "sandbox", "sms", "sender domains")
    ] == ["ok", "ok", "warning", "ok", "warning"]
    assert not (tmp_path / "var").exists()


def test_all_faults_of_the_settings_are_reported(utskick: Command, tmp_path: Path) -> None:
    (tmp_path / "u.toml").write_text('[http]\nport = 99999\n[log]\nlevel = "loud"\n')
    done = utskick("check", "--config", tmp_path / "u.toml")
    assert done.code == 1
    assert grade_of("settings", done) == "fault"
    assert "http.port" in done.out
    assert "log.level" in done.out


def test_a_provider_that_cannot_be_reached_is_a_fault(utskick: Command, tmp_path: Path) -> None:
    (tmp_path / "u.toml").write_text(
        f'[data]\nfolder = "{tmp_path / "var"}"\n'
        '[email]\ndomains = ["example.se"]\n'
        '[sms.accounts.elks]\nprovider = "46elks"\nurl = "http://127.0.0.1:1"\nusername = "u"\n'
        'password = "hemligt-ord"\n'
    )
    done = utskick("check", "--config", tmp_path / "u.toml")
    assert done.code == 1
    assert [
        grade_of(label, done) for label in ("sms / elks", "email", "sandbox", "sender domains")
    ] == [
        "fault",
        "warning",
        "ok",
        "ok",
    ]
    assert "hemligt-ord" not in done.out + done.err


def test_an_unreachable_database_is_a_fault_reported_without_its_password(
    utskick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATABASE__URL", "postgresql://u:hemligt-ord@127.0.0.1:1/db")
    done = utskick("check")
    assert (done.code, grade_of("database", done), grade_of("vault key", done)) == (
        1,
        "fault",
        "fault",
    )
    assert "utskick vault new-key" in done.out
    assert "hemligt-ord" not in done.out + done.err


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_running_service_is_not_disturbed(
    service_cli: Command, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(service.folder))
    done = service_cli("check")
    assert (done.code, grade_of("database", done)) == (0, "ok"), done.out
    assert "PostgreSQL 18" in done.out
    assert [
        grade_of(label, done) for label in ("vault key", "auth", "signing keys", "clients")
    ] == ["ok"] * 4
    assert "1 may request tokens" in done.out
    key = service.folder / "vault.key"
    moved = key.rename(key.with_name("elsewhere"))
    try:
        done = service_cli("check")
        assert (done.code, grade_of("vault key", done), key.exists()) == (1, "fault", False)
    finally:
        moved.rename(key)
    assert service_cli("send", "sms", "--to", "+46700301020", "--message", "Hej").code == 0


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_settings_of_a_unit_are_checked(
    service_cli: Command, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(service.folder))
    sections = {
        "sms": (
            '[accounts.own]\nprovider = "46elks"\nurl = "http://127.0.0.1:1"\nusername = "u"\n'
            'password = "hemligt-ord"\n'
        ),
        "email": 'domains = ["example.se"]\n',
    }
    for section, text in sections.items():
        (tmp_path / f"{section}.toml").write_text(text)
        assert (
            service_cli(
                "configuration",
                "set",
                "2260",
                section,
                tmp_path / f"{section}.toml",
                "--by",
                "joe01doe",
            ).code
            == 0
        )
    try:
        done = service_cli("check")
        assert (done.code, grade_of("sms", done), grade_of("sms / own@2260", done)) == (
            1,
            "ok",
            "fault",
        ), done.out
        assert "utskick configuration list 2260" in done.out.replace("\n", " ")
        assert "hemligt-ord" not in done.out + done.err
        [line] = [line for line in done.out.splitlines() if "may send e-mail" in line]
        assert "2281, 2262 may" in line
        asyncio.run(
            query(service, "postgres", "UPDATE configuration SET value = 'nobody reads this'")
        )
        done = service_cli("check")
        assert [grade_of(f"{name} / configuration@2260", done) for name in sections] == [
            "fault",
            "fault",
        ], done.out
    finally:
        for section in sections:
            assert (
                service_cli("configuration", "remove", "2260", section, "--by", "joe01doe").code
                == 0
            )
    assert service_cli("check").code == 0


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_database_without_schema_is_reported_and_not_changed(
    service_cli: Command, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(query(service, "postgres", "CREATE DATABASE bare"))
    monkeypatch.setenv("UTSKICK_DATABASE__URL", url(service, "bare"))
    done = service_cli("check")
    assert (done.code, grade_of("database", done)) == (1, "fault")
    assert "utskick migrate" in done.out
    assert asyncio.run(query(service, "bare", "SELECT to_regclass('alembic_version')")) is None


def test_a_sandbox_with_real_accounts_is_a_fault_until_all_is_simulated(
    utskick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATA__FOLDER", str(tmp_path / "var"))
    file = tmp_path / "utskick.toml"
    account = (
        '[sms.accounts.elks]\nprovider = "46elks"\nurl = "https://127.0.0.2.example"\n'
        'username = "u"\npassword = "p"\n'
    )
    file.write_text(f"[sandbox]\nenabled = true\n{account}")
    done = utskick("check", "--config", str(file))
    assert (done.code, grade_of("sandbox", done)) == (1, "fault")
    assert "sms.accounts.elks" in done.out
    file.write_text(f'[sandbox]\nsimulate = "all"\n{account}')
    done = utskick("check", "--config", str(file))
    assert (done.code, grade_of("sandbox", done), grade_of("sms", done)) == (0, "warning", "ok")
    assert "unused: sms.accounts.elks" in " ".join(done.out.split())
