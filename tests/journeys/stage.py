"""A journey's stage: the providers, the processes of the service that come and go, and what the
callers were promised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import orjson

from tests.journeys.database_cleanup import Ground
from tests.journeys.oracle import Copies, Verdict, compare
from tests.journeys.process import SERVE, WORKER, Process
from tests.journeys.providers import Habits, Providers
from utskick.sandbox.server import sections

RESTLESS = ("queued", "sending", "deferred")


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the service's SMS accounts are set. ``settings``: over each account's own."""

    accounts: tuple[str, ...] = ("link",)
    settings: Mapping[str, Any] = field(default_factory=dict)


#: Ten at a time, eight of them for a batch: of thirty messages some are answered, some under way
#: and some not begun when a worker dies.
TEN = {"concurrency": 10, "read_timeout": 10}


def numbers(count: int, series: int = 0) -> list[str]:
    """Mobile numbers without magic."""
    return [f"+46700{series * 10 + i // 80:04d}{20 + i % 80:02d}" for i in range(count)]


def addresses(count: int) -> list[str]:
    return [f"citizen{i}@example.se" for i in range(count)]


def sms_to(number: str) -> dict[str, Any]:
    return {"mobileNumber": number, "message": "Din bok finns att hämta."}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def delivery_id(self) -> str:
        found: str = self.body["deliveries"][0]["deliveryId"]
        return found


class Stage:
    """``accepted``: delivery id → recipient, of every 201 that a caller got."""

    def __init__(self, ground: Ground, habits: Habits, wiring: Wiring) -> None:
        self.ground = ground
        self.providers = Providers(ground.api_url, ground.folder, habits)
        self.accepted: dict[str, str] = {}
        self._wiring = wiring
        self._processes: list[Process] = []
        self._client: aiohttp.ClientSession | None = None

    # -- coming and going ----------------------------------------

    async def open(self) -> None:
        await self.ground.empty()
        await self.providers.start()
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=64)
        )

    async def close(self) -> None:
        for process in self._processes:
            await process.kill()
        if self._client is not None:
            await self._client.close()
        await self.providers.close()

    def accounts(self) -> dict[str, Any]:
        """The channels' sections of the settings."""
        found = sections(self.providers.place)
        wanted = {
            name: found["sms"]["accounts"][name] | TEN | self._wiring.settings
            for name in self._wiring.accounts
        }
        mail = {
            name: account | {"read_timeout": 10}
            for name, account in found["email"]["accounts"].items()
        }
        return {
            "sms": found["sms"] | {"accounts": wanted},
            "email": found["email"] | {"accounts": mail},
        }

    async def worker(self, **more: str) -> Process:
        return await self.start(WORKER, self.ground.environment(self.accounts(), **more))

    async def serve(self, **more: str) -> Process:
        """The whole service in one process, in the door's place."""
        await self.close_door()
        process = await self.start(SERVE, self.ground.environment(self.accounts(), **more))
        await self.answering()
        return process

    async def start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Process:
        process = await Process.start(self.ground.nursery, arguments, environment, self.ground.logs)
        self._processes.append(process)
        return process

    async def door(self, **more: str) -> Process:
        """The API without a worker. With settings of its own: a new one."""
        if more:
            await self.close_door()
        process = await self.ground.open_door(**more)
        await self.answering()
        return process

    async def close_door(self) -> None:
        if self.ground.door is not None:
            await self.ground.door.kill()

    async def answering(self, timeout: float = 20.0) -> None:
        """Returns when the API answers."""

        async def live() -> bool:
            try:
                async with self._open.get(f"{self.ground.api_url}/health/live") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(live, "the API answers", timeout)

    # -- what callers do ----------------------------------------

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._client is not None, "the stage has not been opened"
        return self._client

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """``path`` below the municipality, or from the root when it begins with a slash. Raises
        aiohttp's faults."""
        url = self.ground.api_url + (path if path.startswith("/") else f"/2281/{path}")
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {
            "Content-Type": "application/json"
        }
        async with self._open.request(
            method, url, data=None if body is None else orjson.dumps(body), headers=sent
        ) as answer:
            raw = await answer.read()
            return Answer(answer.status, dict(answer.headers), orjson.loads(raw) if raw else None)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Answer:
        """One message. A 201 is a promise and is remembered."""
        answer = await self.call("POST", path, body, **headers)
        if answer.status == 201:
            self.accepted[answer.delivery_id] = body.get("mobileNumber") or body["emailAddress"]
        return answer

    async def batch(self, channel: str, recipients: Sequence[str]) -> str:
        """Returns the batch's id."""
        name = "mobileNumber" if channel == "sms" else "emailAddress"
        shared = {"message": "Din bok finns att hämta."} | (
            {"subject": "Biblioteket"} if channel == "email" else {}
        )
        answer = await self.call(
            "POST", f"{channel}/batch", {**shared, "parties": [{name: r} for r in recipients]}
        )
        assert answer.status == 201, answer
        for recipient, message in zip(recipients, answer.body["messages"], strict=True):
            self.accepted[message["deliveries"][0]["deliveryId"]] = recipient
        batch_id: str = answer.body["batchId"]
        return batch_id

    async def counts(self, batch_id: str) -> dict[str, int]:
        found: dict[str, int] = (
            await self.call("GET", f"status/batch/{batch_id}?messages=false")
        ).body["counts"]
        return found

    async def story(self, delivery_id: str) -> dict[str, Any] | None:
        """The delivery with its events; None: the API does not know it."""
        answer = await self.call("GET", f"status/delivery/{delivery_id}")
        assert answer.status in (200, 404), answer
        return answer.body if answer.status == 200 else None

    async def stories(self) -> dict[str, dict[str, Any] | None]:
        """Of every delivery that was promised."""
        turns = asyncio.Semaphore(16)

        async def one(delivery_id: str) -> tuple[str, dict[str, Any] | None]:
            async with turns:
                return delivery_id, await self.story(delivery_id)

        return dict(await asyncio.gather(*map(one, self.accepted)))

    # -- how it ends ----------------------------------------

    async def settle(self, timeout: float = 25.0) -> None:
        """Returns when no delivery is on its way any more."""

        async def at_rest() -> bool:
            return not await self.ground.rows(
                "SELECT FROM deliveries WHERE status = ANY($1) LIMIT 1", RESTLESS
            )

        await eventually(at_rest, "every delivery has settled", timeout)

    async def become(
        self, delivery_id: str, lifecycle: str, timeout: float = 10.0
    ) -> dict[str, Any]:
        """The story of a delivery when it has come to this."""

        async def there() -> bool:
            story = await self.story(delivery_id)
            return story is not None and story["lifecycle"] == lifecycle

        await eventually(there, f"the delivery is {lifecycle}", timeout)
        return await self.story(delivery_id) or {}

    def copies(self) -> Copies:
        return Copies(self.providers.entries(), self.accepted)

    async def compare(self) -> Verdict:
        return compare(await self.stories(), self.copies())


async def eventually(holds: Callable[[], Any], what: str, timeout: float = 10.0) -> float:
    """Returns after how many seconds it held."""
    start = monotonic()
    while not await holds():
        assert monotonic() < start + timeout, f"not within {timeout} s: {what}"
        await asyncio.sleep(0.03)
    return monotonic() - start
