"""``utskick import``: import the history of another system.

A command that is repeated after an interruption imports nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from utskick import bootstrap
from utskick.channels.registry import TYPES
from utskick.cli import console, history_rows
from utskick.cli.csv_file import InvalidRow, Rejections
from utskick.cli.history_file import HistoryFile, HistoryRow, open_history
from utskick.cli.options import Config
from utskick.domain.clock import swedish, utc_now
from utskick.domain.errors import SettingsFault, Unreadable
from utskick.domain.imported import Record
from utskick.settings import Settings
from utskick.store.database import answering
from utskick.store.history.imports import Records, RejectedRecord

import_history = typer.Typer(no_args_is_help=True, help="Import the history of another system.")
_CHUNK: Final = 5_000
_MAX_VISIBLE: Final = 20


@import_history.command()
def history(
    file: Annotated[
        Path,
        typer.Argument(
            help="History table of the other system, as JSON lines or CSV; may be gzipped.",
            metavar="FILE",
        ),
    ],
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected",
            help="Write line, delivery id and reason of the rejected rows to this CSV file.",
        ),
    ] = None,
    municipality: Annotated[
        str | None, typer.Option(help="Municipality of rows that name none.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Time zone of times without an offset.")
    ] = "Europe/Stockholm",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check the file; change nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Import the message history of another system, each delivery once.

    Repeating the command resumes an interrupted import; importing the same file again changes
    nothing.

    Example: utskick import history history.csv.gz --rejected rejected.csv --dry-run
    """
    settings = bootstrap.read_settings(config)
    if municipality is not None and municipality not in settings.municipalities:
        raise SettingsFault(f"{municipality} is not among the municipalities of the settings")
    parameters = history_rows.ImportParameters(
        settings.municipalities, municipality, frozenset(TYPES), _zone(timezone)
    )
    importing = _Import(parameters)
    with _report(rejected) as importing.report:
        _import_file(file, importing, None if dry_run else settings)
    importing.show()
    if dry_run:
        console.print_line("Dry run: nothing was written.")


def _import_file(file: Path, importing: _Import, settings: Settings | None) -> None:
    """Import the file with a progress bar; without settings it is only checked."""
    with open_history(file) as source, _bar() as bar:
        task = bar.add_task("import" if settings else "check", total=source.size, rows="")

        def advance() -> None:
            bar.update(
                task, completed=source.position, rows=f"{importing.read:,} rows".replace(",", " ")
            )

        try:
            asyncio.run(
                importing.run(settings, source, advance)
                if settings
                else importing.check(source, advance)
            )
        except KeyboardInterrupt:
            bar.stop()
            console.print_line(
                "Stopped. Rows already imported are kept; repeat the command to continue. "
                "Nothing is imported twice."
            )
            raise typer.Exit(130) from None
        bar.update(task, completed=source.size)


@dataclass
class _Import:
    """Running import: counts and reasons of the rows read so far."""

    parameters: history_rows.ImportParameters
    report: Rejections | None = None
    read: int = 0
    new: int = 0
    known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    async def run(self, settings: Settings, source: HistoryFile, advance: Any) -> None:
        async with bootstrap.opened(settings) as database, answering():
            records = Records(database, TYPES)
            rows = source.rows()
            while chunk := list(islice(rows, _CHUNK)):
                result = await records.take(self._read(chunk), utc_now())
                self.new, self.known = self.new + result.new, self.known + result.known
                for rejected in result.refused:
                    self._reject(rejected)
                advance()

    async def check(self, source: HistoryFile, advance: Any) -> None:
        rows = source.rows()
        while chunk := list(islice(rows, _CHUNK)):
            self._read(chunk)
            advance()

    def _read(self, chunk: list[HistoryRow]) -> list[Record]:
        found = []
        for row in chunk:
            self.read += 1
            try:
                if row.row is None:
                    raise InvalidRow(row.fault)
                found.append(self._count(history_rows.parse(row.line, row.row, self.parameters)))
            except InvalidRow as fault:
                self._reject(RejectedRecord(row.line, None, str(fault)))
        return found

    def _count(self, record: Record) -> Record:
        self.types[record.message_type] += 1
        self.first = min(self.first, record.at) if self.first else record.at
        self.last = max(self.last, record.at) if self.last else record.at
        return record

    def _reject(self, rejected: RejectedRecord) -> None:
        self.reasons[rejected.reason] += 1
        self.examples.setdefault(rejected.reason, rejected.line)
        if self.report is not None:
            self.report.write([(rejected.line, rejected.delivery_id or "", rejected.reason)])

    def show(self) -> None:
        rows = [
            ("rows", str(self.read)),
            ("new", str(self.new)),
            ("already known", str(self.known)),
            ("rejected", str(self.reasons.total())),
            ("types", ", ".join(f"{name} {number}" for name, number in self.types.most_common())),
        ]
        if self.first and self.last:
            rows.append(("first, last", f"{swedish(self.first)[:16]}, {swedish(self.last)[:16]}"))
        console.stdout.print(console.value_table([(label, escape(value)) for label, value in rows]))
        if self.reasons:
            table = Table(
                "rows", "reason", "example line", title="rejected rows", title_justify="left"
            )
            for reason, number in self.reasons.most_common(_MAX_VISIBLE):
                table.add_row(str(number), escape(reason), str(self.examples[reason]))
            console.stdout.print(table)
            if self.report is None:
                console.print_line("Use --rejected FILE.csv to write them all.")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Unreadable(
            f"{name} is not a time zone; use a name such as Europe/Stockholm or UTC"
        ) from None


def _report(path: Path | None) -> AbstractContextManager[Rejections | None]:
    """Open the report of rejected rows; it holds no contents of the rows, so it may be shared."""
    return nullcontext() if path is None else Rejections(path, ["line", "delivery_id", "reason"])


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console.stdout,
    )
