"""The SMS gateways of the sandbox, met by the SMS channel itself: each fault once, and what the
ledger holds after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.contracts.provider import PATIENCE
from utskick.channels.sms.channel import SmsChannel, build
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import Draft, ProviderCallback, Receipt, Report
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.domain.recipient import Recipient
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.gateway_dialects import GatewayLogin, ReportTo
from utskick.sandbox.gateways import Gateways
from utskick.sandbox.ledger import Ledger

NUMBER = "+46701740605"
PROVIDERS = ("link", "telia", "46elks")
GATED = ("link", "46elks")
SECRET = "a secret/with signs"


class Town:
    """The gateways on a real port, a channel in front of them, and the gate where reports come
    in."""

    def __init__(
        self, *, delay: float = 0.0, token_life: float = 3600.0, deduplicate: bool = False
    ) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.receipts: list[Receipt] = []
        self.gate_answers: list[int] = []
        self._delay, self._token_life, self._deduplicate = delay, token_life, deduplicate
        self._came = asyncio.Event()

    async def open(self) -> Town:
        gate = web.Application()
        gate.router.add_post("/receipts/sms/{account}/{secret}", self._take_report)
        self.gate = TestServer(gate, host="127.0.0.1")
        await self.gate.start_server()
        public = str(self.gate.make_url("")).rstrip("/")
        reports = ReportTo(f"{public}/receipts/sms/link/a%20secret%2Fwith%20signs", self._delay)
        login = GatewayLogin("kommun", "correct-horse-battery", self._token_life)
        self.gateways = Gateways(
            self.ledger, self.faults, reports, login=login, deduplicate=self._deduplicate
        )
        app = web.Application()
        app.router.add_routes(self.gateways.routes())
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.base = str(self.server.make_url("")).rstrip("/")
        self.channel = self.build(public)
        return self

    def build(self, public: str, **changes: Any) -> SmsChannel:
        common = {**PATIENCE, "receipt_secret": SECRET}
        login = {"username": "kommun", "password": "correct-horse-battery", **changes}
        link = {
            **common,
            **login,
            "provider": "link",
            "url": f"{self.base}/link",
            "platform_id": "SMSC",
            "partner_id": "12345",
        }
        elks = {**common, **login, "provider": "46elks", "url": f"{self.base}/46elks"}
        telia = {
            **common,
            "provider": "telia",
            "url": f"{self.base}/telia",
            "token_url": f"{self.base}/telia/oauth2/token",
        }
        telia |= {"client_id": login["username"], "client_secret": login["password"]}
        return build(
            SmsSettings(public_url=public, accounts={"link": link, "telia": telia, "46elks": elks})
        )

    async def close(self) -> None:
        await self.channel.close()
        await self.gateways.close()
        await self.server.close()
        await self.gate.close()

    async def _take_report(self, request: web.Request) -> web.Response:
        status = self.gate_answers.pop(0) if self.gate_answers else 200
        if status == 200:
            info = request.match_info
            hook = ProviderCallback(
                info["account"],
                info["secret"],
                request.headers,
                request.query,
                await request.read(),
            )
            self.receipts.extend(self.channel.read_receipt(hook))
        self._came.set()
        return web.Response(status=status)

    async def send(
        self, provider: str, key: object = None, *, number: str = NUMBER, text: str = "Hej åäö"
    ) -> Outcome:
        draft = Draft("2281", {"message": text, "sender": "Sundsvall"}, Recipient(number))
        return await self.channel.send(draft, key or new_id(), provider)  # type: ignore[arg-type]

    def strike(self, fault: ProviderFault, **more: Any) -> None:
        self.faults.add(FaultRule(fault, recipient="605$", **{"seconds": 0.05, **more}))

    async def reported(self, number: int) -> list[Receipt]:
        """The receipts, as soon as there are that many."""
        async with asyncio.timeout(5):
            while len(self.receipts) < number:
                self._came.clear()
                await self._came.wait()
        return self.receipts

    async def quiet(self) -> bool:
        """Nothing more comes within a moment."""
        seen = len(self.receipts)
        await asyncio.sleep(0.1)
        return len(self.receipts) == seen

    async def post(self, path: str, data: bytes, **headers: str) -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self.base + path,
                data=data,
                headers={k.replace("_", "-"): v for k, v in headers.items()},
            ) as answer,
        ):
            return answer.status, await answer.read()


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = await Town().open()
    yield town
    await town.close()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_is_sent_stands_in_the_ledger(town: Town, provider: str) -> None:
    key = new_id()
    outcome = await town.send(provider, key)
    assert isinstance(outcome, Sent)
    (entry,) = town.ledger.of("sms", NUMBER)
    assert (entry.provider, entry.sender, entry.text, entry.reference) == (
        provider,
        "Sundsvall",
        "Hej åäö",
        outcome.reference,
    )
    assert entry.key == (None if provider == "telia" else str(key))


@pytest.mark.parametrize("provider", GATED)
async def test_a_delivery_is_reported_to_the_gate(town: Town, provider: str) -> None:
    key = new_id()
    outcome = await town.send(provider, key)
    (receipt,) = await town.reported(1)
    assert isinstance(outcome, Sent)
    assert (receipt.provider, receipt.report, receipt.key, receipt.reference) == (
        provider,
        Report.DELIVERED,
        key,
        outcome.reference,
    )
    assert receipt.at is not None
    assert await town.quiet()


async def test_link_reports_every_part(town: Town) -> None:
    await town.send("link", text="a" * 161)
    receipts = await town.reported(2)
    assert len({receipt.reference for receipt in receipts}) == 1
    assert await town.quiet()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_refuse(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REFUSE, times=None)
    outcome = await town.send(provider)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.provider_code == ("2104" if provider == "link" else "400")
    assert len(town.ledger) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_throttle(town: Town, provider: str) -> None:
    town.strike(ProviderFault.THROTTLE, seconds=30)
    outcome = await town.send(provider)
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == timedelta(seconds=30)
    assert len(town.ledger) == 0
    assert isinstance(await town.send(provider), Sent)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_temporary(town: Town, provider: str) -> None:
    town.strike(ProviderFault.TEMPORARY)
    assert isinstance(await town.send(provider), Deferred)
    assert len(town.ledger) == 0
    assert isinstance(await town.send(provider), Sent)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_login(town: Town, provider: str) -> None:
    town.strike(ProviderFault.LOGIN, times=2)
    assert isinstance(await town.send(provider), Misconfigured)
    assert len(town.ledger) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "fault", [ProviderFault.TIMEOUT, ProviderFault.DROP, ProviderFault.GARBAGE]
)
async def test_a_message_that_was_taken_without_a_word_is_uncertain_and_arrived(
    town: Town, fault: ProviderFault, provider: str
) -> None:
    town.strike(fault, seconds=60)
    key = new_id()
    assert isinstance(await town.send(provider, key), Uncertain)
    assert len(town.ledger) == 1
    if provider in GATED:
        (receipt,) = await town.reported(1)
        assert receipt.key == key
    assert isinstance(await town.send(provider), Sent)


async def test_a_held_connection_ends_after_its_time(town: Town) -> None:
    town.strike(ProviderFault.TIMEOUT, seconds=0.05)
    outcome = await town.send("link")
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "connection-lost"


async def test_a_held_connection_ends_when_the_gateways_close(town: Town) -> None:
    town.strike(ProviderFault.TIMEOUT, seconds=60)
    sending = asyncio.create_task(town.send("link"))
    while not len(town.ledger):
        await asyncio.sleep(0.005)
    await town.gateways.close()
    outcome = await sending
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "connection-lost"


@pytest.mark.parametrize("provider", GATED)
async def test_report_late(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REPORT_LATE, seconds=0.2)
    await town.send(provider)
    assert await town.quiet()
    assert town.receipts == []
    assert len(await town.reported(1)) == 1


@pytest.mark.parametrize("provider", GATED)
async def test_report_twice(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REPORT_TWICE)
    await town.send(provider)
    first, second = await town.reported(2)
    assert (first.key, first.reference) == (second.key, second.reference)
    assert await town.quiet()


@pytest.mark.parametrize("provider", GATED)
async def test_report_early(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REPORT_EARLY)
    sending = asyncio.create_task(town.send(provider))
    await town.reported(1)
    assert not sending.done()
    assert isinstance(await sending, Sent)
    assert await town.quiet()


@pytest.mark.parametrize("provider", GATED)
async def test_report_never(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REPORT_NEVER)
    await town.send(provider)
    assert await town.quiet()
    assert (len(town.ledger), town.receipts) == (1, [])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_report_failed(town: Town, provider: str) -> None:
    town.strike(ProviderFault.REPORT_FAILED)
    assert isinstance(await town.send(provider), Sent)
    assert len(town.ledger) == 0
    if provider in GATED:
        (receipt,) = await town.reported(1)
        assert receipt.report is Report.FAILED
        assert receipt.reason is not None
        assert receipt.reason.provider_code == ("1006" if provider == "link" else "failed")


async def test_a_report_that_is_not_taken_is_tried_again(town: Town) -> None:
    town.gate_answers = [503]
    await town.send("link")
    assert len(await town.reported(1)) == 1


async def test_reports_wait_as_long_as_they_are_told() -> None:
    town = await Town(delay=0.2).open()
    await town.send("link")
    assert await town.quiet()
    assert town.receipts == []
    assert len(await town.reported(1)) == 1
    await town.close()


async def test_a_reference_that_is_known_is_answered_and_not_sent_again() -> None:
    town = await Town(deduplicate=True).open()
    key = new_id()
    town.strike(ProviderFault.DROP)
    assert isinstance(await town.send("link", key), Uncertain)
    assert (
        await town.send("link", key)
        == await town.send("link", key)
        == Sent(town.ledger.of("sms", NUMBER)[0].reference)
    )
    await town.reported(1)
    assert (len(town.ledger), await town.quiet()) == (1, True)
    await town.send("link", new_id())
    assert len(town.ledger) == 2
    await town.close()


async def test_without_it_the_same_reference_is_sent_twice(town: Town) -> None:
    key = new_id()
    await town.send("link", key)
    await town.send("link", key)
    assert len(town.ledger) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_wrong_login_is_refused(town: Town, provider: str) -> None:
    stranger = town.build("https://utskick.example.se", password="wrong")
    outcome = await stranger.send(
        Draft("2281", {"message": "Hej", "sender": "Sundsvall"}, Recipient(NUMBER)),
        new_id(),
        provider,
    )
    assert isinstance(outcome, Misconfigured)
    assert len(town.ledger) == 0
    await stranger.close()


LINK = {
    "platformId": "SMSC",
    "platformPartnerId": "1",
    "source": "Sundsvall",
    "destination": NUMBER,
    "userData": "Hej",
}
BASIC = "Basic a29tbXVuOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("platformId", None, 106200),
        ("platformPartnerId", "", 106201),
        ("source", None, 2000),
        ("userData", 7, 4003),
        ("destination", "0701740605", 2106),
    ],
)
async def test_link_names_what_is_wrong(town: Town, member: str, value: object, code: int) -> None:
    status, body = await town.post(
        "/link/sms/send", orjson.dumps({**LINK, member: value}), Authorization=BASIC
    )
    assert (status, orjson.loads(body)["resultCode"]) == (200, code)
    assert len(town.ledger) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"originator": "ab"},
        {"originator": "abcdefghijkl"},
        {"destinationNumber": "+4712345678"},
        {"message": None},
        {"deliveryPriority": "urgent"},
        {"flashSms": "yes"},
    ],
)
async def test_telia_checks_its_schema(town: Town, wrong: dict[str, object]) -> None:
    login = {"Authorization": BASIC, "Content_Type": "application/x-www-form-urlencoded"}
    _, granted = await town.post("/telia/oauth2/token", b"grant_type=client_credentials", **login)
    bearer = f"Bearer {orjson.loads(granted)['access_token']}"
    good = {
        "originator": "Sundsvall",
        "destinationNumber": NUMBER,
        "message": "Hej",
        "deliveryPriority": "high",
        "flashSms": False,
    }
    status, body = await town.post(
        "/telia/sendSms", orjson.dumps({**good, **wrong}), Authorization=bearer
    )
    said = orjson.loads(body)
    assert (status, said["httpCode"], len(said["technicalDetails"]["details"])) == (400, 400, 1)
    assert (await town.post("/telia/sendSms", orjson.dumps(good), Authorization=bearer))[0] == 204


async def test_telia_gives_tokens_for_client_credentials_only(town: Town) -> None:
    assert (await town.post("/telia/oauth2/token", b"grant_type=password", Authorization=BASIC))[
        0
    ] == 400
    assert (await town.post("/telia/oauth2/token", b"grant_type=client_credentials"))[0] == 401
    assert (await town.post("/telia/sendSms", b"{}", Authorization="Bearer made-up"))[0] == 401


async def test_a_token_of_telias_ends() -> None:
    town = await Town(token_life=0.05).open()
    _, granted = await town.post(
        "/telia/oauth2/token", b"grant_type=client_credentials", Authorization=BASIC
    )
    await asyncio.sleep(0.06)
    status, _ = await town.post(
        "/telia/sendSms", b"{}", Authorization=f"Bearer {orjson.loads(granted)['access_token']}"
    )
    assert status == 401
    # The adapter is told how long a token lives, and comes for a new one in time.
    assert [await town.send("telia"), await town.send("telia")] == [Sent(), Sent()]
    await town.close()


@pytest.mark.parametrize(
    "form",
    [b"from=Sundsvall&message=Hej", b"from=Sundsvall&to=0701740605&message=Hej", b"", b"\xff"],
)
async def test_46elks_refuses_a_form_that_is_not_whole(town: Town, form: bytes) -> None:
    assert (await town.post("/46elks/a1/sms", form, Authorization=BASIC))[0] == 400
    assert len(town.ledger) == 0


async def test_the_raw_body_is_kept(town: Town) -> None:
    await town.send("46elks")
    assert dict(parse_qsl(town.ledger.of("sms", NUMBER)[0].raw.decode()))["message"] == "Hej åäö"
