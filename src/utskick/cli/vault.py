"""``utskick vault``: the key that seals personal data."""

from __future__ import annotations

import typer

from utskick.cli import screen
from utskick.store.keyring import new_key

vault = typer.Typer(no_args_is_help=True, help="The key that seals personal data in the database.")


@vault.callback()
def _group() -> None:
    """A group, also while it has one command."""


@vault.command("new-key")
def make() -> None:
    """Print a new key for vault.key or the file of vault.key_file. Keep a copy: without it the data cannot be read."""
    screen.say(new_key())
