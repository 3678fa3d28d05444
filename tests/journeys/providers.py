"""Simulated providers in the test process, which outlive the processes of the service."""

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
class ProviderBehaviour:
    """Behaviour of the providers.

    ``response_delay``: seconds between receiving an SMS and responding. ``report_delay``: seconds
    from the response to the delivery report. ``deduplicates``: whether LINK ignores a repeated
    reference.
    """

    response_delay: float = 0.0
    report_delay: float = 0.0
    deduplicates: bool = False


class Providers:
    """Providers with their ledger and fault script."""

    def __init__(self, api_url: str, folder: Path, behaviour: ProviderBehaviour) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.response_delay = behaviour.response_delay
        self._api_url = api_url
        self._folder = folder
        secret = sections(SandboxAddresses(0, 0, folder, api_url))["sms"]["accounts"]["link"][
            "receipt_secret"
        ]
        self.report_url = f"{api_url}/receipts/sms/link/{secret}"
        self._sms_gateways = SmsGateways(
            self.ledger,
            self.faults,
            ReportSettings(self.report_url, behaviour.report_delay),
            deduplicate=behaviour.deduplicates,
        )
        self._mail_server = MailServer(self.ledger, self.faults, folder)
        self._runner: web.AppRunner | None = None

    @property
    def addresses(self) -> SandboxAddresses:
        assert self._runner is not None, "the providers have not been started"
        return SandboxAddresses(
            self._runner.addresses[0][1], self._mail_server.port, self._folder, self._api_url
        )

    async def start(self) -> None:
        app = web.Application(middlewares=[self._delay_response])
        app.add_routes(self._sms_gateways.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        await self._mail_server.start(HOST, 0)

    async def close(self) -> None:
        await self._sms_gateways.close()
        await self._mail_server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _delay_response(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Delay the response after the message is in the ledger; the caller may die meanwhile."""
        answer = await handler(request)
        if self.response_delay:
            await asyncio.sleep(self.response_delay)
        return answer

    def entries(self) -> list[Received]:
        return list(self.ledger.after(0, limit=1_000_000))

    async def wait_for_messages(self, count: int, timeout: float = 20.0) -> None:
        """Wait until the ledger has that many messages."""
        try:
            async with asyncio.timeout(timeout):
                while len(self.ledger) < count:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(
                f"{len(self.ledger)} messages had been taken after {timeout} s, not {count}"
            ) from None
