"""Service process of the measurements.

``--no-work``: API without a worker. ``--no-store``: respond without storing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import Any
from urllib.parse import urlencode

import uvloop

from utskick import bootstrap, logs
from utskick.auth import scopes
from utskick.auth.client_registry import ClientPermissions, ClientRegistry
from utskick.channels.registry import CHANNELS
from utskick.domain.clock import utc_now
from utskick.domain.message import NumberedRequest
from utskick.engine.intake import AcceptRequest, Intake
from utskick.store.administration.clients import Clients


class Unstored(Intake):
    """Intake that numbers requests and discards them."""

    async def accept(self, wish: AcceptRequest, numbered: NumberedRequest) -> None:  # noqa: ARG002
        return None


async def main() -> None:
    settings = bootstrap.read_settings(None)
    logs.configure(settings.log.level, settings.log.format)
    if "--no-store" in sys.argv:
        setattr(bootstrap.service, "Intake", Unstored)  # noqa: B010 - not exported
    async with bootstrap.serving(settings, work="--no-work" not in sys.argv) as running:
        database = f"postgresql://postgres@/postgres?host={settings.data.folder.absolute()}"
        token = (
            await _token(settings, running.api_url) if settings.section("auth").embedded else None
        )
        print(
            json.dumps({"api": running.api_url, "database": database, "token": token}), flush=True
        )
        await bootstrap.stop_wanted()


async def _token(settings: Any, api_url: str) -> str:
    """Return an access token of a client that may send SMS."""
    async with bootstrap.opened(settings) as database:
        register = ClientRegistry(
            Clients(database), scopes.every(CHANNELS), settings.municipalities, utc_now
        )
        secret = await register.create("bench", ClientPermissions(("2281",), ("sms:send",)))
    form = urlencode(
        {"grant_type": "client_credentials", "client_id": "bench", "client_secret": secret}
    ).encode()
    answer = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"{api_url}/oauth2/token", form, timeout=30).read()
    )
    return str(json.loads(answer)["access_token"])


if __name__ == "__main__":
    uvloop.run(main())
