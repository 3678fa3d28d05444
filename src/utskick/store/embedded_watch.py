"""Watch over the embedded server: one that dies is started again, without a restart of ours."""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import Final

import structlog

from utskick.domain.errors import DatabaseFault
from utskick.store.embedded import Embedded

log = structlog.get_logger(__name__)

#: Seconds until the first and the longest wait before a server that dies again and again is
#: started, and after which it counts as well.
_FIRST: Final = 1.0
_LONGEST: Final = 60.0
_WELL: Final = 60.0

#: Seconds between two checks where the system cannot notify of a process's end.
_POLL: Final = 1.0


class EmbeddedWatch:
    """Restarts the server when its postmaster ends while this process uses it.

    The kernel may have killed it, for want of memory say. Several processes of a data folder may
    watch the same server: one starts it, the others join.
    """

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded

    async def run(self) -> None:
        """Watch until cancelled."""
        pause, started = 0.0, monotonic()
        while True:
            await self._ended()
            if monotonic() - started >= _WELL:
                pause = 0.0
            log.error("embedded-database-ended", restart_in=pause)
            await asyncio.sleep(pause)
            pause = min(_LONGEST, max(_FIRST, 2 * pause))
            try:
                await asyncio.to_thread(self._embedded.revive)
            except (DatabaseFault, OSError) as fault:
                log.error("embedded-database-not-started", fault=str(fault))
                continue
            started = monotonic()
            log.warning("embedded-database-restarted")

    async def _ended(self) -> None:
        """Wait until there is no postmaster."""
        pid = self._embedded.postmaster()
        if pid is None:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except (AttributeError, OSError):  # another system than Linux
            while _runs(pid):  # noqa: ASYNC110 (nothing notifies)
                await asyncio.sleep(_POLL)
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
