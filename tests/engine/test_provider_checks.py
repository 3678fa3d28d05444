"""Health of the provider accounts, checked by those who send and shown by all."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.channels.sms.smsc import ScriptedCentre, settings, until
from tests.conftest import TABLES as ROWS
from tests.store.vaults import TABLES, empty, process
from utskick import bootstrap
from utskick.bootstrap import channels as channel_setup
from utskick.domain.channel import Account, AccountHealth, Channel
from utskick.domain.clock import utc_now
from utskick.engine.provider_checks import ProviderChecks, combined
from utskick.engine.readiness import Readiness
from utskick.engine.worker import Worker, WorkerOptions
from utskick.settings import Settings
from utskick.store.database import Database


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    await empty(server, f"{ROWS}, {TABLES}")
    async with process(server) as opened:
        yield opened
    await empty(server, f"{ROWS}, {TABLES}")


@pytest.fixture
async def centre() -> AsyncIterator[ScriptedCentre]:
    centre = ScriptedCentre()
    await centre.start()
    yield centre
    await centre.close()


def settings_of(database: Database, centre: ScriptedCentre) -> Settings:
    over = {
        "database": {"url": database.url},
        "vault": {"key": b64encode(bytes(32)).decode()},
        "sms": {"accounts": {"smsc": settings(centre.port, binds=2)}},
    }
    return bootstrap.read_settings(None, over=over)


async def shown_by_another(database: Database) -> dict[str, Any]:
    """Return what a process that does not send shows of the accounts."""
    found = await Readiness(database, {}, None, database.clock).look()
    return {"status": found["status"], **found["components"]["providers"]}


async def test_a_process_that_does_not_send_does_not_bind(
    database: Database, centre: ScriptedCentre
) -> None:
    given = settings_of(database, centre)
    async with channel_setup.opened(given, database, None, sends=False):
        await shown_by_another(database)
        async with channel_setup.opened(given, database, None, sends=True):
            await until(lambda: centre.binds == 2)
    assert centre.binds == 2, "those of the process that sends"


@pytest.mark.parametrize(
    ("status", "shown", "detail"),
    [
        (0, "UP", "bound to the message centre"),
        (0x0E, "DOWN", "the provider rejected the credentials"),
    ],
)
async def test_an_account_that_cannot_bind_is_down_in_every_process(
    database: Database, centre: ScriptedCentre, status: int, shown: str, detail: str
) -> None:
    centre.bind_status = status
    async with channel_setup.opened(settings_of(database, centre), database, None) as setup:
        checks = ProviderChecks(setup.channels, database.clock)
        options = WorkerOptions(poll=0.05, grace=1, checks=checks)
        worker = Worker(database, setup.channels, database.clock, options=options)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(20):
            while "sms/smsc" not in (found := await shown_by_another(database)):
                await asyncio.sleep(0.05)
        assert found["sms/smsc"] == {"status": shown, "detail": detail, "paused": False}
        assert found["status"] == ("UP" if shown == "UP" else "DEGRADED")
        own = await Readiness(database, setup.channels, checks, database.clock).look()
        assert own["components"]["providers"]["sms/smsc"]["status"] == shown
        worker.stop()
        await running


def test_an_account_is_down_where_one_worker_cannot_use_it() -> None:
    up, down = {"status": "UP", "detail": "bound"}, {"status": "DOWN", "detail": "refused"}
    assert combined([{"a": up, "b": up}, {"a": down}]) == {
        "a": {"status": "DOWN", "detail": "refused (1 of 2 workers)"},
        "b": up,
    }
    assert combined([{"a": down}, {"a": down}]) == {"a": down}
    assert combined([]) == {}


class CountedChannel:
    """As much of a channel as checks look at."""

    name = "sms"

    def __init__(self) -> None:
        self.accounts: tuple[Account, ...] = (Account("one", "p", 1, 5),)
        self.looks = 0

    async def look(self) -> list[AccountHealth]:
        self.looks += 1
        return [AccountHealth(account.name, True, "well") for account in self.accounts]


async def test_a_check_is_repeated_when_it_is_old_or_the_accounts_are_others() -> None:
    channel, now = CountedChannel(), [utc_now()]
    checks = ProviderChecks(cast(Mapping[str, Channel], {"sms": channel}), lambda: now[0])
    await asyncio.gather(checks.current(), checks.current())
    assert channel.looks == 1
    channel.accounts = (*channel.accounts, Account("two", "p", 1, 5))
    assert set(await checks.current()) == {"sms/one", "sms/two"}
    await checks.current()
    assert channel.looks == 2
    now[0] += timedelta(seconds=31)
    await checks.current()
    assert channel.looks == 3
