"""``utskick configuration``: settings of municipalities and their units, in the database."""

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
from utskick.bootstrap import channels as channel_setup
from utskick.bootstrap.simulation import in_sandbox
from utskick.cli import console
from utskick.cli.audit import entry_of
from utskick.cli.client import login
from utskick.cli.options import Config
from utskick.configuration import redaction
from utskick.configuration.changes import Change, Changes
from utskick.configuration.inheritance import ACCOUNTS
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import Invalid, Unreadable, Violation
from utskick.domain.unit import Unit, is_organization_number
from utskick.settings import Settings
from utskick.store.database import Database, answering

configuration = typer.Typer(
    no_args_is_help=True,
    help="Manage settings of municipalities, organisations and departments.",
)

MunicipalityId = Annotated[
    str, typer.Argument(metavar="MUNICIPALITY", help="Municipality id, such as 2281.")
]
Section = Annotated[
    str,
    typer.Argument(
        help="Section of the settings: a channel (sms, email, digital_mail …) or limits."
    ),
]
Organization = Annotated[
    str | None,
    typer.Option("--organization", help="Apply to one organisation only: its number of 10 digits."),
]
Department = Annotated[
    str | None,
    typer.Option("--department", help="Apply to one department only, as callers name it."),
]
ResponsiblePerson = Annotated[
    str,
    typer.Option(
        "--by",
        help="Person responsible for the change, recorded in the audit trail.",
        default_factory=lambda: login() or "unnamed",
    ),
]


@configuration.command("list")
def list_settings(municipality: MunicipalityId, config: Config = None) -> None:
    """List everything that is set for a municipality and its units."""
    settings = _check_served(bootstrap.read_settings(config), Unit(municipality))
    table = Table(
        "organisation",
        "department",
        "section",
        "members",
        "set by",
        title=f"configuration of {municipality}",
        title_justify="left",
    )

    async def show_rows(_: Database, watcher: ConfigurationWatcher) -> None:
        for setting in watcher.now.of_municipality(municipality):
            value = redaction.own(watcher.now, setting)
            text = ", ".join(value) if value is not None else "[red]invalid[/]"
            unit = setting.unit
            table.add_row(
                unit.organization_number or "",
                escape(unit.department or ""),
                setting.section,
                text,
                _set_by(setting),
            )

    _run(settings, show_rows)
    console.stdout.print(
        table
        if table.row_count
        else f"Nothing is set for {municipality}: the settings of the service apply."
    )


@configuration.command()
def show(
    municipality: MunicipalityId,
    section: Section,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Show the effective settings of a unit, and where each value is set.

    Secrets are not displayed.
    """
    unit = Unit(municipality, organization, department)
    settings = _check_served(bootstrap.read_settings(config), unit)
    table = Table(
        "member",
        "value",
        "set by",
        title=f"{section} for {escape(str(unit))}",
        title_justify="left",
    )

    async def show_rows(_: Database, watcher: ConfigurationWatcher) -> None:
        _check(watcher, section)
        for member, (value, setting) in sorted(
            redaction.effective(watcher.now, section, unit).items()
        ):
            if member == ACCOUNTS and not value and in_sandbox(settings):
                value = "simulated by the sandbox"
            text = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
            )
            table.add_row(
                member,
                escape(text),
                f"{escape(str(setting.unit))}\n{_set_by(setting)}" if setting else "the service",
            )

    _run(settings, show_rows)
    console.stdout.print(table)


@configuration.command("set")
def set_section(
    municipality: MunicipalityId,
    section: Section,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help=("TOML or JSON file with the members of the section, named as in the settings."),
        ),
    ],
    by: ResponsiblePerson,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Set a section for a unit, replacing what was set before.

    A running service applies the change immediately.

    Example: utskick configuration set 2281 sms sms.toml
    """
    change = _change(Unit(municipality, organization, department), section, by, "putConfiguration")
    members = _read(file)
    settings = _check_served(bootstrap.read_settings(config), change.unit)

    async def write(_database: Database, watcher: ConfigurationWatcher) -> None:
        _check(watcher, section)
        await Changes(watcher, channel_setup.provider_policy(settings)).put(change, members)

    _run(settings, write)
    console.print_line(f"{section} is set for {change.unit}.")


@configuration.command()
def remove(
    municipality: MunicipalityId,
    section: Section,
    by: ResponsiblePerson,
    organization: Organization = None,
    department: Department = None,
    config: Config = None,
) -> None:
    """Remove a section from a unit, which then inherits from the units above it."""
    unit = Unit(municipality, organization, department)
    change = _change(unit, section, by, "deleteConfiguration")
    settings = _check_served(bootstrap.read_settings(config), change.unit)
    removed = False

    async def write(_database: Database, watcher: ConfigurationWatcher) -> None:
        nonlocal removed
        _check(watcher, section)
        removed = await Changes(watcher, channel_setup.provider_policy(settings)).delete(change)

    _run(settings, write)
    console.print_line(
        f"{section} is no longer set for {change.unit}."
        if removed
        else f"{section} was not set for {change.unit}."
    )


def _run(settings: Settings, work: Any) -> None:
    async def run() -> None:
        async with _opened(settings) as (database, watcher):
            await work(database, watcher)

    asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, ConfigurationWatcher]]:
    async with bootstrap.opened(settings) as database, answering():
        watcher = channel_setup.configuration_watcher(settings, database)
        await watcher.refresh()
        yield database, watcher


def _change(unit: Unit, section: str, by: str, operation: str) -> Change:
    """Build a change with the audit entry that is written in its transaction."""
    members = {"organizationNumber": unit.organization_number, "department": unit.department}
    subject = {
        "operation": operation,
        "section": section,
        **{name: value for name, value in members.items() if value},
    }
    return Change(unit, section, by, entry_of(unit.municipality_id, by, subject))


def _check_served(settings: Settings, unit: Unit) -> Settings:
    """Return the settings if they cover this unit; raise ``Invalid`` otherwise."""
    faults = []
    if unit.municipality_id not in settings.municipalities:
        faults.append(
            Violation(
                "municipality",
                f"is not served here; the settings have {', '.join(settings.municipalities)}",
            )
        )
    if unit.organization_number is not None and not is_organization_number(
        unit.organization_number
    ):
        faults.append(Violation("organization", "must be an organisation number of 10 digits"))
    if faults:
        raise Invalid(faults)
    return settings


def _check(watcher: ConfigurationWatcher, section: str) -> None:
    if section not in watcher.now.kinds:
        raise Invalid(
            [Violation("section", f"must be one of {', '.join(sorted(watcher.now.kinds))}")]
        )


def _set_by(setting: UnitSetting) -> str:
    return (
        "settings"
        if setting.set_at is None
        else f"{escape(setting.set_by or '')}, {setting.set_at:%Y-%m-%d}"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        content = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, OSError) as fault:
        raise Unreadable(
            f"{file} cannot be read: "
            f"{fault if isinstance(fault, OSError) else type(fault).__name__}"
        ) from None
    if not isinstance(content, dict):
        raise Unreadable(f"{file} must contain an object with the members of the section")
    return content
