"""Tests of ``utskick vault``: listing, rotating and destroying keys."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Command
from tests.conftest import TABLES as ROWS
from tests.store.vaults import NEW, OLD, TABLES, empty, process
from utskick.domain.clock import utc_now
from utskick.domain.month import Month, month_of, written
from utskick.store.crypto.columns import Column

MID = "2281"
MAY = Month(2024 * 12 + 4)


def setting(monkeypatch: pytest.MonkeyPatch, key: bytes, *old: bytes) -> None:
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(key).decode())
    monkeypatch.setenv(
        "UTSKICK_VAULT__OLD_KEYS", str([b64encode(each).decode() for each in old]).replace("'", '"')
    )


@pytest.fixture
def sealed(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Prepare a database with deliveries of May 2024 and of this month, and a plain-text one."""
    del utskick  # the runner clears the environment first

    async def fill() -> None:
        await empty(server, f"{ROWS}, {TABLES}")
        async with process(server) as database:
            for month in (MAY, month_of(utc_now())):
                await database.vault.ready(MID, month)
                number = database.vault.of(MID, month).encrypt(Column.DESTINATION, b"+46701740605")
                await database.pool.execute(_DELIVERY, MID, number)

    asyncio.run(fill())
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    setting(monkeypatch, OLD)
    yield server
    asyncio.run(empty(server, f"{ROWS}, {TABLES}"))


_DELIVERY = """
    WITH d AS (
        INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type,
            priority, status, destination, awaited, created_at, updated_at, expires_at)
        VALUES (gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), 'sms', 'SMS', 'NORMAL',
            'sent', $2, false, now(), now(), now())
        RETURNING batch_id)
    INSERT INTO batches (id, municipality_id, channel, message_type, priority, recipients,
        content, created_at, imported)
    SELECT batch_id, $1, 'sms', 'SMS', 'NORMAL', 1, '{}', now(), true FROM d
"""


@pytest.mark.usefixtures("sealed")
def test_the_status_reports_the_progress_of_a_key_rotation(
    utskick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = utskick("vault", "status")
    assert (done.code, done.out.count("2024-05"), done.out.count("(key)")) == (0, 1, 5)
    setting(monkeypatch, NEW, OLD)
    done = utskick("vault", "status")
    assert done.out.count("(old_keys)") == 5
    assert "keep old_keys" in done.out
    done = utskick("vault", "rewrap")
    assert (done.code, "4 older wrappings" in done.out) == (0, True), done.out
    setting(monkeypatch, NEW)
    done = utskick("vault", "status")
    assert (done.code, done.out.count("(key)"), done.out.count("(old_keys)")) == (0, 5, 0)
    setting(monkeypatch, OLD)
    done = utskick("vault", "status")
    assert (done.code, "vault.old_keys" in done.err) == (1, True)
    for key in (OLD, NEW):
        assert b64encode(key).decode() not in done.out + done.err


@pytest.mark.usefixtures("sealed")
def test_a_month_is_destroyed_when_the_user_confirms(utskick: Command) -> None:
    order = ("vault", "destroy", "--municipality", MID, "--month", "2024-05")
    done = utskick(*order)
    assert (done.code, "1 deliveries of 2281 become permanently unreadable" in done.out) == (
        1,
        True,
    ), "nobody said yes"
    assert "destroyed" not in utskick("vault", "status").out
    done = utskick(*order, "--yes")
    assert (done.code, "is destroyed" in done.out) == (0, True), done.err
    assert "destroyed" in utskick("vault", "status").out
    done = utskick(*order, "--yes")
    assert (done.code, "it was destroyed before" in done.err) == (1, True)


@pytest.mark.usefixtures("sealed")
def test_what_cannot_be_destroyed_is_one_sentence(utskick: Command) -> None:
    for month, expected in (
        (written(month_of(utc_now())), "is not over"),
        ("2023-01", "has no key"),
        ("maj", "such as 2026-01"),
    ):
        done = utskick("vault", "destroy", "--municipality", MID, "--month", month, "--yes")
        assert (done.code, expected in done.err) == (1, True), done.err
