"""What a mailing comes to, before anything is sent: recipients, rejected rows, segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from utskick.channels.sms.segments import measure
from utskick.cli import console as screen
from utskick.cli.csv_file import CsvRows
from utskick.cli.mailing import Mailing
from utskick.cli.payloads import SmsContent
from utskick.cli.recipients_csv import Listing, RejectedRecipient
from utskick.cli.rejections import Rejections
from utskick.domain.recipient import is_swedish_mobile

_SHOWN: Final = 20
_DELIMITERS: Final = {";": "semicolon", ",": "comma", "\t": "tab"}


def show(sheet: CsvRows, listing: Listing, mailing: Mailing, console: Console) -> None:
    console.print(screen.sheet(_rows(sheet, listing, mailing)))
    if listing.rejected:
        console.print(_rejected(listing.rejected))


def _rows(sheet: CsvRows, listing: Listing, mailing: Mailing) -> list[tuple[str, str]]:
    columns = listing.columns
    places = (
        (mailing.kind.channel, columns.destination),
        ("party", columns.party),
        ("reference", columns.reference),
    )
    delimiter = _DELIMITERS.get(sheet.delimiter, sheet.delimiter)
    rows = [
        (
            "file",
            f"{sheet.encoding}, {delimiter}, {'with' if listing.header else 'without'} header",
        ),
        ("columns", escape(", ".join(f"{role}: {listing.named(place)}" for role, place in places))),
        ("recipients", str(len(listing.recipients))),
        ("duplicates", str(listing.duplicates)),
        ("rejected rows", str(len(listing.rejected))),
    ]
    if mailing.batches > 1:
        rows.append(("batches", str(mailing.batches)))
    if isinstance(mailing.content, SmsContent):
        rows += _segments(mailing.content.message, listing)
    return rows


def _segments(message: str, listing: Listing) -> list[tuple[str, str]]:
    size = measure(message)
    rows = [
        ("encoding", f"{size.encoding}, {size.units} characters"),
        ("segments", str(size.segments)),
        ("total segments", str(size.segments * len(listing.recipients))),
    ]
    if size.notice:
        rows.append(("notice", escape(size.notice)))
    others = sum(
        1 for recipient in listing.recipients if not is_swedish_mobile(recipient.destination)
    )
    return [*rows, ("not Swedish mobile", f"{others}, sent to all the same")] if others else rows


def _rejected(rejected: Sequence[RejectedRecipient]) -> Table:
    """The first of them: line and reason, without what stands in the row."""
    table = Table(title="rejected rows", title_justify="left")
    table.add_column("line", justify="right")
    table.add_column("reason", overflow="fold")
    for entry in rejected[:_SHOWN]:
        table.add_row(str(entry.row.line), escape(entry.reason))
    if len(rejected) > _SHOWN:
        table.add_row(
            "…", f"and {len(rejected) - _SHOWN} more; --rejected FILE.csv writes them all"
        )
    return table


def write_rejected(path: Path, listing: Listing) -> None:
    """All of them with their rows, for the one who mends the list; readable for nobody else."""
    with Rejections(path, ["line", "reason", *listing.header]) as file:
        file.write([entry.row.line, entry.reason, *entry.row.cells] for entry in listing.rejected)
