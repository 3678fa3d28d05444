"""Watcher of the configuration: applies changes in the database to every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from utskick.configuration.channel_proxy import ChannelProxy
from utskick.configuration.inheritance import Configuration, SectionKind
from utskick.domain.configuration import CHANGED, UnitSetting
from utskick.store.administration.configuration import ConfigurationRows
from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: Seconds between polls, in addition to notifications.
_POLL = 15.0


class ConfigurationWatcher:
    """Follows the configuration. ``tables``: the units' settings. ``now``: as applied."""

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, SectionKind],
        tables: Sequence[UnitSetting],
        channels: Collection[ChannelProxy],
    ) -> None:
        self._database = database
        self._kinds = kinds
        self._tables = tables
        self._channels = channels
        self._stamp = "0/0"
        self._lock = asyncio.Lock()
        self._notified = asyncio.Event()
        self.rows = ConfigurationRows(database)
        self.now = Configuration(kinds, tables)

    async def refresh(self) -> bool:
        """Apply the stored configuration. Return False if it has not changed."""
        async with self._lock:
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
        """Load the configuration, and follow it until leaving."""
        await self.refresh()
        listening = asyncio.create_task(
            self._database.listen(CHANGED, lambda _: self._notified.set(), self._notified.set)
        )
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            for task in (listening, following):
                task.cancel()
            await asyncio.gather(listening, following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._notified.wait(), _POLL)
            self._notified.clear()
            try:
                if await self.refresh():
                    log.info("configuration-changed")
            except PASSING as fault:
                log.warning("database-away", during="configuration", fault=type(fault).__name__)
            except Exception:  # a bug; the last configuration stays in use
                log.exception("configuration-fault")
                await asyncio.sleep(1)
