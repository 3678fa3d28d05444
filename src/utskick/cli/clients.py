"""``utskick clients``: manage the OAuth2 clients of the embedded issuer, in the database."""

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
from utskick.cli import console
from utskick.cli.audit import audit_change
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.cli.payloads import read_file
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.errors import Unreadable
from utskick.settings import Settings
from utskick.store.administration.clients import Client, Clients, Contract
from utskick.store.database import Database, answering

clients = typer.Typer(
    no_args_is_help=True,
    help="Manage the systems that may request tokens from the embedded issuer.",
)
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the client, which is also its client id.")
]
T = TypeVar("T")
_HOURS: Final = OVERLAP / timedelta(hours=1)


@clients.command()
def create(
    name: Name,
    municipality: Annotated[
        list[str] | None,
        typer.Option(help="Municipality that the client may act for. May be repeated."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Scope granted to the client, such as sms:send. May be repeated."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Grant all scopes.")] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help=(
                "Public key (PEM, JWK or JWK set) of a client that authenticates with a signed "
                "assertion instead of a secret."
            ),
        ),
    ] = None,
    contract: Annotated[
        Contract,
        typer.Option(
            help=(
                "strict: answers have exactly the members and words of the contract, for generated "
                "clients that refuse others."
            ),
        ),
    ] = "open",
    config: Config = None,
) -> None:
    """Create a client. Its secret is displayed once.

    Example: utskick clients create school-system --municipality 2281 --scope sms:send
    """
    if everything and scope:
        raise Unreadable("--all and --scope cannot be combined")
    keys = public_key.read(read_file(key).data) if key is not None else None
    allowed = ClientPermissions(
        tuple(dict.fromkeys(municipality or ())),
        _all_scopes() if everything else tuple(dict.fromkeys(scope or ())),
        contract,
    )
    settings = bootstrap.read_settings(config)
    secret = _with_registry(
        settings, lambda registry: registry.create(name, allowed, keys), ("createClient", name)
    )
    rows = [
        ("client id", name),
        ("municipalities", ", ".join(allowed.municipalities)),
        ("scopes", " ".join(allowed.scopes)),
        ("contract", allowed.contract),
        *([("key ids", escape(" ".join(each["kid"] for each in keys["keys"])))] if keys else []),
    ]
    console.stdout.print(console.value_table(rows))
    if secret is not None:
        _show_secret(secret)


@clients.command("list")
def list_clients(config: Config = None) -> None:
    """List all clients, including revoked ones."""
    rows = _with_registry(bootstrap.read_settings(config), lambda registry: registry.listed())
    table = Table()
    for heading in (
        "client",
        "municipalities",
        "scopes",
        "authenticates with",
        "contract",
        "created",
        "last token",
        "state",
    ):
        table.add_column(heading, no_wrap=heading in ("client", "created"), overflow="fold")
    for client in rows:
        table.add_row(
            client.id,
            " ".join(client.municipalities),
            _scope_text(client.scopes),
            "a secret" if client.public_keys is None else "a key",
            client.contract,
            _day(client.created_at),
            _day(client.used_at),
            _state(client),
        )
    console.stdout.print(table)


@clients.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float,
        typer.Option(min=0, max=720, help="Hours during which the previous secret remains valid."),
    ] = _HOURS,
    config: Config = None,
) -> None:
    """Issue a new secret for a client. It is displayed once."""
    secret = _with_registry(
        bootstrap.read_settings(config),
        lambda registry: registry.rotate(name, timedelta(hours=overlap)),
        ("rotateClient", name),
    )
    _show_secret(secret)
    console.print_line(
        f"The previous secret remains valid for {overlap:g} hours."
        if overlap
        else "The previous secret is no longer valid."
    )


@clients.command("contract")
def set_contract(name: Name, form: Contract, config: Config = None) -> None:
    """Set the form of a client's answers: open, or strict.

    strict: exactly the members and words of the contract, for generated clients that refuse others.
    It applies from the client's next token on.
    """
    _with_registry(
        bootstrap.read_settings(config),
        lambda registry: registry.set_contract(name, form),
        ("setClientContract", name),
    )
    console.print_line(f"{name} gets {form} answers with its next token.")


@clients.command()
def revoke(name: Name, config: Config = None) -> None:
    """Revoke a client.

    It gets no new tokens; those already issued expire within minutes. The name cannot be used
    again.
    """
    _with_registry(
        bootstrap.read_settings(config),
        lambda registry: registry.revoke(name),
        ("revokeClient", name),
    )
    console.print_line(f"{name} is revoked and gets no more tokens.")


def _with_registry(
    settings: Settings,
    do: Callable[[ClientRegistry], Awaitable[T]],
    audited: tuple[str, str] | None = None,
) -> T:
    """Run ``do`` on the client registry.

    ``audited`` is the operation and the client id, recorded in the audit trail of each municipality
    of the client.
    """

    async def run() -> T:
        async with bootstrap.opened(settings) as database, answering():
            done = await do(
                ClientRegistry(Clients(database), _all_scopes(), settings.municipalities, utc_now)
            )
            if audited is not None:
                await _audit(database, *audited)
            return done

    return asyncio.run(run())


async def _audit(database: Database, operation: str, name: str) -> None:
    client = await Clients(database).get(name)
    for municipality_id in client.municipalities if client is not None else ():
        await audit_change(
            database, municipality_id, login(), {"operation": operation, "client": name}
        )


def _all_scopes() -> tuple[str, ...]:
    return tuple(scopes.every(CHANNELS))


def _scope_text(held: tuple[str, ...]) -> str:
    return "all" if set(held) == set(_all_scopes()) else " ".join(held)


def _state(client: Client) -> str:
    if client.revoked_at is not None:
        return f"[red]revoked {_day(client.revoked_at)}[/]"
    return "[yellow]two secrets[/]" if len(client.digests(utc_now())) > 1 else "[green]active[/]"


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(SWEDEN):%Y-%m-%d}" if moment else "never"


def _show_secret(secret: str) -> None:
    console.print_line("The secret, which is not stored and will not be displayed again:")
    console.print_line(secret)
