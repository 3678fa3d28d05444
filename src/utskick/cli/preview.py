"""Preview of a mailing before it is sent: recipients, rejected rows and SMS segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from utskick.channels.sms.segments import measure
from utskick.cli import console
from utskick.cli.csv_file import CsvRows, Rejections
from utskick.cli.mailing import Mailing
from utskick.cli.payloads import SmsContent
from utskick.cli.recipients_csv import RecipientList, RejectedRecipient
from utskick.domain.phone_number import is_swedish_mobile

_MAX_VISIBLE: Final = 20
_DELIMITERS: Final = {";": "semicolon", ",": "comma", "\t": "tab"}


def show(csv_rows: CsvRows, recipients: RecipientList, mailing: Mailing) -> None:
    console.stdout.print(console.value_table(_rows(csv_rows, recipients, mailing)))
    if recipients.rejected:
        console.stdout.print(_rejected(recipients.rejected))


def _rows(csv_rows: CsvRows, recipients: RecipientList, mailing: Mailing) -> list[tuple[str, str]]:
    columns = recipients.columns
    positions = (
        (mailing.kind.channel, columns.destination),
        ("party", columns.party),
        ("reference", columns.reference),
    )
    delimiter = _DELIMITERS.get(csv_rows.delimiter, csv_rows.delimiter)
    rows = [
        (
            "file",
            (
                f"{csv_rows.encoding}, {delimiter}, {'with' if recipients.header else 'without'} "
                "header"
            ),
        ),
        (
            "columns",
            escape(
                ", ".join(
                    f"{role}: {recipients.column_name(position)}" for role, position in positions
                )
            ),
        ),
        ("recipients", str(len(recipients.valid))),
        ("duplicates", str(recipients.duplicates)),
        ("rejected rows", str(len(recipients.rejected))),
    ]
    if mailing.batches > 1:
        rows.append(("batches", str(mailing.batches)))
    if isinstance(mailing.content, SmsContent):
        rows += _segments(mailing.content.message, recipients)
    return rows


def _segments(message: str, recipients: RecipientList) -> list[tuple[str, str]]:
    size = measure(message)
    rows = [
        ("encoding", f"{size.encoding}, {size.units} characters"),
        ("segments", str(size.segments)),
        ("total segments", str(size.segments * len(recipients.valid))),
    ]
    if size.notice:
        rows.append(("notice", escape(size.notice)))
    foreign = sum(
        1 for recipient in recipients.valid if not is_swedish_mobile(recipient.destination)
    )
    return [*rows, ("not Swedish mobile numbers", f"{foreign}, included")] if foreign else rows


def _rejected(rejected: Sequence[RejectedRecipient]) -> Table:
    """Return a table of the first rejected rows: line and reason, without their contents."""
    table = Table(title="rejected rows", title_justify="left")
    table.add_column("line", justify="right")
    table.add_column("reason", overflow="fold")
    for entry in rejected[:_MAX_VISIBLE]:
        table.add_row(str(entry.row.line), escape(entry.reason))
    if len(rejected) > _MAX_VISIBLE:
        table.add_row(
            "…",
            f"and {len(rejected) - _MAX_VISIBLE} more; use --rejected FILE.csv to write them all",
        )
    return table


def write_rejected(path: Path, recipients: RecipientList) -> None:
    """Write all rejected rows with their contents, readable by the user only."""
    with Rejections(path, ["line", "reason", *recipients.header]) as file:
        file.write(
            [entry.row.line, entry.reason, *entry.row.cells] for entry in recipients.rejected
        )
