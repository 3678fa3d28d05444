"""The commands and their options. What only one of them needs is imported when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from utskick import __version__
from utskick.cli.console import console, errors
from utskick.cli.lazy_groups import Later
from utskick.cli.options import Address, Config, Municipality, target_of
from utskick.domain.errors import UtskickError
from utskick.settings import Settings

cli = typer.Typer(
    cls=Later,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Utskick: SMS, e-mail and more for public bodies. Without settings everything runs in a sandbox: nothing leaves the machine.",
)


def settings_of(config: Path | None) -> Settings:
    from utskick import bootstrap

    return bootstrap.read_settings(config)


@cli.command()
def serve(
    config: Config = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="Worker processes beside the API; 0: the worker runs in the same process.",
        ),
    ] = 0,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="When up, write the addresses and the process id here (JSON)."),
    ] = None,
) -> None:
    """Run the service: the API, and a worker."""
    from utskick.cli import service

    service.serve(settings_of(config), config, workers, ready_file)


@cli.command()
def worker(config: Config = None) -> None:
    """Run one more worker, on this or any other machine, with the same database."""
    from utskick.cli import service

    service.work(settings_of(config))


@cli.command()
def migrate(config: Config = None) -> None:
    """Bring the schema of an external database to this release's."""
    from utskick.cli import service

    service.migrate(settings_of(config), console)


@cli.command()
def status(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="Of a delivery, a message or a batch.")
    ],
    watched: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again until it has settled.")
    ] = False,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Show what became of a delivery, a message or a batch."""
    from utskick.cli.status import show

    try:
        show(target_of(url, municipality), wanted, watched=watched)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@cli.command()
def check(config: Config = None) -> None:
    """Look at settings, database, keys, door, providers and neighbours; change nothing. Exit status
    1 on a fault."""
    from utskick.cli import check as doctor
    from utskick.cli.check_result import Grade

    findings = asyncio.run(doctor.examine(config))
    console.print(doctor.drawn(findings))
    if any(finding.grade is Grade.FAULT for finding in findings):
        raise typer.Exit(1)


@cli.command()
def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Leave everything in this folder, with database and log."),
    ] = None,
    letters: Annotated[
        Path | None,
        typer.Option(help="Where to put what the printing house got, as files to open."),
    ] = None,
) -> None:
    """Send messages by every channel through a service and a sandbox of its own, and compare the
    ledgers. Nothing leaves the machine."""
    from utskick.cli.demo.run import run

    raise typer.Exit(run(kept=keep, letters=letters))


@cli.command()
def version() -> None:
    """Print the version."""
    console.print(__version__)


def main() -> None:
    """Errors that somebody can act on are one sentence and exit status 1; the rest is a bug, and
    shown whole."""
    try:
        cli()
    except UtskickError as fault:
        errors.print(
            f"[bold red]utskick:[/] {escape(fault.detail)}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
