"""Sandbox server: simulators, ledger and viewer on loopback ports of this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from utskick.domain.errors import SettingsFault
from utskick.sandbox import graph, kivra, open_e, slack
from utskick.sandbox.addresses import HOST, SandboxAddresses, Simulator
from utskick.sandbox.api import LedgerApi
from utskick.sandbox.digital_mail import server as digital_mail
from utskick.sandbox.digital_mail.server import DigitalMailSimulator
from utskick.sandbox.faults import Faults
from utskick.sandbox.graph import GraphSimulator
from utskick.sandbox.kivra import KivraSimulator
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.open_e import OpenESimulator
from utskick.sandbox.print_house import server as print_house
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.server import PrintHouseSimulator
from utskick.sandbox.push import server as push
from utskick.sandbox.push.server import PushSimulator
from utskick.sandbox.slack import SlackSimulator
from utskick.sandbox.sms_gateways.dialects import ReportSettings
from utskick.sandbox.sms_gateways.server import SmsGateways
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.viewer import Viewer

NOTICE = (
    "SANDBOX: every provider is simulated on this machine. Nothing leaves it, nobody receives "
    "anything."
)
#: Shared by all processes of a sandbox. It protects nothing, since no message is delivered.
_RECEIPT_SECRET = "sandbox-of-utskick"  # noqa: S105
_REPORT_PATH = "/receipts/sms/link/" + _RECEIPT_SECRET


class SandboxServer:
    """All simulators, their ledger and the viewer."""

    def __init__(self, addresses: SandboxAddresses) -> None:
        # Its library comes with `utskick[sandbox]`: a production installation does not have it.
        from utskick.sandbox.smtp_server import MailServer

        self._requested = addresses
        self.ledger = Ledger()
        self.faults = Faults()
        self._sms_gateways = SmsGateways(
            self.ledger, self.faults, ReportSettings(link=addresses.api_url + _REPORT_PATH)
        )
        self._mail_server = MailServer(self.ledger, self.faults, addresses.folder)
        self._digital_mail = DigitalMailSimulator(self.ledger, self.faults, addresses)
        self._print_house = PrintHouseSimulator(self.ledger, self.faults, addresses)
        kinds: tuple[
            type[GraphSimulator | KivraSimulator | OpenESimulator | SlackSimulator | PushSimulator],
            ...,
        ] = (GraphSimulator, KivraSimulator, OpenESimulator, SlackSimulator, PushSimulator)
        self._simulators: tuple[Simulator, ...] = (
            self._digital_mail,
            self._print_house,
            *(kind(self.ledger, self.faults, addresses) for kind in kinds),
        )
        self._runner: web.AppRunner | None = None
        self._port = addresses.http_port

    @property
    def addresses(self) -> SandboxAddresses:
        """Return the addresses with the actual ports where 0 was requested."""
        return replace(
            self._requested,
            http_port=self._port,
            smtp_port=self._mail_server.port,
            https_port=self._digital_mail.port,
            sftp_port=self._print_house.port,
        )

    @property
    def viewer_url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        summary = LedgerSummary(self.ledger)
        viewer = Viewer(
            self.ledger,
            self.faults,
            summary,
            Batches(self._print_house.inbox, self._print_house.refused),
        )
        app = web.Application(middlewares=[viewer.missing], client_max_size=100 * 1_048_576)
        for routes in (
            self._sms_gateways.routes(),
            LedgerApi(self.ledger, self.faults, summary).routes(),
            viewer.routes(),
        ):
            app.add_routes(routes)
        for simulator in self._simulators:
            app.add_routes(simulator.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, HOST, self._requested.http_port, backlog=1024)
            await site.start()
            self._port = self._runner.addresses[0][1]
            self._requested.folder.mkdir(parents=True, exist_ok=True)
            await self._mail_server.start(HOST, self._requested.smtp_port)
            for simulator in self._simulators:
                await simulator.start()
        except OSError as fault:
            await self.close()
            raise SettingsFault(
                f"the sandbox cannot listen: {fault.strerror or fault}; see sandbox.http_port, "
                "smtp_port, https_port and sftp_port"
            ) from fault

    async def close(self) -> None:
        await self._sms_gateways.close()
        for simulator in self._simulators:
            await simulator.close()
        await self._mail_server.close()
        if self._runner is not None:
            await self._runner.cleanup()


def create_files(addresses: SandboxAddresses) -> None:
    """Create the files named in the settings, for a worker that starts before the sandbox."""
    digital_mail.create_files(addresses)
    print_house.create_files(addresses)


def sections(addresses: SandboxAddresses) -> dict[str, dict[str, Any]]:
    """Return the settings of all channels for a sandbox at these addresses."""
    return {
        "sms": _sms(addresses),
        "email": _email(addresses),
        "digital_mail": digital_mail.section(addresses),
        "digital_invoice": kivra.section(addresses),
        "snail_mail": print_house.section(addresses),
        "web_message": open_e.section(addresses),
        "slack": slack.section(addresses),
        "push": push.section(addresses),
    }


def _sms(addresses: SandboxAddresses) -> dict[str, Any]:
    base = f"http://{HOST}:{addresses.http_port}"
    login = {"username": "user", "password": "secret"}
    limits = {"connect_timeout": 2, "read_timeout": 3, "concurrency": 50}
    accounts: dict[str, Any] = {
        "link": {
            "provider": "link",
            "url": f"{base}/link",
            "priority": 1,
            "platform_id": "SMSC",
            "partner_id": "12345",
            "receipt_secret": _RECEIPT_SECRET,
            **login,
            **limits,
        },
        "telia": {
            "provider": "telia",
            "url": f"{base}/telia",
            "token_url": f"{base}/telia/oauth2/token",
            "priority": 2,
            "client_id": "user",
            "client_secret": "secret",
            **limits,
        },
        "46elks": {
            "provider": "46elks",
            "url": f"{base}/46elks",
            "priority": 3,
            "receipt_secret": _RECEIPT_SECRET,
            **login,
            **limits,
        },
    }
    return {"sender": "Utskick", "public_url": addresses.api_url, "accounts": accounts}


def _email(addresses: SandboxAddresses) -> dict[str, Any]:
    smtp = {
        "provider": "smtp",
        "host": HOST,
        "port": addresses.smtp_port,
        "ca_file": str(addresses.folder / "mailbox-ca.pem"),
        "username": "sandbox",
        "password": "sandbox",
        "concurrency": 16,
        "connect_timeout": 2,
        "read_timeout": 3,
    }
    return {
        "sender": {"name": "Utskick", "address": "noreply@utskick.example"},
        "accounts": {"sandbox": smtp, "graph": {**graph.account(addresses), "priority": 2}},
    }
