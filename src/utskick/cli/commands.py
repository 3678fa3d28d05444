"""Top-level commands; modules needed by a single command are imported when it runs."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from utskick import __version__
from utskick.cli.console import stderr, stdout
from utskick.cli.lazy_groups import LazyGroups
from utskick.cli.options import EXIT_STATUS, Address, Config, Municipality, target_of
from utskick.domain.errors import UtskickError
from utskick.settings import Settings

cli = typer.Typer(
    cls=LazyGroups,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help=(
        "Utskick sends SMS, e-mail, digital mail, invoices and letters for public bodies. "
        "Without settings it runs in a sandbox: nothing leaves the machine."
    ),
    epilog=EXIT_STATUS,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        stdout.print(__version__, highlight=False)
        raise typer.Exit


@cli.callback()
def root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _show_version(wanted=value),
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    """Options of the command itself."""


class Choice(StrEnum):
    """What becomes of what was held."""

    SEND = "send"
    UNKNOWN = "unknown"


def read_settings(config: Path | None) -> Settings:
    from utskick import bootstrap

    return bootstrap.read_settings(config)


@cli.command(epilog=EXIT_STATUS)
def serve(
    config: Config = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="Number of worker processes. With 0, the worker runs in the API process.",
        ),
    ] = 0,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Write the addresses and the process id to this JSON file once the service is "
                "ready."
            )
        ),
    ] = None,
) -> None:
    """Run the service: the HTTP API and a worker.

    Example: utskick serve --config utskick.toml --workers 2
    """
    from utskick.cli import service

    service.serve(read_settings(config), config, workers, ready_file)


@cli.command(epilog=EXIT_STATUS)
def worker(config: Config = None) -> None:
    """Run an additional worker.

    It may run on another machine, as long as it uses the same database.
    """
    from utskick.cli import service

    service.work(read_settings(config))


@cli.command(epilog=EXIT_STATUS)
def migrate(config: Config = None) -> None:
    """Migrate the schema of an external database to this release."""
    from utskick.cli import service

    service.migrate(read_settings(config), stdout)


@cli.command(epilog=EXIT_STATUS)
def status(
    object_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a delivery, a message or a batch (UUID).")
    ],
    follow: Annotated[
        bool,
        typer.Option(
            "--watch", "-w", help="Keep the display up to date until everything has settled."
        ),
    ] = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Show the status of a delivery, a message or a batch."""
    from utskick.cli.status import show

    show(target_of(url, municipality), object_id, follow=follow)


@cli.command(epilog=EXIT_STATUS)
def check(config: Config = None) -> None:
    """Check settings, database, keys, authentication, providers and directory services.

    Changes nothing. The exit status is 1 if a check fails.
    """
    from utskick.cli.check import result_table, run_checks
    from utskick.cli.check_result import Grade

    results = asyncio.run(run_checks(config))
    stdout.print(result_table(results))
    if any(result.grade is Grade.FAULT for result in results):
        raise typer.Exit(1)


@cli.command("restore-check", epilog=EXIT_STATUS)
def restore_check(
    hold: Annotated[
        bool,
        typer.Option(
            "--hold",
            help="Hold everything that waits now. Stop the service first: for a restore that "
            "cannot be noticed, of a whole data folder with its database-seen.json.",
        ),
    ] = False,
    lost: Annotated[
        Path | None,
        typer.Option(help="Write the batches of this node that the database does not have (CSV)."),
    ] = None,
    config: Config = None,
) -> None:
    """Show whether the database was restored, what is held, and which time is unknown.

    Changes nothing without --hold. The exit status is 1 if something is or will be held.
    """
    from utskick.cli import restore

    raise typer.Exit(1 if restore.check(read_settings(config), lost, hold=hold) else 0)


@cli.command(epilog=EXIT_STATUS)
def release(
    before: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Release what was accepted before this time (Swedish local time).",
        ),
    ],
    choice: Annotated[
        Choice | None,
        typer.Option(
            "--as",
            help="send: send it now. unknown: leave it uncertain, for receipts or a person to "
            "settle. Without it, nothing is released, and what would be is listed.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why: recorded in the audit log.")] = "",
    channel: Annotated[
        str | None, typer.Option(help="Only of this channel, by its name in restore-check.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Release what is held since the database was restored.

    Example: utskick release --before 2026-11-30T14:05 --as unknown --reason "restored 14:00"
    """
    from utskick.cli import restore

    restore.release(
        read_settings(config), restore.Wanted(before, choice, reason, channel), confirmed=yes
    )


@cli.command(epilog=EXIT_STATUS)
def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Keep database and log in this folder."),
    ] = None,
    letters: Annotated[
        Path | None,
        typer.Option(help="Copy the files that the print house received to this folder."),
    ] = None,
) -> None:
    """Run a complete demo in a sandbox: send by every channel and compare the ledgers.

    Starts a service of its own with simulated providers. Nothing leaves the machine.
    """
    from utskick.cli.demo.run import run

    raise typer.Exit(run(keep=keep, letters=letters))


@cli.command(epilog=EXIT_STATUS)
def version() -> None:
    """Print the version."""
    stdout.print(__version__)


def main() -> None:
    """Run the command line.

    An expected error is printed as one sentence, and the exit status is 1. Any other exception is a
    bug, and its traceback is printed.
    """
    try:
        cli()
    except UtskickError as fault:
        stderr.print(
            f"[bold red]utskick:[/] {escape(fault.detail)}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt:  # before a command was found
        sys.exit(130)
