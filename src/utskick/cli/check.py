"""``utskick check``: looks at everything the service needs, changes nothing, and says what to
do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.bootstrap import channels as speaking
from utskick.channels.registry import SPOKEN
from utskick.cli import check_auth as door
from utskick.cli import check_storage as storage
from utskick.cli.check_result import SECONDS, Finding, Grade
from utskick.configuration.inheritance import Configuration
from utskick.directory import setup as neighbourhood
from utskick.directory.empty import EMPTY_DIRECTORY
from utskick.domain.channel import AccountHealth, Channel
from utskick.domain.errors import ConfigurationBroken, SettingsFault, UtskickError
from utskick.domain.unit import Unit
from utskick.settings import Settings
from utskick.store.administration.configuration import Rows


async def examine(config: Path | None) -> list[Finding]:
    """Everything, in the order in which the service would need it."""
    where = str(config) if config else "the environment and the defaults"
    try:
        settings = bootstrap.read_settings(config)
        bootstrap.policies_of(settings)
        speaking.rules_of(settings)
        speaking.configuration_of(settings, Rows())
    except SettingsFault as fault:
        return [
            Finding("settings", Grade.FAULT, fault.detail, "mend the settings, then check again")
        ]
    findings, rows = [Finding("settings", Grade.OK, f"read from {where}")], Rows()
    async with storage.database(settings) as (found, inspection):
        findings += found
        try:
            findings.append(await storage.key(settings, inspection))
            findings += await door.look(settings, inspection)
            rows = await inspection.units() if inspection is not None else rows
        except storage.UNUSABLE as fault:
            findings.append(storage.unusable(fault))
    configuration = speaking.configuration_of(settings, rows)
    findings.append(_sandbox(settings))
    for name in SPOKEN:
        findings += await _channel(name, settings, configuration)
    findings += await _neighbours(settings)
    findings.append(_domains(settings, configuration))
    return findings


def _sandbox(settings: Settings) -> Finding:
    if not speaking.in_sandbox(settings):
        return Finding("sandbox", Grade.OK, "off: messages go out")
    simulated = [name for name in SPOKEN if not settings.section(name).accounts]
    if not simulated:
        return Finding(
            "sandbox", Grade.OK, "on, but every channel has accounts of its own: messages go out"
        )
    said = f"on: {', '.join(simulated)} simulated, nothing leaves the machine"
    return Finding(
        "sandbox",
        Grade.WARNING,
        said,
        "add provider accounts to the settings when messages are to go out",
    )


async def _channel(name: str, settings: Settings, configuration: Configuration) -> list[Finding]:
    """Its accounts, those of units among them."""
    try:
        channel = speaking.channel_of(name, configuration, EMPTY_DIRECTORY)
    except (UtskickError, OSError) as fault:
        return [Finding(name, Grade.FAULT, str(fault), f"mend [{name}]")]
    found = await _look(channel)
    if settings.section(name).accounts:
        return found
    if speaking.in_sandbox(settings):
        return [Finding(name, Grade.OK, "the sandbox is its provider"), *found]
    if not found:
        return [
            Finding(
                name,
                Grade.WARNING,
                "no provider account: its calls are answered with 501",
                f"add [{name}.accounts.…]",
            )
        ]
    return found


async def _look(channel: Channel) -> list[Finding]:
    try:
        async with asyncio.timeout(3 * SECONDS), speaking.started({channel.name: channel}):
            found = await channel.look()
    except TimeoutError:
        return [
            Finding(
                channel.name,
                Grade.FAULT,
                "its providers did not answer in time",
                "check addresses, firewall and proxy",
            )
        ]
    return [
        _of_health(
            f"{channel.name} / {health.account}", health, _place(channel.name, health.account)
        )
        for health in found
    ]


def _place(channel: str, account: str) -> str:
    """Where an account is set; a unit's own has the unit behind an @."""
    name, _, unit = account.partition("@")
    return (
        f"`utskick configuration list {unit.partition('.')[0]}`"
        if unit
        else f"[{channel}.accounts.{name}]"
    )


def _of_health(what: str, health: AccountHealth, table: str) -> Finding:
    grade = Grade.FAULT if not health.ok else Grade.WARNING if health.warns else Grade.OK
    return Finding(
        what,
        grade,
        health.sentence,
        "" if health.ok else f"check {table}, the firewall and the provider's own status",
    )


async def _neighbours(settings: Settings) -> list[Finding]:
    """The municipality's own services, where the directory asks them."""
    try:
        async with asyncio.timeout(6 * SECONDS):
            found = await neighbourhood.check(
                settings.section("directory"), settings.default_municipality
            )
    except TimeoutError:
        return [
            Finding(
                "directory",
                Grade.FAULT,
                "its services did not answer in time",
                "check addresses, firewall and proxy",
            )
        ]
    return [
        _of_health(f"directory / {health.account}", health, f"[directory.remote.{health.account}]")
        for health in found
    ]


def _domains(settings: Settings, configuration: Configuration) -> Finding:
    """Where none are named, everybody may send from every domain."""
    free = [
        municipality
        for municipality in settings.municipalities
        if _may_use_any_domain(configuration, municipality)
    ]
    if not free:
        return Finding(
            "sender domains", Grade.OK, "e-mail is sent from the domains that are named only"
        )
    said = f"{', '.join(free)} may send e-mail from any domain"
    todo = f'name them: [email] domains = ["example.se"], or [configuration.{free[0]}.email] domains = …'
    return Finding("sender domains", Grade.WARNING, said, todo)


def _may_use_any_domain(configuration: Configuration, municipality: str) -> bool:
    try:
        return (
            configuration.effective(
                "email", configuration.path("email", Unit(municipality))
            ).value.get("domains")
            is None
        )
    except ConfigurationBroken:  # told of its channel; nothing is sent
        return False


_COLOURS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAULT: "bold red"}


def drawn(findings: list[Finding]) -> Table:
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.grade]
        table.add_row(
            escape(finding.what),
            f"[{colour}]{finding.grade}[/]",
            escape(finding.said),
            escape(finding.todo),
        )
    return table
