"""A service process for the measurements. ``--no-work``: the API alone. ``--no-store``: the same app, answering without storing."""

from __future__ import annotations

import json
import sys

import uvloop

from utskick import app, logs
from utskick.domain.message import Numbered
from utskick.engine.intake import Intake, Wish


class Unstored(Intake):
    """Numbers like the real one, and forgets."""

    async def accept(self, wish: Wish, numbered: Numbered) -> None:  # noqa: ARG002
        return None


async def main() -> None:
    settings = app.read_settings(None)
    logs.configure(settings.log.level, settings.log.format)
    if "--no-store" in sys.argv:
        app.Intake = Unstored  # type: ignore[misc]
    async with app.serving(settings, work="--no-work" not in sys.argv) as running:
        database = f"postgresql://postgres@/postgres?host={settings.data.folder.absolute()}"
        print(json.dumps({"api": running.api_url, "database": database}), flush=True)
        await app.stop_wanted()


if __name__ == "__main__":
    uvloop.run(main())
