"""The sandbox's SMS gateway or mail server in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import uvloop
from aiohttp import web

from utskick.app import stop_wanted
from utskick.sandbox.faults import Faults
from utskick.sandbox.gateways import Gateways, ReportTo
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.mailbox import MailServer


async def main() -> None:
    ledger, faults = Ledger(), Faults()
    if "smtp" in sys.argv:
        server = MailServer(ledger, faults, Path(tempfile.mkdtemp(prefix="utskick-bench.")))
        await server.start()
        print(json.dumps({"port": server.port}), flush=True)
        await stop_wanted()
        await server.close()
        return
    gateways = Gateways(ledger, faults, ReportTo())
    application = web.Application()
    application.add_routes(gateways.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await stop_wanted()
    await gateways.close()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
