"""``utskick vault``: the keys that seal personal data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console as screen
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.domain.clock import utc_now
from utskick.domain.errors import NotAllowedHere, Unreadable
from utskick.domain.month import Month, parse_month
from utskick.settings import Settings
from utskick.store.crypto.key_rows import INDEX, KeyRow
from utskick.store.crypto.master_key import new_key
from utskick.store.database import answering
from utskick.store.retention.key_destruction import KeyDestruction

vault = typer.Typer(
    no_args_is_help=True,
    help="The keys that seal personal data in the database (docs/explanation/vault.md).",
)


@vault.command("new-key")
def make() -> None:
    """Print a new key for vault.key or the file of vault.key_file. Keep a copy: without it the data
    cannot be read."""
    screen.say(new_key())


@vault.command("status")
def status(config: Config = None) -> None:
    """Show the vault's keys by municipality and month, and which key of the settings wraps each."""
    rows, ring = asyncio.run(_status(bootstrap.read_settings(config)))
    table = Table(
        "municipality", "key", "wrapped by", "made", title="keys of the vault", title_justify="left"
    )
    for row in rows:
        table.add_row(
            row.place[0] or "all",
            _named(row.place[1]),
            _wrapped(row, ring),
            f"{row.created:%Y-%m-%d}",
        )
    screen.console.print(table)
    screen.say(f"The settings have {', '.join(f'{name} ({_place(ring, name)})' for name in ring)}.")
    first, older = ring[0], {name for row in rows for name in row.wraps} - {ring[0]}
    living = [row for row in rows if row.destroyed is None]
    if any(first not in row.wraps for row in living):
        screen.say(
            "Not all keys are wrapped by vault.key: old_keys must stay. `utskick vault rewrap` changes that."
        )
    elif older:
        screen.say(
            "All keys are wrapped by vault.key. When every process has it, `utskick vault rewrap` takes the older wrapping away."
        )


async def _status(settings: Settings) -> tuple[list[KeyRow], tuple[str, ...]]:
    async with bootstrap.opened(settings) as database, answering():
        return await database.vault.rows.all(), database.vault.ring


def _named(period: str) -> str:
    return (
        "index of parties and files"
        if period == INDEX
        else period
        if parse_month(period)
        else "directory, lasting secrets"
    )


def _wrapped(row: KeyRow, ring: Sequence[str]) -> str:
    if row.destroyed is not None:
        return f"[red]destroyed {row.destroyed:%Y-%m-%d}[/]"
    return ", ".join(
        f"{name} ({_place(ring, name)})"
        for name in sorted(row.wraps, key=lambda n: ring.index(n) if n in ring else len(ring))
    )


def _place(ring: Sequence[str], name: str) -> str:
    return "not in the settings" if name not in ring else "key" if name == ring[0] else "old_keys"


@vault.command("rewrap")
def rewrap(config: Config = None) -> None:
    """End a change of keys: all is wrapped by the settings' key, and no more by older ones. Every
    process must have the new key by now."""
    strange, gone = asyncio.run(_rewrap(bootstrap.read_settings(config)))
    if strange:
        raise NotAllowedHere(
            f"{strange} keys of the vault are wrapped by a key that the settings do not have: add it to vault.old_keys"
        )
    screen.say(
        f"All keys are wrapped by vault.key alone ({gone} older wrappings taken away). vault.old_keys may go."
    )


async def _rewrap(settings: Settings) -> tuple[int, int]:
    async with bootstrap.opened(settings) as database, answering():
        strange = await database.vault.rewrap()
        return strange, 0 if strange else await database.vault.rows.keep_only(
            database.vault.ring[0]
        )


@vault.command("destroy")
def destroy(
    municipality: Annotated[str, typer.Option(help="Municipality id.")],
    month: Annotated[str, typer.Option(help="The month, as 2026-01.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Destroy without asking.")] = False,
    config: Config = None,
) -> None:
    """Destroy the key of a month: what was said in it cannot be read any more, by anybody, ever."""
    found = parse_month(month)
    if found is None:
        raise Unreadable("--month must be a month like 2026-01")
    asyncio.run(_destroy(bootstrap.read_settings(config), municipality, found, asks=not yes))
    screen.say(f"The key of {month} is destroyed. Running processes forget it within a minute.")
    screen.say(
        "A backup that holds the tables vault_keys and vault_wraps holds it, too: let it go, or change vault.key and let the old"
    )
    screen.say("key go (docs/how-to/destroy-a-month.md).")


async def _destroy(settings: Settings, municipality_id: str, month: Month, *, asks: bool) -> None:
    async with bootstrap.opened(settings) as database, answering():
        destruction = KeyDestruction(database, municipality_id, month)
        count = await destruction.check(utc_now())
        screen.console.print(
            f"[bold red]{count} deliveries of {escape(municipality_id)} become unreadable for ever:[/] "
            "texts, files, numbers, addresses, names. Statuses, times and statistics stay."
        )
        if asks:
            typer.confirm("Destroy the key?", abort=True)
        if not await destruction.carry_out(login(), utc_now()):
            raise NotAllowedHere("the key was destroyed by somebody else meanwhile")
