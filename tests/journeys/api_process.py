"""API without a worker, as a process; journeys start the workers themselves."""

from __future__ import annotations

import uvloop

from utskick import bootstrap, logs


async def _serve() -> None:
    settings = bootstrap.read_settings(None)
    logs.configure(settings.log.level, settings.log.format)
    async with bootstrap.serving(settings, work=False):
        await bootstrap.stop_wanted()


if __name__ == "__main__":
    uvloop.run(_serve())
