"""The API alone, as a process: the composition root with no worker in it, so that a journey decides
who sends."""

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
