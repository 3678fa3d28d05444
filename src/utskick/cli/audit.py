"""``utskick audit``: list the audit trail and verify its hash chain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console
from utskick.cli.client import ORIGIN
from utskick.cli.options import Config, Municipality
from utskick.domain.audit import Action, AuditEntry, ChainLink
from utskick.domain.clock import swedish, utc_now
from utskick.domain.errors import Unreadable
from utskick.domain.message import Caller
from utskick.settings import Settings
from utskick.store.administration.audit import Audit, Verified
from utskick.store.database import Database, answering

audit = typer.Typer(no_args_is_help=True, help="List and verify the audit trail.")


@audit.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            help="Link recorded earlier, as NUMBER:DIGEST, which must still be in the chain."
        ),
    ] = None,
    municipality: Annotated[str | None, typer.Option(help="Verify this municipality only.")] = None,
    config: Config = None,
) -> None:
    """Verify the hash chain of the audit trail, for every municipality.

    Reports the first link that does not match. The exit status is 1 if a chain is broken.
    """
    settings = bootstrap.read_settings(config)
    found = asyncio.run(_verified(settings, municipality, _link(expect)))
    table = _table("municipality", "links", "not yet linked", "head, to be recorded elsewhere", "")
    for name, result in found.items():
        verdict = (
            "[green]intact[/]"
            if result.broken is None
            else f"[bold red]broken at {result.broken.number}: {escape(result.broken.what)}[/]"
        )
        table.add_row(
            name,
            str(result.head.number),
            str(result.waiting),
            f"{result.head.number}:{result.head.digest.hex()}",
            verdict,
        )
    console.stdout.print(table)
    if any(result.broken for result in found.values()):
        raise typer.Exit(1)


@audit.command("list")
def list_entries(
    municipality: Municipality = "2281",
    action: Annotated[Action | None, typer.Option(help="List this kind of action only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of entries.")] = 50,
    config: Config = None,
) -> None:
    """List the newest audit entries of a municipality."""
    rows = asyncio.run(_list_entries(bootstrap.read_settings(config), municipality, limit, action))
    table = _table("time", "action", "client, system, user, address", "subject")
    for row in rows:
        subject = dict(row["subject"])
        what = [row["action"], subject.pop("operation", None)]
        who = [row["client"], row["origin"], row["issuer"], row["address"]]
        details = [
            f"{name} {value if isinstance(value, str) else orjson.dumps(value).decode()}"
            for name, value in subject.items()
        ]
        moment = swedish(row["at"])[:19].replace("T", "\n")
        table.add_row(
            moment,
            *("\n".join(escape(each) for each in lines if each) for lines in (what, who, details)),
        )
    console.stdout.print(table)


async def audit_change(
    database: Database, municipality_id: str, by: str | None, subject: Mapping[str, Any]
) -> None:
    """Record a configuration change made on the command line; ``by`` is the responsible person."""
    await Audit(database).note(entry_of(municipality_id, by, subject))


def entry_of(municipality_id: str, by: str | None, subject: Mapping[str, Any]) -> AuditEntry:
    """Build the audit entry of a change that is made on the command line."""
    return AuditEntry(Action.CONFIGURE, Caller(municipality_id, ORIGIN, by), utc_now(), subject)


def _table(*names: str) -> Table:
    """Return a table that never truncates: a chain head is only useful if it is complete."""
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


async def _list_entries(
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
            "--expect must be a head as printed by `utskick audit verify`: NUMBER:DIGEST"
        ) from None
