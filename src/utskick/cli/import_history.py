"""``utskick import``: what another system has on record becomes history here. Repeated after an
interruption, it takes nothing twice."""

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
from utskick.cli import console as screen
from utskick.cli import history_rows as records
from utskick.cli.history_file import HistoryFile, HistoryRow, opened
from utskick.cli.options import Config
from utskick.cli.rejections import Rejections
from utskick.domain.clock import swedish, utc_now
from utskick.domain.errors import SettingsFault, Unreadable
from utskick.domain.imported import Record
from utskick.store.database import answering
from utskick.store.history.imports import Records, RejectedRecord

import_history = typer.Typer(
    no_args_is_help=True, help="Move in: take over what another system has on record."
)
_STRIDE: Final = 5_000
_SHOWN: Final = 20


@import_history.command()
def history(
    file: Annotated[
        Path,
        typer.Argument(
            help="The peer's history table, as JSON lines or CSV; may be gzipped.", metavar="FILE"
        ),
    ],
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected", help="Write line, delivery and reason of the rejected rows here."
        ),
    ] = None,
    municipality: Annotated[
        str | None, typer.Option(help="Of the rows that name no municipality.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="The clock that times without a zone were read from.")
    ] = "Europe/Stockholm",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check; change nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Take in the peer's history, each delivery once. The same file again changes nothing, and goes
    on after an interruption."""
    settings = bootstrap.read_settings(config)
    if municipality is not None and municipality not in settings.municipalities:
        raise SettingsFault(f"{municipality} is not among the municipalities of the settings")
    setting = records.Setting(
        settings.municipalities, municipality, frozenset(TYPES), _zone(timezone)
    )
    taking = _Taking(setting)
    with opened(file) as source, _report(rejected) as report, _bar() as bar:
        taking.report = report
        task = bar.add_task("check" if dry_run else "take in", total=source.size, rows="")

        def advance() -> None:
            bar.update(
                task, completed=source.reached, rows=f"{taking.read:,} rows".replace(",", " ")
            )

        try:
            asyncio.run(
                taking.check(source, advance) if dry_run else taking.take(settings, source, advance)
            )
        except KeyboardInterrupt:
            bar.stop()
            screen.say(
                "Stopped. What was taken stays; the same command goes on where it stopped, and takes nothing twice."
            )
            raise typer.Exit(130) from None
        bar.update(task, completed=source.size)
    taking.show()
    if dry_run:
        screen.say("Dry run: nothing was written.")


@dataclass
class _Taking:
    """What has been read so far, and what became of it."""

    setting: records.Setting
    report: Rejections | None = None
    read: int = 0
    new: int = 0
    known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    async def take(self, settings: Any, source: HistoryFile, advance: Any) -> None:
        async with bootstrap.opened(settings) as database, answering():
            into = Records(database, TYPES)
            rows = source.rows()
            while part := list(islice(rows, _STRIDE)):
                taken = await into.take(self._read(part), utc_now())
                self.new, self.known = self.new + taken.new, self.known + taken.known
                for refused in taken.refused:
                    self._refuse(refused)
                advance()

    async def check(self, source: HistoryFile, advance: Any) -> None:
        rows = source.rows()
        while part := list(islice(rows, _STRIDE)):
            self._read(part)
            advance()

    def _read(self, part: list[HistoryRow]) -> list[Record]:
        found = []
        for each in part:
            self.read += 1
            try:
                if each.row is None:
                    raise records.Wrong(each.fault)
                found.append(self._note(records.read(each.line, each.row, self.setting)))
            except records.Wrong as why:
                self._refuse(RejectedRecord(each.line, None, str(why)))
        return found

    def _note(self, record: Record) -> Record:
        self.types[record.message_type] += 1
        self.first = min(self.first, record.at) if self.first else record.at
        self.last = max(self.last, record.at) if self.last else record.at
        return record

    def _refuse(self, refused: RejectedRecord) -> None:
        self.reasons[refused.reason] += 1
        self.examples.setdefault(refused.reason, refused.line)
        if self.report is not None:
            self.report.write([(refused.line, refused.delivery_id or "", refused.reason)])

    def show(self) -> None:
        said = [
            ("rows", str(self.read)),
            ("new", str(self.new)),
            ("known before", str(self.known)),
            ("rejected", str(self.reasons.total())),
            ("types", ", ".join(f"{name} {number}" for name, number in self.types.most_common())),
        ]
        if self.first and self.last:
            said.append(("from, to", f"{swedish(self.first)[:16]}, {swedish(self.last)[:16]}"))
        screen.console.print(screen.sheet([(what, escape(value)) for what, value in said]))
        if self.reasons:
            table = Table(
                "rows", "reason", "for example, line", title="rejected rows", title_justify="left"
            )
            for reason, number in self.reasons.most_common(_SHOWN):
                table.add_row(str(number), escape(reason), str(self.examples[reason]))
            screen.console.print(table)
            if self.report is None:
                screen.say("--rejected FILE.csv writes them all.")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Unreadable(
            f"{name} is no time zone; they are named like Europe/Stockholm or UTC"
        ) from None


def _report(path: Path | None) -> AbstractContextManager[Rejections | None]:
    """Line, delivery id and reason, and nothing else of the rows: the file may be passed on."""
    return nullcontext() if path is None else Rejections(path, ["line", "delivery_id", "reason"])


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=screen.console,
    )
