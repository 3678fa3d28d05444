"""``utskick audit``: who did what, and whether the trail is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console as screen
from utskick.cli.client import ORIGIN
from utskick.cli.options import Config, Municipality
from utskick.domain.audit import Action, AuditEntry, ChainLink
from utskick.domain.clock import swedish, utc_now
from utskick.domain.errors import Unreadable
from utskick.domain.message import Caller
from utskick.settings import Settings
from utskick.store.administration.audit import Audit, Verified
from utskick.store.database import Database, answering

audit = typer.Typer(no_args_is_help=True, help="The audit trail: who did what, when, from where.")


@audit.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            help="A link that was noted before, NUMBER:DIGEST; it must still be in the chain."
        ),
    ] = None,
    municipality: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    config: Config = None,
) -> None:
    """Walk the chain of every municipality, and name the first link that does not hold. Exit status
    1 where one is broken."""
    settings = bootstrap.read_settings(config)
    found = asyncio.run(_verified(settings, municipality, _link(expect)))
    table = _table("municipality", "links", "not linked yet", "head, to be noted elsewhere", "")
    for name, told in found.items():
        verdict = (
            "[green]whole[/]"
            if told.broken is None
            else f"[bold red]broken at {told.broken.number}: {escape(told.broken.what)}[/]"
        )
        table.add_row(
            name,
            str(told.head.number),
            str(told.waiting),
            f"{told.head.number}:{told.head.digest.hex()}",
            verdict,
        )
    screen.console.print(table)
    if any(told.broken for told in found.values()):
        raise typer.Exit(1)


@audit.command("list")
def newest(
    municipality: Municipality = "2281",
    action: Annotated[Action | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    config: Config = None,
) -> None:
    """Show the newest entries of a municipality."""
    rows = asyncio.run(_newest(bootstrap.read_settings(config), municipality, limit, action))
    table = _table("when", "what", "client, system, user, from", "to what")
    for row in rows:
        subject = dict(row["subject"])
        what = [row["action"], subject.pop("operation", None)]
        who = [row["client"], row["origin"], row["issuer"], row["address"]]
        told = [
            f"{name} {value if isinstance(value, str) else orjson.dumps(value).decode()}"
            for name, value in subject.items()
        ]
        moment = swedish(row["at"])[:19].replace("T", "\n")
        table.add_row(
            moment,
            *("\n".join(escape(each) for each in lines if each) for lines in (what, who, told)),
        )
    screen.console.print(table)


async def trace_change(
    database: Database, municipality_id: str, by: str | None, subject: Mapping[str, Any]
) -> None:
    """Write the entry of a change that was made on the command line. ``by``: who is
    responsible."""
    await Audit(database).note(entry_of(municipality_id, by, subject))


def entry_of(municipality_id: str, by: str | None, subject: Mapping[str, Any]) -> AuditEntry:
    """Build the entry of a change on the command line."""
    return AuditEntry(Action.CONFIGURE, Caller(municipality_id, ORIGIN, by), utc_now(), subject)


def _table(*names: str) -> Table:
    """Nothing in it is cut off: a head that is to be noted is of no use without its end."""
    table = Table(show_lines=True)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


async def _verified(
    settings: Settings, municipality: str | None, expected: ChainLink | None
) -> dict[str, Verified]:
    async with bootstrap.opened(settings) as database, answering():
        trail = Audit(database)
        names = [municipality] if municipality else await trail.municipalities()
        return {name: await trail.verify(name, expected) for name in names}


async def _newest(
    settings: Settings, municipality: str, limit: int, action: Action | None
) -> Sequence[Mapping[str, Any]]:
    async with bootstrap.opened(settings) as database, answering():
        return await Audit(database).last(municipality, limit, action)


def _link(text: str | None) -> ChainLink | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    try:
        return ChainLink(int(number), bytes.fromhex(digest))
    except ValueError:
        raise Unreadable(
            "--expect is written as `utskick audit verify` shows it: NUMBER:DIGEST"
        ) from None
