"""``utskick directory``: import people and organisations into the directory's tables."""

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
from utskick.cli import console, csv_file
from utskick.cli.csv_file import Rejections
from utskick.cli.options import Config, Municipality
from utskick.cli.payloads import read_file
from utskick.cli.people_csv import ParsedPeople, parse_people
from utskick.directory.database import tables_of
from utskick.directory.importer import (
    DirectoryImportCounts,
    DirectoryImporter,
    ImportRow,
    RejectedRow,
)
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings
from utskick.store.database import Database, answering

directory = typer.Typer(
    no_args_is_help=True, help="Import people and organisations into the directory."
)
_CHUNK: Final = 2_000
_MAX_VISIBLE: Final = 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import into the directory."""

    file: Path
    municipality_id: str
    rejected: Path | None
    dry_run: bool


@directory.command("import")
def import_people(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file with one row per person or organisation.", metavar="FILE.csv"
        ),
    ],
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected", help="Write line and reason of the rejected rows to this CSV file."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check the file; change nothing.")
    ] = False,
    config: Config = None,
    municipality: Municipality = "2281",
) -> None:
    """Import people and organisations from a CSV file.

    People already known by their number keep their party id. Importing the same file again changes
    nothing.

    Example: utskick directory import people.csv --dry-run
    """
    settings = bootstrap.read_settings(config)
    if municipality not in settings.municipalities:
        raise SettingsFault(f"{municipality} is not among the municipalities of the settings")
    _run(settings, ImportOptions(file, municipality, rejected, dry_run))


def _run(settings: Settings, options: ImportOptions) -> None:
    rows = csv_file.read(read_file(options.file).data)
    now = utc_now()
    with _bar() as bar:
        reading_task = bar.add_task("read", total=max(len(rows.rows) - 1, 0))
        people = parse_people(
            rows, now.astimezone(SWEDEN).date(), lambda: bar.advance(reading_task)
        )
        result = (
            DirectoryImportCounts(0, 0)
            if options.dry_run
            else asyncio.run(_import(settings, options, people, bar))
        )
    rejected = sorted([*people.rejected, *result.refused], key=lambda entry: entry.line)
    _show(people, result, rejected)
    if options.rejected is not None:
        _write_rejected(options.rejected, rejected)
    if options.dry_run:
        console.print_line("Dry run: nothing was written.")


async def _import(
    settings: Settings, options: ImportOptions, people: ParsedPeople, bar: Progress
) -> DirectoryImportCounts:
    async with bootstrap.opened(settings) as database, answering():
        return await _write_entries(database, options, people.entries, bar)


async def _write_entries(
    database: Database, options: ImportOptions, entries: Sequence[ImportRow], bar: Progress
) -> DirectoryImportCounts:
    roll, now, created, replaced = (
        DirectoryImporter(database, tables_of(database, database.vault.directory_cipher)),
        utc_now(),
        0,
        0,
    )
    rejected: list[RejectedRow] = []
    writing_task, rest = bar.add_task("write", total=len(entries)), iter(entries)
    while chunk := list(islice(rest, _CHUNK)):
        result = await roll.add(options.municipality_id, chunk, now)
        created, replaced = created + result.created, replaced + result.replaced
        rejected += result.refused
        bar.advance(writing_task, len(chunk))
    return DirectoryImportCounts(created, replaced, tuple(rejected))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console.stdout,
    )


def _show(
    people: ParsedPeople, result: DirectoryImportCounts, rejected: Sequence[RejectedRow]
) -> None:
    rows = [
        ("columns", ", ".join(f"{role}: {name}" for role, name in people.columns.items())),
        ("valid rows", str(len(people.entries) - len(result.refused))),
        ("new", str(result.created)),
        ("already known", str(result.replaced)),
        ("rejected rows", str(len(rejected))),
    ]
    console.stdout.print(console.value_table([(label, escape(value)) for label, value in rows]))
    if rejected:
        table = Table("line", "reason", title="rejected rows", title_justify="left")
        for entry in rejected[:_MAX_VISIBLE]:
            table.add_row(str(entry.line), escape(entry.reason))
        if len(rejected) > _MAX_VISIBLE:
            table.add_row(
                "…",
                f"and {len(rejected) - _MAX_VISIBLE} more; use --rejected FILE.csv to write "
                "them all",
            )
        console.stdout.print(table)


def _write_rejected(path: Path, rejected: Sequence[RejectedRow]) -> None:
    """Write line and reason of the rejected rows, without their contents, so it may be shared."""
    with Rejections(path, ["line", "reason"]) as file:
        file.write([entry.line, entry.reason] for entry in rejected)
