"""``utskick clients``: the systems that may fetch tokens here; on the database itself, like
``utskick directory``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.auth import public_key, scopes
from utskick.auth.client_registry import OVERLAP, ClientPermissions, ClientRegistry
from utskick.channels.registry import CHANNELS
from utskick.cli import console as screen
from utskick.cli.audit import trace_change
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.cli.payloads import read_file
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.errors import Unreadable
from utskick.settings import Settings
from utskick.store.administration.clients import Client, Clients
from utskick.store.database import Database, answering

clients = typer.Typer(
    no_args_is_help=True,
    help="Who may fetch tokens from the embedded issuer: systems, each with its secret or its key.",
)
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The client's name, which is its client id.")
]
T = TypeVar("T")
_HOURS: Final = OVERLAP / timedelta(hours=1)


@clients.command()
def create(
    name: Name,
    municipality: Annotated[
        list[str] | None, typer.Option(help="A municipality that it speaks for. May be repeated.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope that it gets, such as sms:send. May be repeated."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All scopes.")] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="PEM, JWK or JWK set: it signs with its own key, and has no secret.",
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Make a client. Its secret is shown once."""
    if everything and scope:
        raise Unreadable("--all and --scope say the same twice; write one of them")
    keys = public_key.read(read_file(key).data) if key is not None else None
    allowed = ClientPermissions(
        tuple(dict.fromkeys(municipality or ())),
        _every() if everything else tuple(dict.fromkeys(scope or ())),
    )
    settings = bootstrap.read_settings(config)
    secret = _with(
        settings, lambda register: register.create(name, allowed, keys), ("createClient", name)
    )
    rows = [
        ("client id", name),
        ("municipalities", ", ".join(allowed.municipalities)),
        ("scopes", " ".join(allowed.scopes)),
        *([("key ids", escape(" ".join(each["kid"] for each in keys["keys"])))] if keys else []),
    ]
    screen.console.print(screen.sheet(rows))
    if secret is not None:
        _show_secret(secret)


@clients.command("list")
def show(config: Config = None) -> None:
    """All clients, also those that were revoked."""
    found = _with(bootstrap.read_settings(config), lambda register: register.listed())
    table = Table()
    for heading in ("client", "municipalities", "scopes", "shows", "made", "last token", "state"):
        table.add_column(heading, no_wrap=heading in ("client", "made"), overflow="fold")
    for client in found:
        table.add_row(
            client.id,
            " ".join(client.municipalities),
            _in_short(client.scopes),
            "a secret" if client.public_keys is None else "its key",
            _day(client.created_at),
            _day(client.used_at),
            _state(client),
        )
    screen.console.print(table)


@clients.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float, typer.Option(min=0, max=720, help="Hours that the secret before is still good.")
    ] = _HOURS,
    config: Config = None,
) -> None:
    """Give a client a new secret; it is shown once."""
    secret = _with(
        bootstrap.read_settings(config),
        lambda register: register.rotate(name, timedelta(hours=overlap)),
        ("rotateClient", name),
    )
    _show_secret(secret)
    screen.say(
        f"The secret before is good for {overlap:g} hours more."
        if overlap
        else "The secret before is no longer good."
    )


@clients.command()
def revoke(name: Name, config: Config = None) -> None:
    """Give a client no more tokens; those that it has end within minutes. Its name is not used
    again."""
    _with(
        bootstrap.read_settings(config),
        lambda register: register.revoke(name),
        ("revokeClient", name),
    )
    screen.say(f"{name} gets no more tokens.")


def _with(
    settings: Settings,
    do: Callable[[ClientRegistry], Awaitable[T]],
    traced: tuple[str, str] | None = None,
) -> T:
    """``traced``: what is done to which client, for the trails of all its municipalities."""

    async def run() -> T:
        async with bootstrap.opened(settings) as database, answering():
            done = await do(
                ClientRegistry(Clients(database), _every(), settings.municipalities, utc_now)
            )
            if traced is not None:
                await _trace(database, *traced)
            return done

    return asyncio.run(run())


async def _trace(database: Database, operation: str, name: str) -> None:
    client = await Clients(database).get(name)
    for municipality_id in client.municipalities if client is not None else ():
        await trace_change(
            database, municipality_id, login(), {"operation": operation, "client": name}
        )


def _every() -> tuple[str, ...]:
    return tuple(scopes.every(CHANNELS))


def _in_short(held: tuple[str, ...]) -> str:
    return "all" if set(held) == set(_every()) else " ".join(held)


def _state(client: Client) -> str:
    if client.revoked_at is not None:
        return f"[red]revoked {_day(client.revoked_at)}[/]"
    return "[yellow]two secrets[/]" if len(client.digests(utc_now())) > 1 else "[green]good[/]"


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(SWEDEN):%Y-%m-%d}" if moment else "never"


def _show_secret(secret: str) -> None:
    screen.say("Its secret, which is kept nowhere and is not shown again:")
    screen.say(secret)
