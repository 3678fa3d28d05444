"""``utskick batch``: send the same message to all recipients in a CSV file.

A command that is repeated after an interruption sends nothing twice.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from utskick.cli import checked, console, csv_file, preview
from utskick.cli.client import ServiceTarget, open_client
from utskick.cli.mailing import Mailing, post
from utskick.cli.options import (
    EXIT_STATUS,
    Address,
    Column,
    DryRun,
    High,
    Key,
    Message,
    MessageFile,
    Municipality,
    Yes,
    target_of,
)
from utskick.cli.payloads import (
    EmailContent,
    MessageContent,
    SmsContent,
    message_of,
    read_file,
    sender_of,
)
from utskick.cli.progress import Watched, watch
from utskick.cli.recipients_csv import EMAIL, SMS, ListKind, parse_recipients
from utskick.cli.status import NOT_SENT, reasons_of
from utskick.domain.characters import composed
from utskick.domain.errors import Unreadable
from utskick.domain.status import Status
from utskick_client import AsyncUtskickClient, BatchResult

batch = typer.Typer(
    no_args_is_help=True, help="Send the same message to all recipients in a CSV file."
)

List = Annotated[
    Path, typer.Argument(help="CSV file with one row per recipient.", metavar="FILE.csv")
]
RejectedFile = Annotated[
    Path | None,
    typer.Option("--rejected", help="Write the rejected rows with their reasons to this CSV file."),
]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options of a batch command, whatever its channel."""

    target: ServiceTarget
    file: Path
    columns: list[str]
    rejected: Path | None
    dry_run: bool
    yes: bool
    key: str | None


@batch.command(epilog=EXIT_STATUS)
def sms(
    file: List,
    message: Message = None,
    message_file: MessageFile = None,
    sender: Annotated[
        str | None, typer.Option(help="Sender name shown on the phone, 3-11 characters.")
    ] = None,
    column: Column = None,
    rejected: RejectedFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = None,
    high: High = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send an SMS to every recipient in a CSV file.

    Example: utskick batch sms list.csv --message "No water tomorrow." --dry-run
    """
    options = BatchOptions(
        target_of(url, municipality), file, column or [], rejected, dry_run, yes, key
    )
    _carry_out(options, SMS, SmsContent(message_of(message, message_file), sender, high))


@batch.command(epilog=EXIT_STATUS)
def email(
    file: List,
    subject: Annotated[str, typer.Option(help="Subject line.")],
    message: Message = None,
    message_file: MessageFile = None,
    html: Annotated[
        Path | None, typer.Option(help="File with the HTML version of the message.")
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="File to attach. May be repeated.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Sender address.")] = None,
    sender_name: Annotated[str | None, typer.Option(help="Sender name; requires --sender.")] = None,
    column: Column = None,
    rejected: RejectedFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = None,
    high: High = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send an e-mail to every recipient in a CSV file.

    Example: utskick batch email list.csv --subject Hello --message "Welcome." --dry-run
    """
    options = BatchOptions(
        target_of(url, municipality), file, column or [], rejected, dry_run, yes, key
    )
    page = read_file(html).data if html else None
    files = tuple(read_file(path) for path in attach or ())
    text, by = message_of(message, message_file), sender_of(sender, sender_name)
    _carry_out(options, EMAIL, EmailContent(composed(subject), text, page, files, by, high))


def _carry_out(options: BatchOptions, kind: ListKind, content: MessageContent) -> None:
    csv_rows = csv_file.read(read_file(options.file).data)
    recipients = parse_recipients(csv_rows, kind, options.columns)
    mailing = Mailing(kind, content, recipients.valid, options.key)
    preview.show(csv_rows, recipients, mailing)
    if options.rejected is not None:
        preview.write_rejected(options.rejected, recipients)
    faults = checked.faults(mailing) if options.dry_run else []
    if not recipients.valid:
        faults.append("the list has no valid recipients")
    if faults:
        raise Unreadable("; ".join(faults))
    if options.dry_run:
        console.print_line("Dry run: nothing was sent.")
        return
    if not options.yes:
        _confirm(len(recipients.valid))
    sending = _RunningMailing(options.target)
    try:
        sent = asyncio.run(sending.post(mailing))
    except KeyboardInterrupt:
        sending.interrupted(mailing)
    else:
        if not sent:
            raise typer.Exit(1)


def _confirm(number: int) -> None:
    if not sys.stdin.isatty():
        raise Unreadable(
            "confirmation needs a terminal: add --yes to send, or --dry-run for a preview"
        )
    console.confirmed(f"Send to {number} recipients?")


@dataclass
class _RunningMailing:
    """Mailing in progress: the batches accepted so far, in case the user interrupts."""

    target: ServiceTarget
    posted: list[BatchResult] = field(default_factory=list)

    async def post(self, mailing: Mailing) -> bool:
        """Post and watch the batches; return whether nothing has failed."""
        async with open_client(self.target) as client:
            for number, request in enumerate(mailing.requests(), 1):
                label = f"batch {number}/{mailing.batches}" if mailing.batches > 1 else "batch"
                self.posted.append(await post(client, request))
                self._report(label)
            labelled = [
                Watched(f"batch {n}", posted.batch_id) for n, posted in enumerate(self.posted, 1)
            ]
            counts = await watch(client, labelled, console.stdout)
            total = {status.value: sum(each.get(status, 0) for each in counts) for status in Status}
            console.stdout.print(console.count_table(total))
            failed = sum(total[status] for status in NOT_SENT)
            if failed:
                await self._report_failed(client, failed, sum(total.values()))
        return not failed

    async def _report_failed(self, client: AsyncUtskickClient, failed: int, total: int) -> None:
        """Say why deliveries failed, and what to do."""
        for posted in self.posted:
            if table := await reasons_of(client, posted.batch_id):
                console.stdout.print(table)
        console.print_line(
            f"{failed} of {total} were not sent. Correct what the reasons name, and send to these "
            "recipients alone with another --key; do not send to the others again."
        )
        for posted in self.posted:
            console.print_line(f"To see them again: utskick status {posted.batch_id}")

    def _report(self, label: str) -> None:
        posted = self.posted[-1]
        if posted.replayed:
            console.print_line(
                f"{label} {posted.batch_id} had already been accepted, and nothing was sent "
                "again. To send it once more, add --key."
            )
        else:
            console.print_line(f"{label} {posted.batch_id} accepted")
        if posted.duplicates:
            console.print_line(f"  {posted.duplicates} more duplicates were removed by the service")

    def interrupted(self, mailing: Mailing) -> None:
        """Report the accepted batches and exit: Ctrl-C ends the watching, not the sending."""
        for posted in self.posted:
            console.print_line(
                f"Utskick continues to send. To watch it: utskick status {posted.batch_id} --watch"
            )
        if len(self.posted) < mailing.batches:
            console.print_line(
                "Some batches may not have been accepted. Repeat the command to send the rest; "
                "nothing is sent twice."
            )
        raise typer.Exit(130)
