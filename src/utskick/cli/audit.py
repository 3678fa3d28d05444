"""``utskick audit``: list the audit trail and verify its hash chain."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer
from asyncpg import UndefinedTableError
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console
from utskick.cli.client import ORIGIN
from utskick.cli.options import Config, Municipality
from utskick.domain.audit import Action, AuditEntry, ChainLink
from utskick.domain.audit_heads import ExportFault, verify_export
from utskick.domain.clock import swedish, utc_now
from utskick.domain.errors import Unreadable
from utskick.domain.message import Caller
from utskick.settings import Settings
from utskick.store.administration.audit import Audit, Verified
from utskick.store.administration.audit_heads import AuditHeads, AuditKeys, exported
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
    """Verify the hash chain of the audit trail, for every municipality that is served.

    Reports the first link that does not match, a head that was signed on an earlier day and is no
    longer in the chain, and a trail that is empty or missing. The exit status is then 1.
    """
    settings = bootstrap.read_settings(config)
    found = asyncio.run(_verified(settings, municipality, _link(expect)))
    table = _table("municipality", "links", "not yet linked", "head, to be recorded elsewhere", "")
    for name, (result, finding) in found.items():
        table.add_row(
            name,
            str(result.head.number),
            str(result.waiting),
            f"{result.head.number}:{result.head.digest.hex()}",
            "[green]intact[/]" if finding is None else f"[bold red]{escape(finding)}[/]",
        )
    console.stdout.print(table)
    if any(finding is not None for _, finding in found.values()):
        raise typer.Exit(1)


@audit.command()
def key(config: Config = None) -> None:
    """Print the public keys that verify signed heads and exports; keep them elsewhere."""
    for name, public in asyncio.run(_keys(bootstrap.read_settings(config))).items():
        console.print_line(f"{name} {public.hex()}")


@audit.command()
def export(
    municipality: Municipality = "2281",
    after: Annotated[int, typer.Option(min=0, help="Export the entries after this link.")] = 0,
    output: Annotated[Path | None, typer.Option(help="File; default: standard output.")] = None,
    config: Config = None,
) -> None:
    """Export the audit trail of a municipality as signed JSON lines."""
    settings = bootstrap.read_settings(config)
    if output is None:
        asyncio.run(_export(settings, municipality, after, sys.stdout.buffer))
        return
    with output.open("xb") as file:
        asyncio.run(_export(settings, municipality, after, file))


@audit.command("verify-export")
def verify_file(
    file: Annotated[Path, typer.Argument(help="File of `utskick audit export`.")],
    key: Annotated[str, typer.Option(help="Public key, as printed by `utskick audit key`.")],
) -> None:
    """Verify an exported audit trail; needs neither database nor settings."""
    try:
        public = bytes.fromhex(key.split()[-1] if key.split() else "")
        with file.open("rb") as lines:
            found = verify_export(lines, public)
    except ValueError:
        raise Unreadable("--key must be a public key as `utskick audit key` prints it") from None
    except OSError as fault:
        raise Unreadable(f"{file} cannot be read: {fault.strerror}") from None
    except ExportFault as fault:
        console.print_line(f"not valid: {fault}")
        raise typer.Exit(1) from None
    console.print_line(
        f"valid: {found.municipality_id}, entries {found.first.number + 1} to {found.last.number},"
        f" {found.heads} signed heads, key {found.key}, head"
        f" {found.last.number}:{found.last.digest.hex()}"
    )


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
) -> dict[str, tuple[Verified, str | None]]:
    """Return the result of each municipality, and what is wrong with its trail."""
    async with bootstrap.opened(settings) as database, answering():
        trail, heads = Audit(database), AuditHeads(database)
        try:
            names = (
                [municipality]
                if municipality
                else sorted({*settings.municipalities, *await trail.municipalities()})
            )
            results = {name: await trail.verify(name, expected) for name in names}
            return {
                name: (result, await _finding(result, name, trail, heads))
                for name, result in results.items()
            }
        except UndefinedTableError as fault:
            raise Unreadable(f"the audit trail is missing: {fault}") from None


async def _finding(
    result: Verified, municipality_id: str, trail: Audit, heads: AuditHeads
) -> str | None:
    """Return what is wrong with a trail, None where it is intact."""
    if result.broken is not None:
        return f"broken at {result.broken.number}: {result.broken.what}"
    if (forged := await heads.forged(municipality_id)) is not None:
        return f"the head of {forged.day} has no valid signature"
    for head in await heads.of(municipality_id):
        if (await trail.digest(municipality_id, head.link.number)) != head.link.digest:
            return (
                f"the head that was signed on {head.day} ({head.link.number}:"
                f"{head.link.digest.hex()}) is not in the chain: it was cut off or written anew"
            )
    if result.head.number == 0 and result.waiting == 0:
        return "empty: no call has been recorded yet, or all of it was removed"
    return None


async def _keys(settings: Settings) -> dict[str, bytes]:
    async with bootstrap.opened(settings) as database, answering():
        await AuditKeys(database).signing()
        return await AuditKeys(database).public()


async def _export(settings: Settings, municipality: str, after: int, file: BinaryIO) -> None:
    async with bootstrap.opened(settings) as database, answering():
        await Audit(database).link()
        async for line in exported(database, municipality, after):
            file.write(line)


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
