"""``utskick directory``: people from a file into the directory's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console as screen
from utskick.cli import csv_file as sheet
from utskick.cli.options import Config, Municipality
from utskick.cli.payloads import read_file
from utskick.cli.people_csv import Roster, roster_of
from utskick.cli.rejections import Rejections
from utskick.directory.database import tables_of
from utskick.directory.importer import ImportCounts, ImportRow, RejectedRow, Roll
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings
from utskick.store.database import Database, answering

directory = typer.Typer(
    no_args_is_help=True, help="Who people are: the directory in Utskick's own tables."
)
_STRIDE: Final = 2_000
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a roll is to be taken in."""

    file: Path
    municipality_id: str
    rejected: Path | None
    dry_run: bool


@directory.command("import")
def take(
    file: Annotated[
        Path,
        typer.Argument(help="CSV with a row for each person or organisation.", metavar="FILE.csv"),
    ],
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", help="Write line and reason of the rejected rows to this file."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check; change nothing.")
    ] = False,
    config: Config = None,
    municipality: Municipality = "2281",
) -> None:
    """Take people in: who is known by the number keeps the party id; the same file twice changes
    nothing."""
    settings = bootstrap.read_settings(config)
    if municipality not in settings.municipalities:
        raise SettingsFault(f"{municipality} is not among the municipalities of the settings")
    _carry_out(settings, ImportOptions(file, municipality, rejected, dry_run))


def _carry_out(settings: Settings, order: ImportOptions) -> None:
    rows = sheet.read(read_file(order.file).data)
    now = utc_now()
    with _bar() as bar:
        reading = bar.add_task("read", total=max(len(rows.rows) - 1, 0))
        roster = roster_of(rows, now.astimezone(SWEDEN).date(), lambda: bar.advance(reading))
        taken = (
            ImportCounts(0, 0)
            if order.dry_run
            else asyncio.run(_take(settings, order, roster, bar))
        )
    refused = sorted([*roster.refused, *taken.refused], key=lambda entry: entry.line)
    _show(roster, taken, refused)
    if order.rejected is not None:
        _write(order.rejected, refused)
    if order.dry_run:
        screen.say("Dry run: nothing was written.")


async def _take(
    settings: Settings, order: ImportOptions, roster: Roster, bar: Progress
) -> ImportCounts:
    async with bootstrap.opened(settings) as database, answering():
        return await _written(database, order, roster.entries, bar)


async def _written(
    database: Database, order: ImportOptions, entries: Sequence[ImportRow], bar: Progress
) -> ImportCounts:
    roll, now, created, replaced = (
        Roll(database, tables_of(database, database.vault.directory_cipher)),
        utc_now(),
        0,
        0,
    )
    refused: list[RejectedRow] = []
    writing, rest = bar.add_task("write", total=len(entries)), iter(entries)
    while part := list(islice(rest, _STRIDE)):
        taken = await roll.take(order.municipality_id, part, now)
        created, replaced = created + taken.created, replaced + taken.replaced
        refused += taken.refused
        bar.advance(writing, len(part))
    return ImportCounts(created, replaced, tuple(refused))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=screen.console,
    )


def _show(roster: Roster, taken: ImportCounts, refused: Sequence[RejectedRow]) -> None:
    rows = [
        ("columns", ", ".join(f"{role}: {name}" for role, name in roster.columns.items())),
        ("right rows", str(len(roster.entries) - len(taken.refused))),
        ("new", str(taken.created)),
        ("known before", str(taken.replaced)),
        ("rejected rows", str(len(refused))),
    ]
    screen.console.print(screen.sheet([(what, escape(said)) for what, said in rows]))
    if refused:
        table = Table("line", "reason", title="rejected rows", title_justify="left")
        for entry in refused[:_SHOWN]:
            table.add_row(str(entry.line), escape(entry.reason))
        if len(refused) > _SHOWN:
            table.add_row(
                "…", f"and {len(refused) - _SHOWN} more; --rejected FILE.csv writes them all"
            )
        screen.console.print(table)


def _write(path: Path, refused: Sequence[RejectedRow]) -> None:
    """Line and reason, and nothing of the rows: the file may be passed on."""
    with Rejections(path, ["line", "reason"]) as file:
        file.write([entry.line, entry.reason] for entry in refused)
