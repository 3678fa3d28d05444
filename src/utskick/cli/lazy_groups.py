"""Groups of commands that are imported when they are used: who sends an SMS shall not wait for the
modules of a service."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click
from typer.core import TyperGroup
from typer.main import get_group

#: Name → module below ``utskick.cli``, which holds a ``Typer`` of the same name, and its help
#: (tests/cli/test_lazy_groups.py compares them).
GROUPS: Final[dict[str, tuple[str, str]]] = {
    "send": ("send", "Send one message, and see what became of it."),
    "batch": ("batch", "Send the same message to everybody on a list (CSV)."),
    "clients": (
        "clients",
        "Who may fetch tokens from the embedded issuer: systems, each with its secret or its key.",
    ),
    "configuration": (
        "configuration",
        "What a municipality, an organisation or a department says of channels and limits.",
    ),
    "directory": ("directory", "Who people are: the directory in Utskick's own tables."),
    "import": ("import_history", "Move in: take over what another system has on record."),
    "retention": ("retention", "How long messages are kept, and what is past its time."),
    "audit": ("audit", "The audit trail: who did what, when, from where."),
    "vault": (
        "vault",
        "The keys that seal personal data in the database (docs/explanation/vault.md).",
    ),
}


class Later(TyperGroup):
    """The top of the command line. Its own help needs none of the groups."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        module, text = GROUPS[cmd_name]
        if self._listing:
            return click.Group(cmd_name, help=text)
        return get_group(getattr(import_module(f"utskick.cli.{module}"), module))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False
