"""The demo from beginning to end: start, send, watch, compare, stop."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote as quote_word
from typing import Final
from urllib.parse import quote

from utskick.auth import sandbox_client as kept_client
from utskick.cli import credentials
from utskick.cli.client import ServiceTarget, reaching
from utskick.cli.console import console, say
from utskick.cli.demo import ledger_readers as reading
from utskick.cli.demo import mailings, report
from utskick.cli.demo import samples as programme
from utskick.cli.demo import server_process as child
from utskick.cli.demo.ledgers import Comparison, RequestedDelivery, compare
from utskick.cli.demo.samples import AcceptedBatch
from utskick.cli.progress import Pace, Watched, watch
from utskick.cli.recipients_csv import SMS
from utskick_client import AsyncUtskickClient, DeliveryResult, Patience

_MUNICIPALITY: Final = "2281"
#: A report comes at most 3 s late; what is sent after that stays so, because its gateway gives
#: none.
_PACE: Final = Pace(calm=3.5, longest=45)
_PATIENCE: Final = Patience(absence=5)


def run(*, kept: Path | None = None, letters: Path | None = None) -> int:
    """Exit status: 0 when the ledgers agree, 1 when not, 130 after Ctrl-C."""
    try:
        return asyncio.run(_run(kept, letters))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("Stopped; the service of the demo has been ended.")
        return 130


async def _run(kept: Path | None, letters: Path | None) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        place = stack.enter_context(child.folder(kept))
        began = time.monotonic()
        with console.status("Starting `utskick serve` with a database of its own …"):
            addresses = await stack.enter_async_context(child.serving(place))
        stack.callback(
            signal.signal, signal.SIGINT, signal.SIG_IGN
        )  # a second Ctrl-C must not leave the service behind
        say(
            f"Up after {time.monotonic() - began:.1f} s: API {addresses.api}, what citizens receive {addresses.viewer}"
        )
        say(
            "[yellow]SANDBOX: nothing leaves this machine. Some recipients misbehave on purpose; see docs/reference/sandbox.md.[/]"
        )
        token = credentials.of_sandbox(addresses.api, place / "data")
        client = await stack.enter_async_context(
            reaching(ServiceTarget(addresses.api, _MUNICIPALITY, token), _PATIENCE)
        )
        found = await _play(client, addresses)
        if letters is not None:
            _put_letters(place / "data" / "sandbox" / "print_house" / "inbox", letters)
        say(f"{time.monotonic() - began:.0f} s in all.")
        if kept is not None:
            await _tell_kept(client, kept)
        return 0 if found.agree else 1


async def _play(client: AsyncUtskickClient, addresses: child.ServerUrls) -> Comparison:
    with console.status("Sending by every channel …"):
        sent = await programme.send(client)
        others = await mailings.send(client, addresses.viewer)
    await watch(
        client,
        [*(Watched(one.label, one.batch_id) for one in sent), *_watched(others)],
        console,
        _PACE,
    )
    asked = [entry for one in sent for entry in one.asked]
    with console.status("Asking both ledgers …"):
        asked += [entry for one in others for entry in await one.asked(client)]
        told = await reading.deliveries(client, asked)
        copies = await reading.copies(addresses.viewer)
        downloads = await reading.downloads(client, asked, told)
    found = compare(asked, told, copies)
    found.spoilt.extend(downloads.spoilt)
    channels = _channels(asked, told)
    console.print(report.of_channels(channels))
    console.print(report.of_statistics(await client.statistics()))
    console.print(report.of_comparison(found, len(copies), downloads.number))
    report.show_faults(found, console)
    say(report.of_doubts(channels, addresses.api))
    await _show_conversation(client, sent)
    say(
        "[bold green]The ledgers agree.[/]"
        if found.agree
        else "[bold red]The ledgers do not agree.[/]"
    )
    return found


def _watched(others: list[mailings.DemoMailing]) -> list[Watched]:
    """A bar for each kind, not for each invoice."""
    together: dict[str, list[str]] = {}
    for one in others:
        together.setdefault(one.label, []).append(one.batch_id)
    return [Watched(label, tuple(batches)) for label, batches in together.items()]


def _channels(
    asked: list[RequestedDelivery], told: dict[str, DeliveryResult]
) -> list[report.ChannelResult]:
    rows: dict[str, list[DeliveryResult]] = {}
    for entry in asked:
        rows.setdefault(entry.row or entry.channel, []).append(told[entry.delivery_id])
    return [
        report.ChannelResult(name.replace("_", " "), tuple(deliveries))
        for name, deliveries in rows.items()
    ]


async def _show_conversation(client: AsyncUtskickClient, sent: list[AcceptedBatch]) -> None:
    party = programme.recipients(SMS)[0].party_id
    assert party is not None
    entries = await client.conversation_history(party)
    console.print(report.of_conversation(entries, [entry for one in sent for entry in one.asked]))


def _put_letters(inbox: Path, letters: Path) -> None:
    """What the printing house got, in place of what an earlier demo left there."""
    batches = (
        [found for found in sorted(inbox.iterdir()) if not found.name.startswith(".")]
        if inbox.is_dir()
        else []
    )
    shutil.rmtree(letters, ignore_errors=True)
    for batch in batches:
        shutil.copytree(batch, letters / batch.name)
    pages = sum(1 for _ in letters.rglob("*.pdf"))
    say(f"What the printing house got: {pages} PDFs with their lists and check sums, in {letters}")


async def _tell_kept(client: AsyncUtskickClient, kept: Path) -> None:
    """How to look on: what was sent is in the folder, and the API answers for it."""
    party = programme.recipients(SMS)[0].party_id
    mail = next(
        entry
        for entry in await client.conversation_history(party or "")
        if entry.content.get("attachments")
    )
    name = quote(mail.content["attachments"][0]["name"])
    service, file = "http://127.0.0.1:8080", quote_word(_short(kept / "data" / kept_client.FILE))
    of = f"{service}/{_MUNICIPALITY}"
    lines = [
        "Everything is kept. To look on, serve it again, and ask from another terminal:",
        f"  UTSKICK_DATA__FOLDER={_short(kept / 'data')} {_short(Path(sys.argv[0]))} serve",
        f"""  TOKEN=$(curl -sK {file} {service}/oauth2/token -d grant_type=client_credentials | cut -d'"' -f4)""",
        '  AUTH="Authorization: Bearer $TOKEN"',
        f'  curl -H "$AUTH" {of}/statistics',
        f'  curl -H "$AUTH" {of}/conversation-history/{party}',
        f'  curl -H "$AUTH" {of}/messages/{mail.message_id}/metadata',
        f"  curl -H \"$AUTH\" -OJ '{of}/messages/{mail.message_id}/attachments?fileName={name}'",
        f"  curl -H \"$AUTH\" '{of}/events?limit=3'",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _short(path: Path) -> str:
    """As it is written from here, where that is shorter."""
    here = Path.cwd()
    return (
        str(path.absolute().relative_to(here))
        if path.absolute().is_relative_to(here)
        else str(path)
    )
