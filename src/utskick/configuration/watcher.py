"""Follows the rows of the configuration: every process works by what was set a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from utskick.configuration.channel_proxy import ConfiguredChannel
from utskick.configuration.inheritance import Configuration, SectionKind
from utskick.domain.configuration import CHANGED, UnitSetting
from utskick.store.administration.configuration import ConfigurationRows
from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: Seconds between two looks where nothing is heard.
_LOOK = 15.0


class ConfigurationWatcher:
    """``tables``: what the settings say of units. ``now``: the configuration as this process works
    by it."""

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, SectionKind],
        tables: Sequence[UnitSetting],
        channels: Collection[ConfiguredChannel],
    ) -> None:
        self._database = database
        self._kinds = kinds
        self._tables = tables
        self._channels = channels
        self._stamp = "0/0"
        self._turn = asyncio.Lock()
        self._told = asyncio.Event()
        self.rows = ConfigurationRows(database)
        self.now = Configuration(kinds, tables)

    async def refresh(self) -> bool:
        """Work by what is on disk. False: it is as it was."""
        async with self._turn:
            stamp = await self.rows.stamp()
            if stamp == self._stamp:
                return False
            rows, unreadable = await self.rows.all()
            configuration = Configuration(self._kinds, [*self._tables, *rows], unreadable)
            for channel in self._channels:
                await channel.adopt(configuration)
            self.now, self._stamp = configuration, stamp
            return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read once, then followed until the end."""
        await self.refresh()
        hearing = asyncio.create_task(
            self._database.listen(CHANGED, lambda _: self._told.set(), self._told.set)
        )
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            for task in (hearing, following):
                task.cancel()
            await asyncio.gather(hearing, following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _LOOK)
            self._told.clear()
            try:
                if await self.refresh():
                    log.info("configuration-changed")
            except PASSING as fault:
                log.warning("database-away", during="configuration", fault=type(fault).__name__)
            except Exception:  # a bug: told whole; what was read last goes on
                log.exception("configuration-fault")
                await asyncio.sleep(1)
