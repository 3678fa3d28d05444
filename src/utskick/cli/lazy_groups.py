"""Command groups that are imported on use, to keep the start-up of other commands short."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click
from typer.core import TyperGroup
from typer.main import get_group

#: Name → module below ``utskick.cli`` that holds a ``Typer`` of the same name, and its help.
#: tests/cli/test_lazy_groups.py compares the two help texts.
GROUPS: Final[dict[str, tuple[str, str]]] = {
    "send": ("send", "Send one message and print its status."),
    "batch": ("batch", "Send the same message to all recipients in a CSV file."),
    "clients": (
        "clients",
        "Manage the systems that may request tokens from the embedded issuer.",
    ),
    "configuration": (
        "configuration",
        "Manage settings of municipalities, organisations and departments.",
    ),
    "directory": ("directory", "Import people and organisations into the directory."),
    "import": ("import_history", "Import the history of another system."),
    "retention": ("retention", "Show and apply the retention rules of messages."),
    "audit": ("audit", "List and verify the audit trail."),
    "vault": ("vault", "Manage the keys that encrypt personal data (docs/how-to/rotate-keys.md)."),
}


class LazyGroups(TyperGroup):
    """Root command group, which prints its own help without importing the subgroups."""

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
