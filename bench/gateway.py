"""Simulated SMS gateway, mail server, letter providers or a whole sandbox as a separate process."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import uvloop
from aiohttp import web

from utskick.bootstrap import stop_wanted
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.digital_mail import server as digital_mail
from utskick.sandbox.digital_mail.server import DigitalMailSimulator
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.print_house import server as print_house
from utskick.sandbox.print_house.server import PrintHouseSimulator
from utskick.sandbox.server import SandboxServer, sections
from utskick.sandbox.sms_gateways.dialects import ReportSettings
from utskick.sandbox.sms_gateways.server import SmsGateways
from utskick.sandbox.smtp_server import MailServer


async def main() -> None:
    ledger, faults = Ledger(), Faults()
    for rule in json.loads(os.environ.get("BENCH_FAULTS", "[]")):
        faults.add(
            FaultRule(
                ProviderFault(rule["fault"]),
                rule["provider"],
                rule["recipient"],
                rule.get("times"),
                rule.get("seconds", 60.0),
            )
        )
    if "smtp" in sys.argv:
        server = MailServer(ledger, faults, Path(tempfile.mkdtemp(prefix="utskick-bench.")))
        await server.start()
        print(json.dumps({"port": server.port}), flush=True)
        await stop_wanted()
        await server.close()
        return
    if "sandbox" in sys.argv:
        await _sandbox(Path(sys.argv[-1]), faults)
        return
    if "mail" in sys.argv:
        await _mail(Path(sys.argv[-1]), ledger, faults)
        return
    gateways = SmsGateways(ledger, faults, ReportSettings())
    application = web.Application()
    application.add_routes(gateways.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await stop_wanted()
    await gateways.close()
    await runner.cleanup()


async def _sandbox(folder: Path, faults: Faults) -> None:
    """Serve every provider on free ports."""
    sandbox = SandboxServer(SandboxAddresses(0, 0, folder, "http://127.0.0.1:9"))
    sandbox.faults.rules.extend(faults.rules)
    await sandbox.start()
    ready = {"sections": sections(sandbox.addresses), "url": sandbox.viewer_url}
    print(json.dumps(ready), flush=True)
    await stop_wanted()
    await sandbox.close()


async def _mail(folder: Path, ledger: Ledger, faults: Faults) -> None:
    """Serve mailbox operators and the print house."""
    folder.mkdir(parents=True, exist_ok=True)
    requested = SandboxAddresses(0, 0, folder, "http://127.0.0.1:9")
    operators, printer = (
        DigitalMailSimulator(ledger, faults, requested),
        PrintHouseSimulator(ledger, faults, requested),
    )
    await operators.start()
    await printer.start()
    addresses = replace(requested, https_port=operators.port, sftp_port=printer.port)
    print(
        json.dumps(
            {
                "sections": {
                    "digital_mail": digital_mail.section(addresses),
                    "snail_mail": print_house.section(addresses),
                }
            }
        ),
        flush=True,
    )
    await stop_wanted()
    await printer.close()
    await operators.close()


if __name__ == "__main__":
    uvloop.run(main())
