"""``utskick batch``: the same message to everybody on a list. Repeated after an interruption, it
sends nothing twice."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from utskick.cli import console as screen
from utskick.cli import csv_file as sheet
from utskick.cli import preview
from utskick.cli.client import ServiceTarget, reaching
from utskick.cli.mailing import Mailing, hand_in
from utskick.cli.options import Address, Column, DryRun, High, Key, Municipality, Yes, target_of
from utskick.cli.payloads import EmailContent, MessageContent, SmsContent, read_file, sender_of
from utskick.cli.progress import Watched, watch
from utskick.cli.recipients_csv import EMAIL, SMS, ListKind, listing_of
from utskick.domain.errors import Unreadable
from utskick.domain.status import Status
from utskick_client import BatchResult

batch = typer.Typer(
    no_args_is_help=True, help="Send the same message to everybody on a list (CSV)."
)

List = Annotated[
    Path, typer.Argument(help="CSV with a row for each recipient.", metavar="FILE.csv")
]
RejectedFile = Annotated[
    Path | None, typer.Option("--rejected", help="Write the rejected rows to this file.")
]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a mailing is to be carried out."""

    target: ServiceTarget
    file: Path
    columns: list[str]
    rejected: Path | None
    dry_run: bool
    yes: bool
    key: str | None


@batch.command()
def sms(
    file: List,
    message: Annotated[str, typer.Option(help="The text.")],
    sender: Annotated[str | None, typer.Option(help="Name on the phone, 3-11 characters.")] = None,
    column: Column = None,
    rejected: RejectedFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = None,
    high: High = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send an SMS to everybody on a list."""
    order = BatchOptions(
        target_of(url, municipality), file, column or [], rejected, dry_run, yes, key
    )
    _carry_out(order, SMS, SmsContent(message, sender, high))


@batch.command()
def email(
    file: List,
    subject: Annotated[str, typer.Option(help="The subject.")],
    message: Annotated[str, typer.Option(help="The plain text.")],
    html: Annotated[Path | None, typer.Option(help="File with the same as HTML.")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="File to attach; may be repeated.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Address that it is from.")] = None,
    sender_name: Annotated[str | None, typer.Option(help="Name beside that address.")] = None,
    column: Column = None,
    rejected: RejectedFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = None,
    high: High = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send an e-mail to everybody on a list."""
    order = BatchOptions(
        target_of(url, municipality), file, column or [], rejected, dry_run, yes, key
    )
    page = read_file(html).data if html else None
    files = tuple(read_file(path) for path in attach or ())
    _carry_out(
        order,
        EMAIL,
        EmailContent(subject, message, page, files, sender_of(sender, sender_name), high),
    )


def _carry_out(order: BatchOptions, kind: ListKind, content: MessageContent) -> None:
    rows = sheet.read(read_file(order.file).data)
    listing = listing_of(rows, kind, order.columns)
    mailing = Mailing(kind, content, listing.recipients, order.key)
    preview.show(rows, listing, mailing, screen.console)
    if order.rejected is not None:
        preview.write_rejected(order.rejected, listing)
    if order.dry_run:
        screen.say("Dry run: nothing was sent.")
        return
    if not listing.recipients:
        raise Unreadable("there is nobody to send to")
    if not order.yes:
        _confirm(len(listing.recipients))
    sending = _RunningMailing(order.target)
    try:
        asyncio.run(sending.post(mailing))
    except KeyboardInterrupt:
        sending.leave(mailing)


def _confirm(number: int) -> None:
    if not sys.stdin.isatty():
        raise Unreadable("nobody is there to ask: add --yes to send, or --dry-run to look")
    typer.confirm(f"Send to {number} recipients?", abort=True)


@dataclass
class _RunningMailing:
    """A mailing on its way: what has been accepted so far, in case somebody leaves before the
    end."""

    target: ServiceTarget
    posted: list[BatchResult] = field(default_factory=list)

    async def post(self, mailing: Mailing) -> None:
        async with reaching(self.target) as client:
            for number, posting in enumerate(mailing.postings(), 1):
                label = f"batch {number}/{mailing.batches}" if mailing.batches > 1 else "batch"
                self.posted.append(await hand_in(client, posting))
                self._tell(label)
            labelled = [
                Watched(f"batch {n}", posted.batch_id) for n, posted in enumerate(self.posted, 1)
            ]
            counts = await watch(client, labelled, screen.console)
        total = {status.value: sum(found.get(status, 0) for found in counts) for status in Status}
        screen.console.print(screen.of_counts(total))

    def _tell(self, label: str) -> None:
        posted = self.posted[-1]
        if posted.replayed:
            screen.say(
                f"{label} {posted.batch_id} had been accepted before: nothing is sent twice. To send it once more, add --key."
            )
        else:
            screen.say(f"{label} {posted.batch_id} accepted")
        if posted.duplicates:
            screen.say(f"  {posted.duplicates} more duplicates were found by the service")

    def leave(self, mailing: Mailing) -> None:
        """Ctrl-C stops the watching, not the sending."""
        for posted in self.posted:
            screen.say(
                f"Utskick goes on sending. Watch on with: utskick status {posted.batch_id} --watch"
            )
        if len(self.posted) < mailing.batches:
            screen.say(
                "Not all batches are known to be accepted: the same command sends the rest, and nothing twice."
            )
        raise typer.Exit(130)
