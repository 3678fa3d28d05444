"""Sequence of the demo: start, send, watch, compare, stop."""

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

from utskick.auth import sandbox_client
from utskick.cli.client import ServiceTarget, open_client, sandbox_credentials
from utskick.cli.console import print_line, stdout
from utskick.cli.demo import ledger_readers, mailings, report, samples, server_process
from utskick.cli.demo.ledgers import Comparison, RequestedDelivery, compare
from utskick.cli.demo.samples import AcceptedBatch
from utskick.cli.progress import Watched, WatchLimits, watch
from utskick.cli.recipients_csv import SMS
from utskick_client import AsyncUtskickClient, DeliveryResult, RetryPolicy

_MUNICIPALITY: Final = "2281"
#: Delivery reports are at most 3 s late; a gateway without reports never confirms.
_LIMITS: Final = WatchLimits(quiet=3.5, timeout=45)
_RETRY_POLICY: Final = RetryPolicy(max_outage=5)


def run(*, keep: Path | None = None, letters: Path | None = None) -> int:
    """Run the demo; return 0 if the ledgers agree, 1 if not, 130 after Ctrl-C."""
    try:
        return asyncio.run(_run(keep, letters))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print_line("Stopped; the service of the demo has been terminated.")
        return 130


async def _run(keep: Path | None, letters: Path | None) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(server_process.folder(keep))
        began = time.monotonic()
        with stdout.status("Starting `utskick serve` with a database of its own …"):
            addresses = await stack.enter_async_context(server_process.serving(folder))
        stack.callback(
            signal.signal,
            signal.SIGINT,
            signal.SIG_IGN,
            # A second Ctrl-C must not leave the service running.
        )
        print_line(
            f"Up after {time.monotonic() - began:.1f} s: API {addresses.api}, what citizens "
            f"receive {addresses.viewer}"
        )
        print_line(
            "[yellow]SANDBOX: nothing leaves this machine. Some recipients simulate "
            "faults; see docs/reference/sandbox.md.[/]"
        )
        token = sandbox_credentials(addresses.api, folder / "data")
        client = await stack.enter_async_context(
            open_client(ServiceTarget(addresses.api, _MUNICIPALITY, token), _RETRY_POLICY)
        )
        result = await _send_and_compare(client, addresses)
        if letters is not None:
            _copy_letters(folder / "data" / "sandbox" / "print_house" / "inbox", letters)
        print_line(f"{time.monotonic() - began:.0f} s in total.")
        if keep is not None:
            await _print_next_steps(client, keep)
        return 0 if result.agree else 1


async def _send_and_compare(
    client: AsyncUtskickClient, addresses: server_process.ServerUrls
) -> Comparison:
    with stdout.status("Sending by every channel …"):
        sent = await samples.send(client)
        others = await mailings.send(client, addresses.viewer)
    await watch(
        client,
        [*(Watched(batch.label, batch.batch_id) for batch in sent), *_watched(others)],
        stdout,
        _LIMITS,
    )
    requested = [entry for batch in sent for entry in batch.requested]
    with stdout.status("Reading both ledgers …"):
        requested += [entry for mailing in others for entry in await mailing.requested(client)]
        reports = await ledger_readers.deliveries(client, requested)
        copies = await ledger_readers.copies(addresses.viewer)
        downloads = await ledger_readers.downloads(client, requested, reports)
    result = compare(requested, reports, copies)
    result.damaged.extend(downloads.damaged)
    channels = _channels(requested, reports)
    stdout.print(report.channel_table(channels))
    stdout.print(report.statistics_table(await client.statistics()))
    stdout.print(report.comparison_table(result, len(copies), downloads.number))
    report.show_faults(result, stdout)
    print_line(report.uncertain_text(channels, addresses.api))
    await _show_conversation(client, sent)
    print_line(
        "[bold green]The ledgers agree.[/]"
        if result.agree
        else "[bold red]The ledgers do not agree.[/]"
    )
    return result


def _watched(others: list[mailings.DemoMailing]) -> list[Watched]:
    """Return one progress bar per kind of message."""
    batches_by_label: dict[str, list[str]] = {}
    for mailing in others:
        batches_by_label.setdefault(mailing.label, []).append(mailing.batch_id)
    return [Watched(label, tuple(batches)) for label, batches in batches_by_label.items()]


def _channels(
    requested: list[RequestedDelivery], reports: dict[str, DeliveryResult]
) -> list[report.ChannelResult]:
    rows: dict[str, list[DeliveryResult]] = {}
    for entry in requested:
        rows.setdefault(entry.row or entry.channel, []).append(reports[entry.delivery_id])
    return [
        report.ChannelResult(name.replace("_", " "), tuple(deliveries))
        for name, deliveries in rows.items()
    ]


async def _show_conversation(client: AsyncUtskickClient, sent: list[AcceptedBatch]) -> None:
    party = samples.recipients(SMS)[0].party_id
    assert party is not None
    entries = await client.conversation_history(party)
    stdout.print(
        report.conversation_panel(entries, [entry for batch in sent for entry in batch.requested])
    )


def _copy_letters(inbox: Path, letters: Path) -> None:
    """Copy the files that the print house received, replacing those of an earlier demo."""
    batches = (
        [result for result in sorted(inbox.iterdir()) if not result.name.startswith(".")]
        if inbox.is_dir()
        else []
    )
    shutil.rmtree(letters, ignore_errors=True)
    for batch in batches:
        shutil.copytree(batch, letters / batch.name)
    pages = sum(1 for _ in letters.rglob("*.pdf"))
    print_line(f"The print house received {pages} PDFs with their lists and checksums: {letters}")


async def _print_next_steps(client: AsyncUtskickClient, keep: Path) -> None:
    """Print commands to examine the stored data with a service."""
    party = samples.recipients(SMS)[0].party_id
    mail = next(
        entry
        for entry in await client.conversation_history(party or "")
        if entry.content.get("attachments")
    )
    name = quote(mail.content["attachments"][0]["name"])
    service, file = "http://127.0.0.1:8080", quote_word(_short(keep / "data" / sandbox_client.FILE))
    of = f"{service}/{_MUNICIPALITY}"
    lines = [
        "The data is kept. To examine it, start the service and run from another terminal:",
        f"  UTSKICK_DATA__FOLDER={_short(keep / 'data')} {_short(Path(sys.argv[0]))} serve",
        f"  TOKEN=$(curl -sK {file} {service}/oauth2/token"
        """ -d grant_type=client_credentials | cut -d'"' -f4)""",
        '  AUTH="Authorization: Bearer $TOKEN"',
        f'  curl -H "$AUTH" {of}/statistics',
        f'  curl -H "$AUTH" {of}/conversation-history/{party}',
        f'  curl -H "$AUTH" {of}/messages/{mail.message_id}/metadata',
        f"  curl -H \"$AUTH\" -OJ '{of}/messages/{mail.message_id}/attachments?fileName={name}'",
        f"  curl -H \"$AUTH\" '{of}/events?limit=3'",
    ]
    stdout.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _short(path: Path) -> str:
    """Return the path relative to the working directory, if it lies below it."""
    here = Path.cwd()
    return (
        str(path.absolute().relative_to(here))
        if path.absolute().is_relative_to(here)
        else str(path)
    )
