"""Tests of the SMS gateways, called by the SMS channel: every fault, and the ledger."""

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
from utskick.domain.channel import Draft, ProviderCallback
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.domain.receipt import Receipt, Report
from utskick.domain.recipient import Recipient
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.sms_gateways.dialects import GatewayLogin, ReportSettings
from utskick.sandbox.sms_gateways.server import SmsGateways

NUMBER = "+46701740605"
PROVIDERS = ("link", "telia", "46elks")
GATED = ("link", "46elks")
SECRET = "a secret/with signs"


class ConnectedSimulator:
    """Gateways on a real port, a channel that calls them, and a server for delivery reports."""

    def __init__(
        self, *, delay: float = 0.0, token_lifetime: float = 3600.0, deduplicate: bool = False
    ) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.receipts: list[Receipt] = []
        self.gate_answers: list[int] = []
        self._delay, self._token_life, self._deduplicate = delay, token_lifetime, deduplicate
        self._came = asyncio.Event()

    async def open(self) -> ConnectedSimulator:
        gate = web.Application()
        gate.router.add_post("/receipts/sms/{account}/{secret}", self._take_report)
        self.gate = TestServer(gate, host="127.0.0.1")
        await self.gate.start_server()
        public = str(self.gate.make_url("")).rstrip("/")
        reports = ReportSettings(
            f"{public}/receipts/sms/link/a%20secret%2Fwith%20signs", self._delay
        )
        login = GatewayLogin("kommun", "correct-horse-battery", self._token_life)
        self.gateways = SmsGateways(
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

    def apply(self, fault: ProviderFault, **more: Any) -> None:
        self.faults.add(FaultRule(fault, recipient="605$", **{"seconds": 0.05, **more}))

    async def reported(self, number: int) -> list[Receipt]:
        """Wait for a number of receipts, and return them."""
        async with asyncio.timeout(5):
            while len(self.receipts) < number:
                self._came.clear()
                await self._came.wait()
        return self.receipts

    async def quiet(self) -> bool:
        """Check that nothing more arrives within a moment."""
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
async def sandbox() -> AsyncIterator[ConnectedSimulator]:
    sandbox = await ConnectedSimulator().open()
    yield sandbox
    await sandbox.close()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_message_is_in_the_ledger(sandbox: ConnectedSimulator, provider: str) -> None:
    key = new_id()
    outcome = await sandbox.send(provider, key)
    assert isinstance(outcome, Sent)
    (entry,) = sandbox.ledger.of("sms", NUMBER)
    assert (entry.provider, entry.sender, entry.text, entry.reference) == (
        provider,
        "Sundsvall",
        "Hej åäö",
        outcome.reference,
    )
    assert entry.key == (None if provider == "telia" else str(key))


@pytest.mark.parametrize("provider", GATED)
async def test_a_delivery_is_reported_to_the_gate(
    sandbox: ConnectedSimulator, provider: str
) -> None:
    key = new_id()
    outcome = await sandbox.send(provider, key)
    (receipt,) = await sandbox.reported(1)
    assert isinstance(outcome, Sent)
    assert (receipt.provider, receipt.report, receipt.key, receipt.reference) == (
        provider,
        Report.DELIVERED,
        key,
        outcome.reference,
    )
    assert receipt.at is not None
    assert await sandbox.quiet()


async def test_link_reports_every_part(sandbox: ConnectedSimulator) -> None:
    await sandbox.send("link", text="a" * 161)
    receipts = await sandbox.reported(2)
    assert len({receipt.reference for receipt in receipts}) == 1
    assert await sandbox.quiet()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_refused_message_is_rejected(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REFUSE, times=None)
    outcome = await sandbox.send(provider)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.provider_code == ("2104" if provider == "link" else "400")
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_throttle(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.THROTTLE, seconds=30)
    outcome = await sandbox.send(provider)
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == timedelta(seconds=30)
    assert len(sandbox.ledger) == 0
    assert isinstance(await sandbox.send(provider), Sent)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_temporary(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.TEMPORARY)
    assert isinstance(await sandbox.send(provider), Deferred)
    assert len(sandbox.ledger) == 0
    assert isinstance(await sandbox.send(provider), Sent)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_login(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.LOGIN, times=2)
    assert isinstance(await sandbox.send(provider), Misconfigured)
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "fault", [ProviderFault.TIMEOUT, ProviderFault.DROP, ProviderFault.GARBAGE]
)
async def test_a_message_accepted_without_a_response_is_uncertain_and_arrives(
    sandbox: ConnectedSimulator, fault: ProviderFault, provider: str
) -> None:
    sandbox.apply(fault, seconds=60)
    key = new_id()
    assert isinstance(await sandbox.send(provider, key), Uncertain)
    assert len(sandbox.ledger) == 1
    if provider in GATED:
        (receipt,) = await sandbox.reported(1)
        assert receipt.key == key
    assert isinstance(await sandbox.send(provider), Sent)


async def test_a_held_connection_ends_after_its_time(sandbox: ConnectedSimulator) -> None:
    sandbox.apply(ProviderFault.TIMEOUT, seconds=0.05)
    outcome = await sandbox.send("link")
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "connection-lost"


async def test_a_held_connection_ends_when_the_gateways_close(sandbox: ConnectedSimulator) -> None:
    sandbox.apply(ProviderFault.TIMEOUT, seconds=60)
    sending = asyncio.create_task(sandbox.send("link"))
    while not len(sandbox.ledger):
        await asyncio.sleep(0.005)
    await sandbox.gateways.close()
    outcome = await sending
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "connection-lost"


@pytest.mark.parametrize("provider", GATED)
async def test_report_late(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REPORT_LATE, seconds=0.2)
    await sandbox.send(provider)
    assert await sandbox.quiet()
    assert sandbox.receipts == []
    assert len(await sandbox.reported(1)) == 1


@pytest.mark.parametrize("provider", GATED)
async def test_report_twice(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REPORT_TWICE)
    await sandbox.send(provider)
    first, second = await sandbox.reported(2)
    assert (first.key, first.reference) == (second.key, second.reference)
    assert await sandbox.quiet()


@pytest.mark.parametrize("provider", GATED)
async def test_report_early(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REPORT_EARLY)
    sending = asyncio.create_task(sandbox.send(provider))
    await sandbox.reported(1)
    assert not sending.done()
    assert isinstance(await sending, Sent)
    assert await sandbox.quiet()


@pytest.mark.parametrize("provider", GATED)
async def test_report_never(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REPORT_NEVER)
    await sandbox.send(provider)
    assert await sandbox.quiet()
    assert (len(sandbox.ledger), sandbox.receipts) == (1, [])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_report_failed(sandbox: ConnectedSimulator, provider: str) -> None:
    sandbox.apply(ProviderFault.REPORT_FAILED)
    assert isinstance(await sandbox.send(provider), Sent)
    assert len(sandbox.ledger) == 0
    if provider in GATED:
        (receipt,) = await sandbox.reported(1)
        assert receipt.report is Report.FAILED
        assert receipt.reason is not None
        assert receipt.reason.provider_code == ("1006" if provider == "link" else "failed")


async def test_a_report_that_is_not_accepted_is_retried(sandbox: ConnectedSimulator) -> None:
    sandbox.gate_answers = [503]
    await sandbox.send("link")
    assert len(await sandbox.reported(1)) == 1


async def test_reports_wait_as_long_as_they_are_reported() -> None:
    sandbox = await ConnectedSimulator(delay=0.2).open()
    await sandbox.send("link")
    assert await sandbox.quiet()
    assert sandbox.receipts == []
    assert len(await sandbox.reported(1)) == 1
    await sandbox.close()


async def test_a_reference_that_is_known_is_answered_and_not_sent_again() -> None:
    sandbox = await ConnectedSimulator(deduplicate=True).open()
    key = new_id()
    sandbox.apply(ProviderFault.DROP)
    assert isinstance(await sandbox.send("link", key), Uncertain)
    assert (
        await sandbox.send("link", key)
        == await sandbox.send("link", key)
        == Sent(sandbox.ledger.of("sms", NUMBER)[0].reference)
    )
    await sandbox.reported(1)
    assert (len(sandbox.ledger), await sandbox.quiet()) == (1, True)
    await sandbox.send("link", new_id())
    assert len(sandbox.ledger) == 2
    await sandbox.close()


async def test_without_it_the_same_reference_is_sent_twice(sandbox: ConnectedSimulator) -> None:
    key = new_id()
    await sandbox.send("link", key)
    await sandbox.send("link", key)
    assert len(sandbox.ledger) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_wrong_login_is_rejected(sandbox: ConnectedSimulator, provider: str) -> None:
    stranger = sandbox.build("https://utskick.example.se", password="wrong")
    outcome = await stranger.send(
        Draft("2281", {"message": "Hej", "sender": "Sundsvall"}, Recipient(NUMBER)),
        new_id(),
        provider,
    )
    assert isinstance(outcome, Misconfigured)
    assert len(sandbox.ledger) == 0
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
async def test_link_names_the_invalid_member(
    sandbox: ConnectedSimulator, member: str, value: object, code: int
) -> None:
    status, body = await sandbox.post(
        "/link/sms/send", orjson.dumps({**LINK, member: value}), Authorization=BASIC
    )
    assert (status, orjson.loads(body)["resultCode"]) == (200, code)
    assert len(sandbox.ledger) == 0


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
async def test_telia_checks_its_schema(
    sandbox: ConnectedSimulator, wrong: dict[str, object]
) -> None:
    login = {"Authorization": BASIC, "Content_Type": "application/x-www-form-urlencoded"}
    _, granted = await sandbox.post(
        "/telia/oauth2/token", b"grant_type=client_credentials", **login
    )
    bearer = f"Bearer {orjson.loads(granted)['access_token']}"
    good = {
        "originator": "Sundsvall",
        "destinationNumber": NUMBER,
        "message": "Hej",
        "deliveryPriority": "high",
        "flashSms": False,
    }
    status, body = await sandbox.post(
        "/telia/sendSms", orjson.dumps({**good, **wrong}), Authorization=bearer
    )
    members = orjson.loads(body)
    assert (status, members["httpCode"], len(members["technicalDetails"]["details"])) == (
        400,
        400,
        1,
    )
    assert (await sandbox.post("/telia/sendSms", orjson.dumps(good), Authorization=bearer))[
        0
    ] == 204


async def test_telia_gives_tokens_for_client_credentials_only(sandbox: ConnectedSimulator) -> None:
    assert (await sandbox.post("/telia/oauth2/token", b"grant_type=password", Authorization=BASIC))[
        0
    ] == 400
    assert (await sandbox.post("/telia/oauth2/token", b"grant_type=client_credentials"))[0] == 401
    assert (await sandbox.post("/telia/sendSms", b"{}", Authorization="Bearer made-up"))[0] == 401


async def test_a_token_of_telias_ends() -> None:
    sandbox = await ConnectedSimulator(token_lifetime=0.05).open()
    _, granted = await sandbox.post(
        "/telia/oauth2/token", b"grant_type=client_credentials", Authorization=BASIC
    )
    await asyncio.sleep(0.06)
    status, _ = await sandbox.post(
        "/telia/sendSms", b"{}", Authorization=f"Bearer {orjson.loads(granted)['access_token']}"
    )
    assert status == 401
    # The adapter knows the token's lifetime, and requests a new one in time.
    assert [await sandbox.send("telia"), await sandbox.send("telia")] == [Sent(), Sent()]
    await sandbox.close()


@pytest.mark.parametrize(
    "form",
    [b"from=Sundsvall&message=Hej", b"from=Sundsvall&to=0701740605&message=Hej", b"", b"\xff"],
)
async def test_46elks_rejects_an_incomplete_form(sandbox: ConnectedSimulator, form: bytes) -> None:
    assert (await sandbox.post("/46elks/a1/sms", form, Authorization=BASIC))[0] == 400
    assert len(sandbox.ledger) == 0


async def test_the_raw_body_is_kept(sandbox: ConnectedSimulator) -> None:
    await sandbox.send("46elks")
    assert dict(parse_qsl(sandbox.ledger.of("sms", NUMBER)[0].raw.decode()))["message"] == "Hej åäö"
