"""Nothing crosses the network in the open: the link to the database, and the address of the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from utskick import bootstrap
from utskick.bootstrap.service import guard_of
from utskick.bootstrap.transport import check_api, check_database_link, database_link, is_loopback
from utskick.cli.check import run_checks
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings
from utskick.store.restore.guard import RestoreGuard


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


def settings(url: str | None = None, **more: Any) -> Settings:
    database = {**({"url": url} if url else {}), **more.pop("database", {})}
    key = {"key": "A" * 43 + "="}
    return bootstrap.read_settings(None, over={"database": database, "vault": key, **more})


@pytest.mark.parametrize(
    "url",
    [
        None,
        "postgresql:///utskick",
        "postgresql://u@/utskick?host=/run/postgresql",
        "postgresql://u:p@localhost/utskick",
        "postgresql://u:p@127.0.0.1:5433/utskick?sslmode=disable",
        "postgresql://u:p@[::1]:5433/utskick",
        "postgresql://u:p%40x@db.example.se/utskick?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://u@db1,db2:5433/utskick?sslmode=verify-ca&target_session_attrs=read-write",
    ],
)
def test_what_stays_here_or_is_verified_is_accepted(url: str | None) -> None:
    check_database_link(settings(url))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://u:p@db.example.se/utskick", "db.example.se with no sslmode"),
        ("postgresql://u:p@db.example.se/x?sslmode=require", "sslmode=require"),
        ("postgresql://u:p@db.example.se/x?sslmode=prefer", "sslmode=prefer"),
        ("postgresql://u:p@10.0.0.7:5432/x?sslmode=disable", "10.0.0.7"),
        ("postgresql://u:p@[2a00:1450::5]:5432/x", "2a00:1450::5"),
        ("postgresql://u@localhost,db2:5433/x", "leads to db2 with"),
        ("postgresql://u@/x?host=db.example.se", "db.example.se"),
        ("postgresql://u@localhost/x?hostaddr=10.0.0.7", "10.0.0.7"),
    ],
)
def test_what_leaves_the_machine_in_the_open_is_refused(url: str, named: str) -> None:
    with pytest.raises(SettingsFault) as found:
        check_database_link(settings(url))
    assert named in found.value.detail
    assert "database.insecure = true" in found.value.detail
    assert "u:p" not in found.value.detail
    check_database_link(settings(url, database={"insecure": True}))
    assert database_link(settings(url, database={"insecure": True})) is not None


def test_the_environment_counts_as_libpq_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.se")
    assert database_link(settings("postgresql:///utskick")) is not None
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert database_link(settings("postgresql:///utskick")) is None
    assert database_link(settings("postgresql:///utskick?sslmode=allow")) is not None


async def test_serve_and_worker_refuse_before_they_connect(tmp_path: Path) -> None:
    wanted = settings("postgresql://u:p@192.0.2.1/x", data={"folder": tmp_path})
    guard: RestoreGuard = guard_of(wanted)
    async with asyncio.timeout(5):  # nobody answers at this address (RFC 5737)
        with pytest.raises(SettingsFault, match=r"192\.0\.2\.1"):
            async with bootstrap.opened(wanted, guard):
                pass


def test_the_api_is_open_to_others_behind_a_proxy_alone() -> None:
    for host in ("0.0.0.0", "::", "10.0.0.7", "utskick.example.se"):
        with pytest.raises(SettingsFault, match="trusted_proxies"):
            check_api(settings(http={"host": host}))
        check_api(settings(http={"host": host, "trusted_proxies": ["10.0.0.1"]}))
        check_api(settings(http={"host": host, "insecure": True}))
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        assert is_loopback(host)
        check_api(settings(http={"host": host}))


async def test_check_warns(tmp_path: Path) -> None:
    file = tmp_path / "utskick.toml"
    file.write_text(
        f'[data]\nfolder = "{tmp_path}/var"\n[http]\nhost = "10.0.0.7"\ninsecure = true\n'
        "[sandbox]\nenabled = false\n"
    )
    [found] = [result for result in await run_checks(file) if result.name == "encryption"]
    assert (found.grade.value, "10.0.0.7" in found.detail) == ("warning", True)
