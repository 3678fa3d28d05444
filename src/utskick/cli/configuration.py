"""``utskick configuration``: what municipalities and parts of them say of channels; the database is
read and written directly."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.bootstrap import channels as speaking
from utskick.cli import console as screen
from utskick.cli.audit import trace_change
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.configuration import redaction as showing
from utskick.configuration.changes import Change, Changes
from utskick.configuration.inheritance import ACCOUNTS
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.domain.clock import utc_now
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import Invalid, Unreadable, Violation
from utskick.domain.unit import Unit, is_organization_number
from utskick.settings import Settings
from utskick.store.database import Database, answering

configuration = typer.Typer(
    no_args_is_help=True,
    help="What a municipality, an organisation or a department says of channels and limits.",
)

MunicipalityId = Annotated[
    str, typer.Argument(metavar="MUNICIPALITY", help="Municipality id, such as 2281.")
]
Section = Annotated[
    str,
    typer.Argument(help="A channel, as in the settings (sms, email, digital_mail …), or limits."),
]
Organization = Annotated[
    str | None, typer.Option("--organization", help="For one organisation: its number, 10 digits.")
]
Department = Annotated[
    str | None, typer.Option("--department", help="For one department, as callers write it.")
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who answers for it, on the audit trail.",
        default_factory=lambda: login() or "unnamed",
    ),
]


@configuration.command("list")
def listed(municipality: MunicipalityId, config: Config = None) -> None:
    """Show all that is set in a municipality."""
    settings = _served(bootstrap.read_settings(config), Unit(municipality))
    table = Table(
        "organisation",
        "department",
        "section",
        "says",
        "set by",
        title=f"configuration of {municipality}",
        title_justify="left",
    )

    async def look(_: Database, watch: ConfigurationWatcher) -> None:
        for said in watch.now.of_municipality(municipality):
            value = showing.own(watch.now, said)
            words = ", ".join(value) if value is not None else "[red]cannot be used[/]"
            unit = said.unit
            table.add_row(
                unit.organization_number or "",
                escape(unit.department or ""),
                said.section,
                words,
                _who(said),
            )

    _run(settings, look)
    screen.console.print(
        table
        if table.row_count
        else f"Nothing is set in {municipality}: the settings of the service apply."
    )


@configuration.command()
def show(
    municipality: MunicipalityId,
    section: Section,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Show what applies to a unit, member by member, and who says it. Secrets are not shown."""
    unit = Unit(municipality, organization, department)
    settings = _served(bootstrap.read_settings(config), unit)
    table = Table(
        "member",
        "value",
        "said by",
        title=f"{section} for {escape(str(unit))}",
        title_justify="left",
    )

    async def look(_: Database, watch: ConfigurationWatcher) -> None:
        _check(watch, section)
        for member, (value, said) in sorted(showing.effective(watch.now, section, unit).items()):
            if member == ACCOUNTS and not value and speaking.in_sandbox(settings):
                value = "the sandbox's"
            words = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
            )
            table.add_row(
                member,
                escape(words),
                f"{escape(str(said.unit))}\n{_who(said)}" if said else "the service",
            )

    _run(settings, look)
    screen.console.print(table)


@configuration.command("set")
def put(
    municipality: MunicipalityId,
    section: Section,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="TOML or JSON: the members, named as in the settings."
        ),
    ],
    by: By,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Set what a unit says of a section, in the place of all that it said. A running service works
    by it at once."""
    change = Change(Unit(municipality, organization, department), section, by, utc_now())
    given, settings = _read(file), _served(bootstrap.read_settings(config), change.unit)

    async def write(database: Database, watch: ConfigurationWatcher) -> None:
        _check(watch, section)
        await Changes(watch, speaking.provider_policy(settings)).put(change, given)
        await _trace(database, change, "putConfiguration")

    _run(settings, write)
    screen.say(f"{section} is set for {change.unit}.")


@configuration.command()
def remove(
    municipality: MunicipalityId,
    section: Section,
    by: By,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Let a unit say nothing of a section any more: it takes after those above it."""
    change = Change(Unit(municipality, organization, department), section, by, utc_now())
    settings = _served(bootstrap.read_settings(config), change.unit)
    removed = False

    async def write(database: Database, watch: ConfigurationWatcher) -> None:
        nonlocal removed
        _check(watch, section)
        removed = await Changes(watch, speaking.provider_policy(settings)).delete(
            change.unit, section
        )
        if removed:
            await _trace(database, change, "deleteConfiguration")

    _run(settings, write)
    screen.say(
        f"{section} is no longer set for {change.unit}."
        if removed
        else f"{section} was not set for {change.unit}."
    )


def _run(settings: Settings, work: Any) -> None:
    async def run() -> None:
        async with _opened(settings) as (database, watch):
            await work(database, watch)

    asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, ConfigurationWatcher]]:
    async with bootstrap.opened(settings) as database, answering():
        watch = speaking.configuration_watcher(settings, database)
        await watch.refresh()
        yield database, watch


async def _trace(database: Database, change: Change, operation: str) -> None:
    unit = change.unit
    named = {"organizationNumber": unit.organization_number, "department": unit.department}
    subject = {
        "operation": operation,
        "section": change.section,
        **{name: value for name, value in named.items() if value},
    }
    await trace_change(database, unit.municipality_id, change.by, subject)


def _served(settings: Settings, unit: Unit) -> Settings:
    """The settings, once it is known that they serve this unit. Raises ``Invalid``."""
    faults = []
    if unit.municipality_id not in settings.municipalities:
        faults.append(
            Violation(
                "municipality",
                f"is not served here: there are {', '.join(settings.municipalities)}",
            )
        )
    if unit.organization_number is not None and not is_organization_number(
        unit.organization_number
    ):
        faults.append(Violation("organization", "must be an organisation number of 10 digits"))
    if faults:
        raise Invalid(faults)
    return settings


def _check(watch: ConfigurationWatcher, section: str) -> None:
    if section not in watch.now.kinds:
        raise Invalid(
            [Violation("section", f"must be one of {', '.join(sorted(watch.now.kinds))}")]
        )


def _who(said: UnitSetting) -> str:
    return (
        "settings"
        if said.set_at is None
        else f"{escape(said.set_by or '')}, {said.set_at:%Y-%m-%d}"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, OSError) as fault:
        raise Unreadable(
            f"{file} cannot be read: {fault if isinstance(fault, OSError) else type(fault).__name__}"
        ) from None
    if not isinstance(found, dict):
        raise Unreadable(f"{file} must hold an object, with the members of the section")
    return found
