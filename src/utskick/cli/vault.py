"""``utskick vault``: manage the encryption keys of personal data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.domain.errors import NotAllowedHere, Unreadable
from utskick.domain.month import Month, parse_month
from utskick.settings import Settings
from utskick.store.crypto.key_rows import CALLERS, INDEX, KeyRow
from utskick.store.crypto.master_key import new_key
from utskick.store.database import answering
from utskick.store.retention.key_destruction import KeyDestruction

vault = typer.Typer(
    no_args_is_help=True,
    help="Manage the keys that encrypt personal data (docs/how-to/rotate-keys.md).",
)


@vault.command("new-key")
def create_key() -> None:
    """Print a new master key for vault.key or vault.key_file.

    Keep a copy in a safe place: without it the data cannot be decrypted.
    """
    console.print_line(new_key())


@vault.command("status")
def status(config: Config = None) -> None:
    """List the vault's keys, and the master key that wraps each of them."""
    rows, ring = asyncio.run(_status(bootstrap.read_settings(config)))
    table = Table(
        "municipality",
        "key",
        "wrapped by",
        "created",
        title="keys of the vault",
        title_justify="left",
    )
    for row in rows:
        table.add_row(
            row.place[0] or "all",
            _key_name(row.place[1]),
            _wrapped_by(row, ring),
            f"{row.created:%Y-%m-%d}",
        )
    console.stdout.print(table)
    console.print_line(
        f"The settings have {', '.join(f'{name} ({_origin(ring, name)})' for name in ring)}."
    )
    first, older = ring[0], {name for row in rows for name in row.wraps} - {ring[0]}
    living = [row for row in rows if row.destroyed is None]
    if any(first not in row.wraps for row in living):
        console.print_line(
            "Some keys are not wrapped by vault.key: keep old_keys until `utskick vault "
            "rewrap` has been run."
        )
    elif older:
        console.print_line(
            "All keys are wrapped by vault.key. When every process uses it, `utskick vault "
            "rewrap` removes the older wrappings."
        )


async def _status(settings: Settings) -> tuple[list[KeyRow], tuple[str, ...]]:
    async with bootstrap.opened(settings) as database, answering():
        return await database.vault.rows.all(), database.vault.ring


def _key_name(period: str) -> str:
    return (
        "search index of parties and files"
        if period == INDEX
        else period
        if parse_month(period)
        else f"users and addresses in the audit log, {period.removeprefix(CALLERS)}"
        if period.startswith(CALLERS)
        else "directory and long-lived secrets"
    )


def _wrapped_by(row: KeyRow, ring: Sequence[str]) -> str:
    if row.destroyed is not None:
        return f"[red]destroyed {row.destroyed:%Y-%m-%d}[/]"
    return ", ".join(
        f"{name} ({_origin(ring, name)})"
        for name in sorted(row.wraps, key=lambda n: ring.index(n) if n in ring else len(ring))
    )


def _origin(ring: Sequence[str], name: str) -> str:
    return "not in the settings" if name not in ring else "key" if name == ring[0] else "old_keys"


@vault.command("rewrap")
def rewrap(config: Config = None) -> None:
    """Finish a rotation of the master key: wrap all keys with the current one only.

    Every process must already use the new key.
    """
    unknown, removed = asyncio.run(_rewrap(bootstrap.read_settings(config)))
    if unknown:
        raise NotAllowedHere(
            f"{unknown} keys of the vault are wrapped by a master key that is not in the "
            "settings: add it to vault.old_keys"
        )
    console.print_line(
        f"All keys are wrapped by vault.key alone ({removed} older wrappings removed). "
        "vault.old_keys can now be removed."
    )


async def _rewrap(settings: Settings) -> tuple[int, int]:
    async with bootstrap.opened(settings) as database, answering():
        unknown = await database.vault.rewrap()
        return unknown, 0 if unknown else await database.vault.rows.keep_only(
            database.vault.ring[0]
        )


@vault.command("destroy")
def destroy(
    municipality: Annotated[str, typer.Option(help="Municipality id.")],
    month: Annotated[str, typer.Option(help="Month, such as 2026-01.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Destroy without confirmation.")] = False,
    config: Config = None,
) -> None:
    """Destroy the key of a month (crypto-shredding).

    The texts, files, numbers, addresses and names of its messages become permanently unreadable.
    """
    found = parse_month(month)
    if found is None:
        raise Unreadable("--month must be a month such as 2026-01")
    settings = bootstrap.read_settings(config)
    switched = asyncio.run(_destroy(settings, municipality, found, confirm=not yes))
    console.print_line(
        f"The key of {month} is destroyed. Running processes discard it within a minute."
    )
    console.print_line(
        "Backups of the tables vault_keys and vault_wraps from before, base backups, archived WAL "
        "segments and snapshots of the disk still hold the key: with vault.key, they can read the "
        "month."
    )
    console.print_line(
        "Delete them, or rotate vault.key and delete the old master key "
        "(docs/how-to/rotate-keys.md)."
    )
    if not switched:
        console.print_line(
            "This login may neither switch the WAL nor checkpoint: let an administrator run "
            "SELECT pg_switch_wal(); CHECKPOINT;"
        )


async def _destroy(
    settings: Settings, municipality_id: str, month: Month, *, confirm: bool
) -> bool:
    async with bootstrap.opened(settings) as database, answering():
        destruction = KeyDestruction(database, municipality_id, month)
        count = await destruction.check(database.clock())
        console.stdout.print(
            f"[bold red]{count} deliveries of {escape(municipality_id)} become permanently "
            "unreadable:[/] "
            "texts, files, numbers, addresses and names. Statuses, times and statistics remain."
        )
        if confirm:
            console.confirmed("Destroy the key?")
        if not await destruction.carry_out(login(), database.clock()):
            raise NotAllowedHere("the key has been destroyed by somebody else meanwhile")
        return destruction.switched
