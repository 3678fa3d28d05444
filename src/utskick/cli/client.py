"""The client of the HTTP API: who asks, where, with which key, and what the answer means to a person at a terminal."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from utskick.cli.results import BatchResult, DeliveryResult, MessageResult, read_batch, read_delivery, read_message
from utskick.domain.errors import SettingsFault, UtskickError

ORIGIN: Final = "utskick-cli"
_LOGIN: Final = re.compile(r"[!-:<-~]{1,100}\Z")  # one word of ASCII, without the semicolon that ends it in the header


class NoAnswer(UtskickError):
    """Nothing answers at the address of the service, or what answers is something else."""

    code, status, title = "no-answer", 503, "No Answer"


class Refused(UtskickError):
    """The service answered with a problem; the sentence lists every violation. ``answered``: its HTTP status, ``problem``: its body."""

    code, status, title = "refused", 400, "Refused"

    def __init__(self, answered: int, problem: Mapping[str, Any]) -> None:
        super().__init__(_sentence(answered, problem))
        self.answered = answered
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Target:
    """Which service, and for which municipality."""

    url: str
    municipality: str = "2281"
    token: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsFault(f"{self.url} is no address of a service; write --url or UTSKICK_URL like http://127.0.0.1:8080")
        if not re.fullmatch(r"[0-9]{4}", self.municipality):
            raise SettingsFault(f"{self.municipality} is no municipality id: that is four digits, like 2281")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a sending call is made, the first pause between (s, then doubling), and the longest pause that the service may ask for."""

    tries: int = 4
    pause: float = 0.5
    longest: float = 5.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The body of a 2xx. ``replayed``: this key was used before; the answer is the first one's, and nothing new was sent."""

    members: Mapping[str, Any]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Posting:
    """A sending call: path below the municipality, body, Idempotency-Key. ``at_once``: do not wait for the delivery."""

    path: str
    body: bytes
    key: str
    at_once: bool = False


class Client:
    """``async with``. Calls raise ``Refused`` or ``NoAnswer``."""

    def __init__(self, target: Target, patience: Patience = Patience()) -> None:
        self.target = target
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=_headers(self.target.token),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120),
            connector=aiohttp.TCPConnector(limit=32),
        )
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._session is not None, "the client is used outside its `async with`"
        return self._session

    def _url(self, path: str) -> str:
        return f"{self.target.url.rstrip('/')}/{self.target.municipality}/{path}"

    # -- sending ------------------------------------------------------------------------------------------------------

    async def post(self, posting: Posting) -> Accepted:
        """Made again, with the same key, when the connection fails or the service is away for the moment."""
        left = False
        for attempt in range(1, self._patience.tries + 1):
            pause = self._patience.pause * 2.0 ** (attempt - 1)
            try:
                async with self._open.post(
                    self._url(posting.path),
                    data=posting.body,
                    headers={"Idempotency-Key": posting.key, "Content-Type": "application/json"},
                    params={"async": "true"} if posting.at_once else {},
                ) as answer:
                    members = self._members(await answer.read())
                    if answer.status < 300:
                        return Accepted(members, answer.headers.get("Idempotency-Replayed") == "true")
                    fault: UtskickError = Refused(answer.status, members)
                    if not _passing(answer.status, members):
                        raise fault
                    pause = max(pause, _seconds(answer.headers.get("Retry-After"), self._patience.longest))
            except (aiohttp.ClientError, TimeoutError, OSError) as why:
                left = left or not isinstance(why, aiohttp.ClientConnectorError)
                fault = self._lost(posting.key) if left else self._absent()
            if attempt < self._patience.tries:
                await asyncio.sleep(pause)
        raise fault

    async def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """One call that may be repeated by whoever makes it; the JSON of its answer, None where it has none."""
        try:
            async with self._open.request(method, self._url(path), data=body, headers={"Content-Type": "application/json"}) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise self._absent() from None
        found = self._json(raw) if raw else None
        if answer.status >= 300:
            raise Refused(answer.status, found if isinstance(found, dict) else {})
        return found

    def _absent(self) -> NoAnswer:
        return NoAnswer(
            f"nothing answers at {self.target.url}. Is the service running? Start it with `utskick serve`, "
            "or name another with --url or UTSKICK_URL"
        )

    def _lost(self, key: str) -> NoAnswer:
        return NoAnswer(
            f"the connection to {self.target.url} was lost before the answer came, so it may have been accepted or not. "
            f"The same command with --key {key} finds out, and sends nothing twice (for 24 hours)"
        )

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON of ``path`` below the municipality."""
        try:
            async with self._open.get(self._url(path), params=query or {}) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise self._absent() from None
        found = self._json(raw)
        if answer.status >= 300:
            raise Refused(answer.status, found if isinstance(found, dict) else {})
        return found

    async def delivery(self, delivery_id: str) -> DeliveryResult:
        return read_delivery(await self.get(f"status/delivery/{delivery_id}"))

    async def message(self, message_id: str) -> MessageResult:
        return read_message(await self.get(f"status/messages/{message_id}"))

    async def batch(self, batch_id: str, *, messages: bool = False) -> BatchResult:
        return read_batch(await self.get(f"status/batch/{batch_id}", {"messages": "true" if messages else "false"}))

    def _members(self, raw: bytes) -> Mapping[str, Any]:
        found = self._json(raw)
        return found if isinstance(found, dict) else {}

    def _json(self, raw: bytes) -> Any:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise NoAnswer(f"what answers at {self.target.url} is not Utskick's API: it does not speak JSON") from None


def _headers(token: str | None) -> dict[str, str]:
    headers = {"x-origin": ORIGIN}
    if (login := _login()) is not None:
        headers["X-Sent-By"] = f"{login}; type=adAccount"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _login() -> str | None:
    """Who is logged in here; None where nobody is, or where the name cannot stand in a header."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return None
    return name if _LOGIN.match(name) else None


def _passing(status: int, problem: Mapping[str, Any]) -> bool:
    """Worth trying again. A 502 or 504 of a proxy too: the key makes it safe. Our own 502 is the answer to the message."""
    code = problem.get("code")
    return (status in (502, 503, 504) and code != "delivery-failed") or (status == 409 and code == "idempotency-running")


def _seconds(retry_after: str | None, longest: float) -> float:
    return min(longest, float(retry_after)) if retry_after and retry_after.isdigit() else 0.0


def _sentence(answered: int, problem: Mapping[str, Any]) -> str:
    """Every violation on a line of its own."""
    found = problem.get("violations") or problem.get("reasons") or []
    head = f"the service refused it ({answered} {problem.get('title', '')})".replace(" )", ")")
    if found:
        return "\n".join([f"{head}:", *(f"  {v.get('field', '')} {v.get('message', '')}".rstrip() for v in found)])
    lines = [f"{head}: {problem['detail']}" if problem.get("detail") else head]
    if delivery_id := problem.get("deliveryId"):
        lines.append(f"  its story: utskick status {delivery_id}")
    return "\n".join(lines)
