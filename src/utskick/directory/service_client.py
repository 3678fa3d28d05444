"""HTTP client of a municipal directory service: OAuth 2.0, retries on 401, and failure mapping."""

from __future__ import annotations

import asyncio

import structlog

from utskick.directory.settings import ServiceSettings
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status
from utskick.outgoing.parsing import is_success
from utskick.outgoing.token import Token, TokenSource

log = structlog.get_logger(__name__)


class ServiceClient:
    """Client of one service. ``name``: used in reasons and log lines.

    Its addresses are never logged, as they contain ids of persons.
    """

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self._url = settings.url
        # A semaphore of our own, so that queueing does not count towards the time-outs.
        self._slots = asyncio.Semaphore(settings.concurrency)
        timeouts = Timeouts(settings.connect_timeout, settings.read_timeout)
        self._wire = HttpClient(
            concurrency=settings.concurrency + 1, timeouts=timeouts, tls=settings.tls
        )
        self._token = Token(
            TokenSource(
                settings.token_url, settings.client_id, settings.client_secret.get_secret_value()
            ),
            self._wire,
        )

    async def get(self, path: str, accept: str = "application/json") -> HttpResponse | Deferred:
        """Return a 2xx or 404 response, or ``Deferred`` for any failure."""
        return await self._query(HttpRequest("GET", self._url + path, None, {"Accept": accept}))

    async def post(self, path: str, body: bytes) -> HttpResponse | Deferred:
        """Send a query with a body; as ``get``."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return await self._query(HttpRequest("POST", self._url + path, body, headers))

    async def check(self, path: str, body: bytes | None = None) -> AccountHealth:
        """Check whether the login service issues a token, and whether the service accepts it."""
        token = await self._token.get()
        if not isinstance(token, str):
            return AccountHealth(
                self.name, False, f"the login service issued no token ({_code(token)})"
            )
        headers = {
            "Accept": "application/json",
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        answer = await self._once(
            HttpRequest("GET" if body is None else "POST", self._url + path, body, headers)
        )
        if not isinstance(answer, HttpResponse):
            return AccountHealth(
                self.name,
                False,
                f"the login service issued a token, but the service does not respond"
                f" ({_code(answer)})",
            )
        if is_success(answer):
            return AccountHealth(self.name, True, "responds, and accepts the credentials")
        if answer.status != 404:
            code = _code(by_status(answer))
            return AccountHealth(
                self.name,
                False,
                f"the login service issued a token, but the service answers {answer.status}"
                f" ({code})",
            )
        # A JSON 404 is the correct response for the unknown party that is queried.
        if "json" in answer.headers.get("Content-Type", ""):
            return AccountHealth(self.name, True, "responds, and accepts the credentials")
        return AccountHealth(
            self.name,
            True,
            "answers 404, but not in the service's format: its url may be wrong",
            warns=True,
        )

    async def _query(self, call: HttpRequest) -> HttpResponse | Deferred:
        """Send the request, and once more with a new token if the first one was rejected."""
        answer = await self._once(call)
        if isinstance(answer, HttpResponse) and answer.status == 401:
            answer = await self._once(call)
        if isinstance(answer, HttpResponse):
            return (
                answer
                if is_success(answer) or answer.status == 404
                else self._silent(by_status(answer))
            )
        return self._silent(answer)

    async def _once(self, call: HttpRequest) -> HttpResponse | Outcome:
        async with self._slots:
            token = await self._token.get()
            if not isinstance(token, str):
                return token
            headers = {**call.headers, "Authorization": f"Bearer {token}"}
            answer = await self._wire.call(HttpRequest(call.method, call.url, call.data, headers))
        if isinstance(answer, HttpResponse) and answer.status == 401:
            self._token.refuse(token)
        return answer

    def _silent(self, outcome: Outcome) -> Deferred:
        """Map the outcome of a failed query, which has changed nothing in any case."""
        assert not isinstance(outcome, Sent)
        reason = outcome.reason
        if isinstance(outcome, Misconfigured):
            log.warning(
                "service-misconfigured",
                service=self.name,
                code=reason.code,
                provider_code=reason.provider_code,
            )
        sentence = f"the {self.name} service is unavailable ({reason.code})"
        return Deferred(
            Reason("neighbour-silent", sentence, reason.provider_code),
            getattr(outcome, "retry_after", None),
            Concern.OURSELVES,
        )

    def garbled(self) -> Deferred:
        """Return the failure of a response that cannot be parsed."""
        return Deferred(
            Reason(
                "neighbour-garbled", f"the response of the {self.name} service cannot be parsed"
            ),
            concerns=Concern.OURSELVES,
        )

    async def close(self) -> None:
        await self._wire.close()


def _code(outcome: Outcome) -> str:
    return "sent" if isinstance(outcome, Sent) else outcome.reason.code
