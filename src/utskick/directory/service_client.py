"""A neighbouring service of the municipality (providers: conventions shared by all services): its
login, its calls, its silence."""

from __future__ import annotations

import asyncio

import structlog

from utskick.directory.settings import Neighbour
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status
from utskick.outgoing.parsing import is_success
from utskick.outgoing.token import Token, TokenSource

log = structlog.get_logger(__name__)


class Peer:
    """``name``: how it is called in reasons and in the log. Its addresses are never written
    anywhere: they hold ids of persons."""

    def __init__(self, name: str, settings: Neighbour) -> None:
        self.name = name
        self._url = settings.url
        self._slots = asyncio.Semaphore(
            settings.concurrency
        )  # waiting here is not waiting for an answer
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
        """The answer with status 2xx, or 404: there is no such thing. All else cannot be told
        now."""
        return await self._ask(HttpRequest("GET", self._url + path, None, {"Accept": accept}))

    async def post(self, path: str, body: bytes) -> HttpResponse | Deferred:
        """The same for a question that needs a body."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return await self._ask(HttpRequest("POST", self._url + path, body, headers))

    async def look(self, path: str, body: bytes | None = None) -> AccountHealth:
        """Asks once, for a look: whether its login service takes our login, and the service what
        that gives."""
        token = await self._token.get()
        if not isinstance(token, str):
            return AccountHealth(
                self.name, False, f"its login service gives us no token ({_code(token)})"
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
                f"its login service gave a token, and the service itself gives no answer ({_code(answer)})",
            )
        if is_success(answer):
            return AccountHealth(self.name, True, "answers, and takes our login")
        if answer.status != 404:
            code = _code(by_status(answer))
            return AccountHealth(
                self.name,
                False,
                f"its login service gave a token, and the service answers {answer.status} ({code})",
            )
        if "json" in answer.headers.get(
            "Content-Type", ""
        ):  # it knows nobody of whom it was asked: that is as it should be
            return AccountHealth(self.name, True, "answers, and takes our login")
        return AccountHealth(
            self.name,
            True,
            "answers 404, and not in the way of the service: its url may be wrong",
            warns=True,
        )

    async def _ask(self, call: HttpRequest) -> HttpResponse | Deferred:
        """A token that is refused is dropped, and the question asked once more."""
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
        """A question that has no answer has changed nothing, whatever became of it on the way."""
        assert not isinstance(outcome, Sent)
        reason = outcome.reason
        if isinstance(outcome, Misconfigured):
            log.warning(
                "neighbour-misconfigured",
                neighbour=self.name,
                code=reason.code,
                said=reason.provider_code,
            )
        sentence = f"the {self.name} service cannot tell now ({reason.code})"
        return Deferred(
            Reason("neighbour-silent", sentence, reason.provider_code),
            getattr(outcome, "retry_after", None),
        )

    def garbled(self) -> Deferred:
        """Its answer came, and cannot be understood."""
        return Deferred(
            Reason(
                "neighbour-garbled", f"the answer of the {self.name} service cannot be understood"
            )
        )

    async def close(self) -> None:
        await self._wire.close()


def _code(outcome: Outcome) -> str:
    return "sent" if isinstance(outcome, Sent) else outcome.reason.code
