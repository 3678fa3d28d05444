"""Calls with a certificate of our own: where the other side refuses it, that is known not to have been sent."""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Final

import aiohttp

from utskick.channels.outgoing import Answer, Call, Outgoing
from utskick.domain.outcome import Misconfigured, Outcome, Reason, Uncertain

#: RFC 8446 section 6.2, as OpenSSL words them: what a server says of a client certificate that it does not take.
_REFUSALS: Final = (
    "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA",
    "ACCESS_DENIED", "CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE",
)  # fmt: skip
_REFUSED: Final = Misconfigured(Reason("refused-certificate", "the provider does not take our certificate"))
_alert: ContextVar[list[str]] = ContextVar("alert")


class MutualWire(Outgoing):
    """``Outgoing`` with a client certificate.

    In TLS 1.3 a server judges that certificate only after the client may already have written its request (RFC 8446 section 2): the
    request left, but a server that ends the handshake with such an alert has never read it.
    """

    async def call(self, call: Call) -> Answer | Outcome:
        alerts: list[str] = []
        _alert.set(alerts)
        answer = await super().call(call)
        return _REFUSED if alerts and isinstance(answer, Uncertain) else answer

    def _open(self) -> aiohttp.ClientSession:
        fresh = self._session is None or self._session.closed
        session = super()._open()
        if fresh:
            trace = aiohttp.TraceConfig()
            trace.on_request_exception.append(_note)
            trace.freeze()
            session.trace_configs.append(trace)
        return session


async def _note(_session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams) -> None:
    fault: BaseException | None = params.exception
    while fault is not None:
        if isinstance(fault, ssl.SSLError) and any(word in (fault.reason or "") for word in _REFUSALS):
            _alert.get([]).append(fault.reason)
        fault = fault.__cause__ or fault.__context__
