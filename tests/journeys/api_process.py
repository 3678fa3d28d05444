"""The API alone, as a process: the composition root with no worker in it, so that a journey decides who sends."""

from __future__ import annotations

import uvloop

from utskick import app, logs


async def _serve() -> None:
    settings = app.read_settings(None)
    logs.configure(settings.log.level, settings.log.format)
    async with app.serving(settings, work=False):
        await app.stop_wanted()


if __name__ == "__main__":
    uvloop.run(_serve())
