"""Stage of a journey: providers, processes of the service, and the accepted deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import orjson

from tests.journeys.environment import JourneyEnvironment
from tests.journeys.oracle import Copies, Verdict, compare
from tests.journeys.process import SERVE, WORKER, Process
from tests.journeys.providers import ProviderBehaviour, Providers
from utskick.sandbox.server import sections

IN_PROGRESS = ("queued", "sending", "deferred")


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """SMS accounts of the service; ``settings`` override those of each account."""

    accounts: tuple[str, ...] = ("link",)
    settings: Mapping[str, Any] = field(default_factory=dict)


#: Ten concurrent calls, eight for a batch: of thirty messages some are sent, some in progress and
#: some queued when a worker dies.
TEN = {"concurrency": 10, "read_timeout": 10}


def numbers(count: int, series: int = 0) -> list[str]:
    """Return mobile numbers that simulate no fault."""
    return [f"+46700{series * 10 + i // 80:04d}{20 + i % 80:02d}" for i in range(count)]


def addresses(count: int) -> list[str]:
    return [f"citizen{i}@example.se" for i in range(count)]


def sms_to(number: str) -> dict[str, Any]:
    return {"mobileNumber": number, "message": "Din bok finns att hämta."}


@dataclass(frozen=True, slots=True)
class Answer:
    """Response of the API."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def delivery_id(self) -> str:
        found: str = self.body["deliveries"][0]["deliveryId"]
        return found


class Stage:
    """Stage; ``accepted`` maps the delivery id of every 201 response to its recipient."""

    def __init__(
        self,
        environment: JourneyEnvironment,
        behaviour: ProviderBehaviour,
        account_settings: AccountSettings,
    ) -> None:
        self.environment = environment
        self.providers = Providers(environment.api_url, environment.folder, behaviour)
        self.accepted: dict[str, str] = {}
        self._account_settings = account_settings
        self._processes: list[Process] = []
        self._client: aiohttp.ClientSession | None = None

    # -- processes ----------------------------------------

    async def open(self) -> None:
        await self.environment.empty()
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
        """Return the settings sections of the channels."""
        found = sections(self.providers.addresses)
        wanted = {
            name: found["sms"]["accounts"][name] | TEN | self._account_settings.settings
            for name in self._account_settings.accounts
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
        return await self.start(WORKER, self.environment.variables(self.accounts(), **more))

    async def serve(self, **more: str) -> Process:
        """Start the whole service in one process, instead of the API process."""
        await self.stop_api()
        process = await self.start(SERVE, self.environment.variables(self.accounts(), **more))
        await self.wait_until_live()
        return process

    async def start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Process:
        process = await Process.start(
            self.environment.spawner, arguments, environment, self.environment.logs
        )
        self._processes.append(process)
        return process

    async def api(self, **more: str) -> Process:
        """Start the API without a worker; with settings, restart it."""
        if more:
            await self.stop_api()
        process = await self.environment.start_api(**more)
        await self.wait_until_live()
        return process

    async def stop_api(self) -> None:
        if self.environment.api is not None:
            await self.environment.api.kill()

    async def wait_until_live(self, timeout: float = 20.0) -> None:
        """Wait until the API responds."""

        async def live() -> bool:
            try:
                async with self._open.get(f"{self.environment.api_url}/health/live") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(live, "the API answers", timeout)

    # -- calls ----------------------------------------

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._client is not None, "the stage has not been opened"
        return self._client

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call the API; ``path`` is relative to the municipality unless it begins with a slash.

        Raises the exceptions of aiohttp.
        """
        url = self.environment.api_url + (path if path.startswith("/") else f"/2281/{path}")
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {
            "Content-Type": "application/json"
        }
        async with self._open.request(
            method, url, data=None if body is None else orjson.dumps(body), headers=sent
        ) as answer:
            raw = await answer.read()
            return Answer(answer.status, dict(answer.headers), orjson.loads(raw) if raw else None)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Answer:
        """Post a message, and record it if it is accepted."""
        answer = await self.call("POST", path, body, **headers)
        if answer.status == 201:
            self.accepted[answer.delivery_id] = body.get("mobileNumber") or body["emailAddress"]
        return answer

    async def batch(self, channel: str, recipients: Sequence[str]) -> str:
        """Post a batch, and return its id."""
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

    async def delivery(self, delivery_id: str) -> dict[str, Any] | None:
        """Return a delivery with its events, or None if the API does not know it."""
        answer = await self.call("GET", f"status/delivery/{delivery_id}")
        assert answer.status in (200, 404), answer
        return answer.body if answer.status == 200 else None

    async def deliveries(self) -> dict[str, dict[str, Any] | None]:
        """Return all accepted deliveries with their events."""
        turns = asyncio.Semaphore(16)

        async def one(delivery_id: str) -> tuple[str, dict[str, Any] | None]:
            async with turns:
                return delivery_id, await self.delivery(delivery_id)

        return dict(await asyncio.gather(*map(one, self.accepted)))

    # -- results ----------------------------------------

    async def settle(self, timeout: float = 25.0) -> None:
        """Wait until no delivery is in progress."""

        async def settled() -> bool:
            return not await self.environment.rows(
                "SELECT FROM deliveries WHERE status = ANY($1) LIMIT 1", IN_PROGRESS
            )

        await eventually(settled, "every delivery has settled", timeout)

    async def wait_for_lifecycle(
        self, delivery_id: str, lifecycle: str, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Wait until a delivery has the lifecycle, and return it."""

        async def there() -> bool:
            delivery = await self.delivery(delivery_id)
            return delivery is not None and delivery["lifecycle"] == lifecycle

        await eventually(there, f"the delivery is {lifecycle}", timeout)
        return await self.delivery(delivery_id) or {}

    def copies(self) -> Copies:
        return Copies(self.providers.entries(), self.accepted)

    async def compare(self) -> Verdict:
        return compare(await self.deliveries(), self.copies())


async def eventually(holds: Callable[[], Any], what: str, timeout: float = 10.0) -> float:
    """Wait until the condition holds; return the elapsed seconds."""
    start = monotonic()
    while not await holds():
        assert monotonic() < start + timeout, f"not within {timeout} s: {what}"
        await asyncio.sleep(0.03)
    return monotonic() - start
