"""HTTP client of one provider account: time-outs, TLS, response limit, and mapping to outcomes."""

from __future__ import annotations

import asyncio
import email.utils
import errno
import select
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
from utskick.outgoing.address_guard import AddressPolicy, AddressRefused, ForbiddenAddress
from utskick.outgoing.content_coding import Oversized, decoded

#: Seconds for which an idle connection is kept: fewer than servers keep it (Apache and Node.js five
#: by default), since a request that crosses their closing is a doubt (RFC 9110 section 9.2.2).
_KEPT = 4.0

#: The address of an account set over the API may not be called.
FORBIDDEN = Misconfigured(
    Reason("forbidden-address", "the address resolves to a host that must not be called from here")
)

#: Maximum bytes of a response, also once decoded; no provider has legitimate longer ones.
ANSWER_LIMIT = 1_048_576


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. ``headers``: complete, but for framing and ``Accept-Encoding: identity``."""

    method: str
    url: str
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The provider's complete response. ``body``: decoded, if its coding is known."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> timedelta | None:
        return read_retry_after(self.headers.get("Retry-After"), datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and from the request to the complete response."""

    connect: float = 5.0
    read: float = 15.0


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Parse RFC 9110 section 10.2.3: seconds or a date; None if absent, past or invalid."""
    if value is None:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=min(int(value), 7 * 86_400))
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - now if moment > now else None


class HttpClient:
    """Connection pool to one provider account. ``call`` never raises for network failures.

    ``tls``: makes the TLS context at the first call, since that takes time and most accounts are
    idle; it returns None for the public CAs, and raises ``OSError`` if files cannot be read.
    ``reach``: policy for addresses from outside, None for those of the operator. Each request is
    checked before it is sent, and connections use the addresses that were checked. ``resolver``:
    the same for names only; it is not called for numeric addresses. No redirect is followed.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        timeouts: Timeouts,
        tls: Callable[[], ssl.SSLContext | None] | None = None,
        resolver: AbstractResolver | None = None,
        reach: AddressPolicy | None = None,
    ) -> None:
        self._concurrency = concurrency
        self._timeouts = timeouts
        self._tls = tls
        self._resolver = resolver
        self._reach = reach
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def _open(self, url: str) -> aiohttp.ClientSession:
        """Return the session for an address; each scheme has its own guard, hence its own pool.

        Raises ``AddressRefused``, and ``OSError`` if the CA certificates cannot be read.
        """
        scheme, resolver = "", self._resolver
        if self._reach is not None:
            scheme = self._reach.read(url).scheme
            resolver = self._reach.guard(scheme)
        session = self._sessions.get(scheme)
        if session is None or session.closed:
            tls = self._tls() if self._tls is not None else None
            session = self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._concurrency,
                    keepalive_timeout=_KEPT,
                    ssl=tls if tls is not None else True,
                    resolver=resolver,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self._timeouts.connect + self._timeouts.read,
                    sock_connect=self._timeouts.connect,
                    sock_read=self._timeouts.read,
                ),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
                trace_configs=[_tracing_reuse()],
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return session

    async def call(self, call: HttpRequest) -> HttpResponse | Outcome:
        """Send the request. Return the response, or the outcome of a failure."""
        try:
            session = self._open(call.url)
        except AddressRefused:
            return self._forbidden()
        except OSError as fault:
            return Misconfigured(
                Reason(
                    "tls",
                    f"the account's CA certificates cannot be loaded: {type(fault).__name__}",
                )
            )
        while True:
            body = _TrackedBody(call.data) if call.data is not None else None
            answer = await self._attempt(session, call, body)
            if body is None or not body.was_stale:
                return answer

    async def _attempt(
        self, session: aiohttp.ClientSession, call: HttpRequest, body: _TrackedBody | None
    ) -> HttpResponse | Outcome:
        try:
            async with session.request(
                call.method,
                call.url,
                data=body,
                headers=call.headers,
                allow_redirects=False,
                trace_request_ctx=body,
            ) as response:
                return HttpResponse(response.status, response.headers, await _body(response))
        except Oversized:
            return Uncertain(Reason("oversized-answer", "the provider's response exceeds 1 MiB"))
        except ForbiddenAddress:
            return self._forbidden()
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as fault:
            return Misconfigured(
                Reason("tls", f"TLS connection to the provider failed: {type(fault).__name__}")
            )
        except (aiohttp.InvalidURL, ValueError) as fault:
            return Misconfigured(
                Reason("address", f"the provider's address is not valid: {type(fault).__name__}")
            )
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as fault:
            return _failure(fault, was_sent=body is not None and body.is_started)

    def _forbidden(self) -> Outcome:
        """Return the outcome of an address of the account's settings, or else of a recipient."""
        return FORBIDDEN if self._reach is not None else Rejected(FORBIDDEN.reason)

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read the whole body, decoded. Raises ``Oversized``.

    The session does not decode, since aiohttp decodes without a limit of the whole.
    """
    data = await response.content.read(ANSWER_LIMIT + 1)
    while len(data) <= ANSWER_LIMIT and not response.content.at_eof():
        data += await response.content.read(ANSWER_LIMIT + 1 - len(data))
    if len(data) > ANSWER_LIMIT:
        response.close()
        raise Oversized
    return decoded(data, ",".join(response.headers.getall("Content-Encoding", ())), ANSWER_LIMIT)


class _TrackedBody(aiohttp.BytesPayload):
    """Body that records whether writing has begun; before that, nothing has been sent.

    ``is_reused``: on a connection that has carried another call. ``was_stale``: it was found to be
    closed by the server before anything was written, so that another connection may be used.
    """

    is_started = is_reused = was_stale = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if self.is_reused and _is_readable(writer.transport):
            self.was_stale = True
            raise ConnectionResetError(errno.ECONNRESET, "closed by the server while idle")
        self.is_started = True
        await super().write_with_length(writer, content_length)


def _is_readable(transport: asyncio.WriteTransport | None) -> bool:
    """Return whether an idle connection has something to read: its end, as nothing was asked.

    The event loop may not have noticed yet, if it was busy when the server closed.
    """
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _tracing_reuse() -> aiohttp.TraceConfig:
    """Return tracing that tells the body of a request that its connection is not new."""

    async def reused(_session: aiohttp.ClientSession, context: Any, _parameters: Any) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.is_reused = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(reused)
    return tracing


def _failure(fault: BaseException, *, was_sent: bool) -> Outcome:
    name = type(fault).__name__
    if not was_sent:
        return Deferred(Reason("unreachable", f"the provider could not be reached ({name})"))
    if isinstance(fault, TimeoutError):
        return Uncertain(
            Reason("no-answer", "the request was sent, but no response arrived in time")
        )
    return Uncertain(
        Reason(
            "connection-lost",
            f"the connection was lost after the request was sent ({name})",
        )
    )


def by_status(answer: HttpResponse) -> Outcome:
    """Map the HTTP status to an outcome, where the provider's own codes do not.

    429, 500 and 503 mean that nothing was accepted. A gateway's 502 or 504 means that an
    intermediary got no response, so the provider may have accepted the request.
    """
    status, code = answer.status, str(answer.status)
    if status == 429:
        return Deferred(
            Reason("throttled", "the provider's rate limit was exceeded", code), answer.retry_after
        )
    if status in (401, 403, 407):
        return Misconfigured(Reason("refused-login", "the provider rejected the credentials", code))
    if status in (404, 405, 410, 415) or 300 <= status < 400:
        return Misconfigured(
            Reason(
                "wrong-address",
                "the configured address of the provider does not offer this operation",
                code,
            )
        )
    if status in (502, 504):
        return Uncertain(
            Reason("gateway-lost-answer", "a gateway lost the provider's response", code)
        )
    if status == 408 or status >= 500:
        return Deferred(
            Reason("provider-fault", "internal error at the provider", code),
            answer.retry_after,
        )
    if 200 <= status < 300:
        return Uncertain(Reason("garbage", "the provider's response cannot be parsed", code))
    return Rejected(Reason(f"http-{status}", "the provider rejected the message", code))
