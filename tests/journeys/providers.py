"""The providers of a journey: the sandbox's own simulators, in the test's process, so that they
outlive every process of the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.server import sections
from utskick.sandbox.sms_gateways.dialects import ReportSettings
from utskick.sandbox.sms_gateways.server import SmsGateways
from utskick.sandbox.smtp_server import MailServer


@dataclass(frozen=True, slots=True)
class Habits:
    """``thinking``: seconds between taking an SMS and answering. ``report_delay``: seconds from
    there to the delivery report. ``deduplicates``: LINK's gateway knows a reference again and sends
    nothing."""

    thinking: float = 0.0
    report_delay: float = 0.0
    deduplicates: bool = False


class Providers:
    """``ledger`` is the citizens' truth, ``faults`` the script of misbehaviour."""

    def __init__(self, api_url: str, folder: Path, habits: Habits) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.thinking = habits.thinking
        self._api_url = api_url
        self._folder = folder
        secret = sections(SandboxAddresses(0, 0, folder, api_url))["sms"]["accounts"]["link"][
            "receipt_secret"
        ]
        self.gate = f"{api_url}/receipts/sms/link/{secret}"
        self._gateways = SmsGateways(
            self.ledger,
            self.faults,
            ReportSettings(self.gate, habits.report_delay),
            deduplicate=habits.deduplicates,
        )
        self._mail = MailServer(self.ledger, self.faults, folder)
        self._runner: web.AppRunner | None = None

    @property
    def place(self) -> SandboxAddresses:
        assert self._runner is not None, "the providers have not been started"
        return SandboxAddresses(
            self._runner.addresses[0][1], self._mail.port, self._folder, self._api_url
        )

    async def start(self) -> None:
        app = web.Application(middlewares=[self._think])
        app.add_routes(self._gateways.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        await self._mail.start(HOST, 0)

    async def close(self) -> None:
        await self._gateways.close()
        await self._mail.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _think(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What a send is taken for stands in the ledger before the pause: the caller's process may
        die in it."""
        answer = await handler(request)
        if self.thinking:
            await asyncio.sleep(self.thinking)
        return answer

    def entries(self) -> list[Received]:
        return list(self.ledger.after(0, limit=1_000_000))

    async def have_taken(self, count: int, timeout: float = 20.0) -> None:
        """Returns when that many messages stand in the ledger."""
        try:
            async with asyncio.timeout(timeout):
                while len(self.ledger) < count:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(
                f"{len(self.ledger)} messages had been taken after {timeout} s, not {count}"
            ) from None
