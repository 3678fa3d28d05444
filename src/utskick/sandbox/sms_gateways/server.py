"""HTTP server of the SMS gateways, which posts delivery reports to the callback URLs."""

from __future__ import annotations

import asyncio
import math

import aiohttp
from aiohttp import web

from utskick.sandbox.fault_responses import ResponseFaults
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.sms_gateways.dialects import (
    ATTEMPTS,
    AcceptedSms,
    DeliveryReport,
    Dialect,
    ElksDialect,
    GatewayLogin,
    LinkDialect,
    ReportSettings,
    TeliaDialect,
)

#: Concurrent reports, and seconds before the first retry, doubled for each further one.
_REPORTERS, _PAUSE = 8, 0.5


class SmsGateways:
    """LINK, Telia and 46elks.

    With ``deduplicate``, LINK answers a known ``refId`` with the first ``messageId`` and sends
    nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        reports: ReportSettings = ReportSettings(),
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
        self._accepted_keys: dict[str, Received] | None = {} if deduplicate else None
        self._queue: asyncio.Queue[DeliveryReport] = asyncio.Queue()
        self._reporters: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._response_faults = ResponseFaults()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/link/sms/send", self._send_by_link),
            web.post("/telia/oauth2/token", self._telia.issue_token),
            web.post("/telia/sendSms", self._send_by_telia),
            web.post("/46elks/a1/sms", self._send_by_elks),
        ]

    async def close(self) -> None:
        self._response_faults.close()
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
        sms = dialect.read(request, await request.read())
        if isinstance(sms, web.Response):
            return sms
        rule = self._faults.apply(dialect.name, sms.received.recipient)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return web.Response(
                    status=429, headers={"Retry-After": str(math.ceil(rule.seconds))}
                )
            case FaultRule(
                fault=ProviderFault.REFUSE
                | ProviderFault.TEMPORARY
                | ProviderFault.FULL
                | ProviderFault.LOGIN
            ):
                return dialect.rejected(rule.fault)
        received = await self._accept(dialect, sms, rule)
        return await self._response_faults.response(request, rule) or dialect.accepted(received)

    async def _accept(self, dialect: Dialect, sms: AcceptedSms, rule: FaultRule | None) -> Received:
        """Add the SMS to the ledger, and schedule its delivery reports."""
        received = sms.received
        if self._accepted_keys is not None and dialect is self._link and received.key is not None:
            earlier = self._accepted_keys.setdefault(received.key, received)
            if earlier is not received:
                return earlier
        failed = rule is not None and rule.fault is ProviderFault.REPORT_FAILED
        if not failed:
            self._ledger.add(received)
        await self._send_reports(dialect.reports(sms, failed=failed), rule)
        return received

    async def _send_reports(self, reports: list[DeliveryReport], rule: FaultRule | None) -> None:
        fault = rule.fault if rule else None
        if fault is ProviderFault.REPORT_NEVER or not reports:
            return
        if fault is ProviderFault.REPORT_EARLY:
            for report in reports:
                await self._post(report)
            return
        delay = rule.seconds if rule and fault is ProviderFault.REPORT_LATE else self._delay
        for report in reports * (2 if fault is ProviderFault.REPORT_TWICE else 1):
            self._schedule(report, delay)

    def _schedule(self, report: DeliveryReport, delay: float) -> None:
        if not self._reporters:
            self._reporters = [asyncio.create_task(self._run_reporter()) for _ in range(_REPORTERS)]
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._queue.put_nowait, report)
        else:
            self._queue.put_nowait(report)

    async def _run_reporter(self) -> None:
        while True:
            await self._post(await self._queue.get())

    async def _post(self, report: DeliveryReport) -> None:
        """Post a report; on failure retry later, like the providers."""
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
        if report.attempts > 1:
            retry = DeliveryReport(report.url, report.headers, report.body, report.attempts - 1)
            self._schedule(retry, _PAUSE * 2.0 ** (ATTEMPTS - report.attempts))
