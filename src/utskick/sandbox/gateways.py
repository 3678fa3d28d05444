"""SMS gateways as LINK, Telia and 46elks speak: what they take stands in the ledger, and delivery
reports are called back."""

from __future__ import annotations

import asyncio
import math

import aiohttp
from aiohttp import web

from utskick.sandbox.fault_responses import Silence
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.gateway_dialects import (
    TRIES,
    Dialect,
    ElksDialect,
    GatewayLogin,
    LinkDialect,
    Order,
    Report,
    ReportTo,
    TeliaDialect,
)
from utskick.sandbox.ledger import Ledger, Received

#: Reports sent at a time; first pause between two attempts in seconds (doubled each time).
_REPORTERS, _PAUSE = 8, 0.5


class Gateways:
    """The three gateways. ``deduplicate``: LINK answers a ``refId`` that it knows with the first
    ``messageId``, and sends nothing."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        reports: ReportTo = ReportTo(),
        *,
        login: GatewayLogin = GatewayLogin(),
        deduplicate: bool = False,
    ) -> None:
        self._ledger = ledger
        self._faults = faults
        self._delay = reports.delay
        self._link, self._telia, self._elks = (
            LinkDialect(login, reports.link),
            TeliaDialect(login),
            ElksDialect(login),
        )
        self._taken: dict[str, Received] | None = {} if deduplicate else None
        self._due: asyncio.Queue[Report] = asyncio.Queue()
        self._reporters: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._silence = Silence()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/link/sms/send", self._send_by_link),
            web.post("/telia/oauth2/token", self._telia.give_token),
            web.post("/telia/sendSms", self._send_by_telia),
            web.post("/46elks/a1/sms", self._send_by_elks),
        ]

    async def close(self) -> None:
        self._silence.close()
        for reporter in self._reporters:
            reporter.cancel()
        await asyncio.gather(*self._reporters, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _send_by_link(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._link, request)

    async def _send_by_telia(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._telia, request)

    async def _send_by_elks(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(self._elks, request)

    async def _serve(self, dialect: Dialect, request: web.Request) -> web.StreamResponse:
        order = dialect.read(request, await request.read())
        if isinstance(order, web.Response):
            return order
        rule = self._faults.strike(dialect.name, order.received.recipient)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return web.Response(
                    status=429, headers={"Retry-After": str(math.ceil(rule.seconds))}
                )
            case FaultRule(
                fault=ProviderFault.REFUSE | ProviderFault.TEMPORARY | ProviderFault.LOGIN
            ):
                return dialect.no(rule.fault)
        received = await self._take(dialect, order, rule)
        return await self._silence.instead(request, rule) or dialect.yes(received)

    async def _take(self, dialect: Dialect, order: Order, rule: FaultRule | None) -> Received:
        """Into the ledger, and the report on its way."""
        received = order.received
        if self._taken is not None and dialect is self._link and received.key is not None:
            known = self._taken.setdefault(received.key, received)
            if known is not received:
                return known
        failed = rule is not None and rule.fault is ProviderFault.REPORT_FAILED
        if not failed:
            self._ledger.add(received)
        await self._tell(dialect.reports(order, failed=failed), rule)
        return received

    async def _tell(self, reports: list[Report], rule: FaultRule | None) -> None:
        fault = rule.fault if rule else None
        if fault is ProviderFault.REPORT_NEVER or not reports:
            return
        if fault is ProviderFault.REPORT_EARLY:
            for report in reports:
                await self._post(report)
            return
        delay = rule.seconds if rule and fault is ProviderFault.REPORT_LATE else self._delay
        for report in reports * (2 if fault is ProviderFault.REPORT_TWICE else 1):
            self._later(report, delay)

    def _later(self, report: Report, delay: float) -> None:
        if not self._reporters:
            self._reporters = [
                asyncio.create_task(self._keep_reporting()) for _ in range(_REPORTERS)
            ]
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._due.put_nowait, report)
        else:
            self._due.put_nowait(report)

    async def _keep_reporting(self) -> None:
        while True:
            await self._post(await self._due.get())

    async def _post(self, report: Report) -> None:
        """A report that is not taken is tried again later, as the providers do."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            async with self._session.post(
                report.url, data=report.body, headers=report.headers
            ) as answer:
                if answer.status < 500:
                    return
        except (aiohttp.ClientError, TimeoutError, OSError):
            answer = None
        if report.tries > 1:
            again = Report(report.url, report.headers, report.body, report.tries - 1)
            self._later(again, _PAUSE * 2.0 ** (TRIES - report.tries))
