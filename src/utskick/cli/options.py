"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utskick.cli.client import ServiceTarget, token_for

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="UTSKICK_CONFIG",
        help="Settings file (TOML). Environment variables take precedence.",
    ),
]
Address = Annotated[
    str, typer.Option("--url", envvar="UTSKICK_URL", help="Address of the service.")
]
Municipality = Annotated[str, typer.Option(envvar="UTSKICK_MUNICIPALITY", help="Municipality id.")]
Party = Annotated[
    str | None,
    typer.Option(help="Party id (UUID) of the recipient, used in the conversation history."),
]
Reference = Annotated[
    str | None, typer.Option(help="Your own reference, returned with the status.")
]
High = Annotated[bool, typer.Option("--high", help="Send before messages of normal priority.")]
NoWait = Annotated[
    bool,
    typer.Option(
        "--async", help="Return as soon as the message is accepted, without waiting for delivery."
    ),
]
Message = Annotated[
    str | None, typer.Option(help="Text of the message; - reads it from standard input.")
]
MessageFile = Annotated[
    Path | None,
    typer.Option(
        "--message-file",
        help="File with the text of the message: UTF-8, UTF-16 or Windows-1252.",
    ),
]
#: Below the help of commands.
EXIT_STATUS = (
    "Exit status: 0 done; 1 not done, not all sent, or a fault in what was given (the reason is "
    "printed); 2 wrong usage; 130 Ctrl-C."
)
Key = Annotated[
    str | None,
    typer.Option(
        help="Idempotency-Key: a request with the same key is sent only once within 24 hours."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Send without confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show a preview; send nothing.")]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help=(
            "Name or number of the column with phone numbers or addresses; party=NAME and "
            "reference=NAME for the other columns. May be repeated."
        )
    ),
]


def target_of(url: str, municipality: str) -> ServiceTarget:
    """Return the target service.

    Credentials are read from the environment only: arguments of a process are visible to every user
    of the machine.
    """
    return ServiceTarget(url, municipality, token_for(url))
