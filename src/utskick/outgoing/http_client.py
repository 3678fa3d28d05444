"""The one HTTP client towards providers: time-outs, TLS, size of answers, and whether a request
left the house."""

from __future__ import annotations

import asyncio
import email.utils
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain

#: An answer longer than this is garbage: no provider of ours has that much to say (bytes).
ANSWER_LIMIT = 1_048_576


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: ``data`` as bytes, ``headers`` whole. Nothing is added behind the adapter's
    back."""

    method: str
    url: str
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider's answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> timedelta | None:
        return read_retry_after(self.headers.get("Retry-After"), datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to a connection, and from the request to the whole answer."""

    connect: float = 5.0
    read: float = 15.0


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """RFC 9110 section 10.2.3: seconds or a date; None when absent, past or neither."""
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


class Forbidden(Exception):
    """Raised by a resolver: what this name stands for must not be called."""


class Outgoing:
    """A pool of connections to one provider account. ``call`` gives the answer, or the Outcome that
    its absence means.

    ``tls`` is asked when there is something to call, and never before: what it reads takes time,
    and most accounts of many are silent. It gives None where the public authorities are enough, and
    raises ``OSError`` where it cannot read. ``resolver``: where addresses come from outside, what
    looks at every one that a name stands for; connections go to what it returned. It is never asked
    about an address written as a number.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        timeouts: Timeouts,
        tls: Callable[[], ssl.SSLContext | None] | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._concurrency = concurrency
        self._timeouts = timeouts
        self._tls = tls
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            tls = self._tls() if self._tls is not None else None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._concurrency,
                    keepalive_timeout=8,
                    ssl=tls if tls is not None else True,
                    resolver=self._resolver,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self._timeouts.connect + self._timeouts.read,
                    sock_connect=self._timeouts.connect,
                    sock_read=self._timeouts.read,
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def call(self, call: HttpRequest) -> Answer | Outcome:
        body = _Departing(call.data) if call.data is not None else None
        try:
            session = self._open()
        except OSError as fault:
            return Misconfigured(
                Reason(
                    "tls",
                    f"the account's certificate authorities cannot be read: {type(fault).__name__}",
                )
            )
        try:
            async with session.request(
                call.method, call.url, data=body, headers=call.headers, allow_redirects=False
            ) as response:
                said = await response.content.read(ANSWER_LIMIT + 1)
                while len(said) <= ANSWER_LIMIT and not response.content.at_eof():
                    said += await response.content.read(ANSWER_LIMIT + 1 - len(said))
                if len(said) > ANSWER_LIMIT:
                    response.close()
                    return Uncertain(
                        Reason("oversized-answer", "the provider's answer was longer than 1 MiB")
                    )
                return Answer(response.status, response.headers, said)
        except Forbidden:
            return Rejected(
                Reason(
                    "forbidden-address",
                    "the address stands for a machine that must not be called from here",
                )
            )
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as fault:
            return Misconfigured(
                Reason("tls", f"no secure connection to the provider: {type(fault).__name__}")
            )
        except (aiohttp.InvalidURL, ValueError) as fault:
            return Misconfigured(
                Reason("address", f"the provider's address cannot be used: {type(fault).__name__}")
            )
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as fault:
            return _absence(fault, departed=body is not None and body.departed)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Departing(aiohttp.BytesPayload):
    """A body that knows whether its writing was begun: before that, nothing has left the house."""

    departed = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self.departed = True
        await super().write_with_length(writer, content_length)


def _absence(fault: BaseException, *, departed: bool) -> Outcome:
    name = type(fault).__name__
    if not departed:
        return Deferred(Reason("unreachable", f"the provider could not be reached ({name})"))
    if isinstance(fault, TimeoutError):
        return Uncertain(Reason("no-answer", "the request left, and no answer came in time"))
    return Uncertain(
        Reason(
            "connection-lost",
            f"the request left, and the connection was lost before the answer ({name})",
        )
    )


def by_status(answer: Answer) -> Outcome:
    """What an HTTP status means where the provider's own table has no better word.

    429 and 500/503 say that nothing was taken; a gateway's 502 or 504 says that *somebody in
    between* got no answer, so the provider may have taken it all the same.
    """
    code, status = f"http-{answer.status}", answer.status
    said = str(status)
    if status == 429:
        return Deferred(
            Reason("throttled", "the provider asked us to slow down", said), answer.retry_after
        )
    if status in (401, 403, 407):
        return Misconfigured(Reason("refused-login", "the provider refused our login", said))
    if status in (404, 405, 410, 415) or 300 <= status < 400:
        return Misconfigured(
            Reason(
                "wrong-address",
                "the provider's address in the settings answers nothing useful",
                said,
            )
        )
    if status in (502, 504):
        return Uncertain(
            Reason("gateway-lost-answer", "a gateway before the provider lost its answer", said)
        )
    if status == 408 or status >= 500:
        return Deferred(
            Reason("provider-fault", "the provider had a fault of its own", said),
            answer.retry_after,
        )
    if 200 <= status < 300:
        return Uncertain(Reason("garbage", "the provider's answer cannot be understood", said))
    return Rejected(Reason(code, "the provider refused the message", said))
