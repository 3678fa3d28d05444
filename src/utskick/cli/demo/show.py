"""The demo from beginning to end: start, send, watch, compare, stop."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from utskick.cli.client import Target, reaching
from utskick.cli.demo import child, mailings, programme, reading, report
from utskick.cli.demo.ledgers import Asked, Comparison, compare
from utskick.cli.demo.programme import Sent
from utskick.cli.progress import Pace, Watched, watch
from utskick.cli.recipients import SMS
from utskick.cli.screen import console, say
from utskick_client import AsyncUtskickClient, DeliveryResult, Patience

_MUNICIPALITY: Final = "2281"
#: A report comes at most 3 s late; what is sent after that stays so, because its gateway gives none.
_PACE: Final = Pace(calm=3.5, longest=45)
_PATIENCE: Final = Patience(absence=5)


def run(*, keep: bool, letters: Path | None = None) -> int:
    """Exit status: 0 when the ledgers agree, 1 when not, 130 after Ctrl-C."""
    try:
        return asyncio.run(_run(keep=keep, letters=letters))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("Stopped; the service of the demo has been ended.")
        return 130


async def _run(*, keep: bool, letters: Path | None) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        place = stack.enter_context(child.folder(keep=keep))
        began = time.monotonic()
        with console.status("Starting `utskick serve` with a database of its own …"):
            addresses = await stack.enter_async_context(child.serving(place))
        stack.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave the service behind
        say(f"Up after {time.monotonic() - began:.1f} s: API {addresses.api}, what citizens receive {addresses.viewer}")
        say("[yellow]SANDBOX: nothing leaves this machine. Some recipients misbehave on purpose; see docs/sandbox.md.[/]")
        client = await stack.enter_async_context(reaching(Target(addresses.api, _MUNICIPALITY), _PATIENCE))
        found = await _play(client, addresses)
        if letters is not None:
            _put_letters(place / "data" / "sandbox" / "print_house" / "inbox", letters)
        say(f"{time.monotonic() - began:.0f} s in all.")
        if keep:
            _tell_kept(place)
        return 0 if found.agree else 1


async def _play(client: AsyncUtskickClient, addresses: child.Addresses) -> Comparison:
    with console.status("Sending by every channel …"):
        sent = await programme.send(client)
        others = await mailings.send(client, addresses.viewer)
    await watch(client, [*(Watched(one.label, one.batch_id) for one in sent), *_watched(others)], console, _PACE)
    asked = [entry for one in sent for entry in one.asked]
    with console.status("Asking both ledgers …"):
        asked += [entry for one in others for entry in await one.asked(client)]
        told = await reading.deliveries(client, asked)
        copies = await reading.copies(addresses.viewer)
    found = compare(asked, told, copies)
    channels = _channels(asked, told)
    console.print(report.of_channels(channels))
    console.print(report.of_comparison(found, len(copies)))
    report.show_faults(found, console)
    say(report.of_doubts(channels, addresses.api))
    await _show_conversation(client, sent)
    say("[bold green]The ledgers agree.[/]" if found.agree else "[bold red]The ledgers do not agree.[/]")
    return found


def _watched(others: list[mailings.Mailing]) -> list[Watched]:
    """A bar for each kind, not for each invoice."""
    together: dict[str, list[str]] = {}
    for one in others:
        together.setdefault(one.label, []).append(one.batch_id)
    return [Watched(label, tuple(batches)) for label, batches in together.items()]


def _channels(asked: list[Asked], told: dict[str, DeliveryResult]) -> list[report.Channel]:
    rows: dict[str, list[DeliveryResult]] = {}
    for entry in asked:
        rows.setdefault(entry.row or entry.channel, []).append(told[entry.delivery_id])
    return [report.Channel(name.replace("_", " "), tuple(deliveries)) for name, deliveries in rows.items()]


async def _show_conversation(client: AsyncUtskickClient, sent: list[Sent]) -> None:
    party = programme.recipients(SMS)[0].party_id
    assert party is not None
    entries = await client.conversation_history(party)
    console.print(report.of_conversation(entries, [entry for one in sent for entry in one.asked]))


def _put_letters(inbox: Path, letters: Path) -> None:
    """What the printing house got, in place of what an earlier demo left there."""
    batches = [found for found in sorted(inbox.iterdir()) if not found.name.startswith(".")] if inbox.is_dir() else []
    shutil.rmtree(letters, ignore_errors=True)
    for batch in batches:
        shutil.copytree(batch, letters / batch.name)
    pages = sum(1 for _ in letters.rglob("*.pdf"))
    say(f"What the printing house got: {pages} PDFs with their lists and check sums, in {letters}")


def _tell_kept(place: Path) -> None:
    say(f"Kept: {place}. Serve it again with: UTSKICK_DATA__FOLDER={place / 'data'} utskick serve")
