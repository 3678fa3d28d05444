"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utskick.cli import credentials
from utskick.cli.client import ServiceTarget

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="UTSKICK_CONFIG",
        help="Settings file (TOML). The environment wins over it.",
    ),
]
Address = Annotated[str, typer.Option("--url", envvar="UTSKICK_URL", help="Where the service is.")]
Municipality = Annotated[str, typer.Option(envvar="UTSKICK_MUNICIPALITY", help="Municipality id.")]
Party = Annotated[
    str | None, typer.Option(help="Party id (UUID) of the recipient, for the conversation history.")
]
Reference = Annotated[
    str | None, typer.Option(help="A word of your own; it comes back with the status.")
]
High = Annotated[bool, typer.Option("--high", help="Before messages of normal priority.")]
AtOnce = Annotated[bool, typer.Option("--async", help="Do not wait for the delivery.")]
Key = Annotated[
    str | None,
    typer.Option(help="Idempotency-Key: the same key never sends twice within 24 hours."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help="Name or number of the column with the recipients; party=NAME and reference=NAME for the others. May be repeated."
    ),
]


def target_of(url: str, municipality: str) -> ServiceTarget:
    """Tokens and secrets come from the environment alone: on a command line they would be seen by
    everybody on the machine."""
    return ServiceTarget(url, municipality, credentials.token_for(url))
