"""The sandbox as a whole: all simulators, the ledger and the viewer, on loopback ports of this
process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from utskick.domain.errors import SettingsFault
from utskick.sandbox import graph, kivra, open_e, slack
from utskick.sandbox.addresses import HOST, SandboxAddresses, Simulator
from utskick.sandbox.api import LedgerApi
from utskick.sandbox.digital_mail import server as digital_mail
from utskick.sandbox.digital_mail.server import DigitalMail
from utskick.sandbox.faults import Faults
from utskick.sandbox.gateway_dialects import ReportTo
from utskick.sandbox.gateways import Gateways
from utskick.sandbox.graph import GraphSimulator
from utskick.sandbox.kivra import KivraSimulator
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.open_e import OpenESimulator
from utskick.sandbox.print_house import server as print_house
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.server import PrintHouse
from utskick.sandbox.push import server as push
from utskick.sandbox.push.server import Push
from utskick.sandbox.slack import Slack
from utskick.sandbox.smtp_server import MailServer
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.viewer import Viewer

NOTICE = "SANDBOX: every provider is simulated on this machine. Nothing leaves it, nobody receives anything."
#: The same for all processes of a sandbox. It guards nothing: the simulators carry no message to
#: anybody.
_SECRET = "sandbox"  # noqa: S105
_REPORTS = "/receipts/sms/link/" + _SECRET


class Town:
    """Start it, send to it, look at it."""

    def __init__(self, place: SandboxAddresses) -> None:
        self._wanted = place
        self.ledger = Ledger()
        self.faults = Faults()
        self._gateways = Gateways(self.ledger, self.faults, ReportTo(link=place.api_url + _REPORTS))
        self._mail = MailServer(self.ledger, self.faults, place.folder)
        self._operators = DigitalMail(self.ledger, self.faults, place)
        self._printer = PrintHouse(self.ledger, self.faults, place)
        simple: tuple[
            type[GraphSimulator | KivraSimulator | OpenESimulator | Slack | Push], ...
        ] = (GraphSimulator, KivraSimulator, OpenESimulator, Slack, Push)
        self._others: tuple[Simulator, ...] = (
            self._operators,
            self._printer,
            *(kind(self.ledger, self.faults, place) for kind in simple),
        )
        self._runner: web.AppRunner | None = None
        self._port = place.http_port

    @property
    def place(self) -> SandboxAddresses:
        """As it came to be: with the ports that were found where 0 was asked for."""
        return replace(
            self._wanted,
            http_port=self._port,
            smtp_port=self._mail.port,
            https_port=self._operators.port,
            sftp_port=self._printer.port,
        )

    @property
    def viewer_url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        tally = LedgerSummary(self.ledger)
        viewer = Viewer(
            self.ledger, self.faults, tally, Batches(self._printer.inbox, self._printer.refused)
        )
        app = web.Application(middlewares=[viewer.missing], client_max_size=100 * 1_048_576)
        for routes in (
            self._gateways.routes(),
            LedgerApi(self.ledger, self.faults, tally).routes(),
            viewer.routes(),
        ):
            app.add_routes(routes)
        for simulator in self._others:
            app.add_routes(simulator.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, HOST, self._wanted.http_port, backlog=1024)
            await site.start()
            self._port = self._runner.addresses[0][1]
            self._wanted.folder.mkdir(parents=True, exist_ok=True)
            await self._mail.start(HOST, self._wanted.smtp_port)
            for simulator in self._others:
                await simulator.start()
        except OSError as fault:
            await self.close()
            raise SettingsFault(
                f"the sandbox cannot listen: {fault.strerror or fault}; see sandbox.http_port, smtp_port, https_port and sftp_port"
            ) from fault

    async def close(self) -> None:
        await self._gateways.close()
        for simulator in self._others:
            await simulator.close()
        await self._mail.close()
        if self._runner is not None:
            await self._runner.cleanup()


def furnish(place: SandboxAddresses) -> None:
    """The files that settings point to, where the town has not made them yet: a worker may be there
    before it."""
    digital_mail.furnish(place)
    print_house.furnish(place)


def sections(place: SandboxAddresses) -> dict[str, dict[str, Any]]:
    """The settings of the channels that send to a town at this place."""
    return {
        "sms": _sms(place),
        "email": _email(place),
        "digital_mail": digital_mail.section(place),
        "digital_invoice": kivra.section(place),
        "snail_mail": print_house.section(place),
        "web_message": open_e.section(place),
        "slack": slack.section(place),
        "push": push.section(place),
    }


def _sms(place: SandboxAddresses) -> dict[str, Any]:
    base = f"http://{HOST}:{place.http_port}"
    login = {"username": "user", "password": "secret"}
    swift = {"connect_timeout": 2, "read_timeout": 3, "concurrency": 50}
    accounts: dict[str, Any] = {
        "link": {
            "provider": "link",
            "url": f"{base}/link",
            "priority": 1,
            "platform_id": "SMSC",
            "partner_id": "12345",
            "receipt_secret": _SECRET,
            **login,
            **swift,
        },
        "telia": {
            "provider": "telia",
            "url": f"{base}/telia",
            "token_url": f"{base}/telia/oauth2/token",
            "priority": 2,
            "client_id": "user",
            "client_secret": "secret",
            **swift,
        },
        "46elks": {
            "provider": "46elks",
            "url": f"{base}/46elks",
            "priority": 3,
            "receipt_secret": _SECRET,
            **login,
            **swift,
        },
    }
    return {"sender": "Utskick", "public_url": place.api_url, "accounts": accounts}


def _email(place: SandboxAddresses) -> dict[str, Any]:
    smtp = {
        "provider": "smtp",
        "host": HOST,
        "port": place.smtp_port,
        "ca_file": str(place.folder / "mailbox-ca.pem"),
        "username": "sandbox",
        "password": "sandbox",
        "concurrency": 16,
        "connect_timeout": 2,
        "read_timeout": 3,
    }
    return {
        "sender": {"name": "Utskick", "address": "noreply@utskick.example"},
        "accounts": {"sandbox": smtp, "graph": {**graph.account(place), "priority": 2}},
    }
