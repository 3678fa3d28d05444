"""The commands and their options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from utskick import __version__, app
from utskick.domain.errors import UtskickError
from utskick.settings import Settings

console = Console()
errors = Console(stderr=True)

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Utskick: SMS, e-mail and more for public bodies. Without settings everything runs in a sandbox: nothing leaves the machine.",
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="UTSKICK_CONFIG", help="Settings file (TOML). The environment wins over it.")
]
Address = Annotated[str, typer.Option("--url", envvar="UTSKICK_URL", help="Where the service is.")]


def settings_of(config: Path | None) -> Settings:
    return app.read_settings(config)


@cli.command()
def serve(
    config: Config = None,
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="Worker processes beside the API; 0: the worker runs in the same process.")
    ] = 0,
) -> None:
    """Run the service: the API, and a worker."""
    from utskick.cli import service

    service.serve(settings_of(config), config, workers)


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
def version() -> None:
    """Print the version."""
    console.print(__version__)


def main() -> None:
    """Errors that somebody can act on are one sentence and exit status 1; the rest is a bug, and shown whole."""
    try:
        cli()
    except UtskickError as fault:
        errors.print(f"[bold red]utskick:[/] {fault.detail}", highlight=False, soft_wrap=True)
        sys.exit(1)
