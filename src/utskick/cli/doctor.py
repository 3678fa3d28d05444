"""``utskick check``: looks at everything the service needs, changes nothing, and says what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from utskick import app
from utskick.channels.register import CHANNELS, SPOKEN
from utskick.cli import door, storage
from utskick.cli.finding import SECONDS, Finding, Grade
from utskick.directory import neighbourhood
from utskick.directory.nobody import NOBODY
from utskick.domain.channel import Channel, Health
from utskick.domain.errors import SettingsFault, UtskickError
from utskick.settings import Settings


async def examine(config: Path | None) -> list[Finding]:
    """Everything, in the order in which the service would need it."""
    where = str(config) if config else "the environment and the defaults"
    try:
        settings = app.read_settings(config)
        app.policies_of(settings)
    except SettingsFault as fault:
        return [Finding("settings", Grade.FAULT, fault.detail, "mend the settings, then check again")]
    findings = [Finding("settings", Grade.OK, f"read from {where}")]
    async with storage.database(settings) as (found, inspection):
        findings += found
        try:
            findings.append(await storage.key(settings, inspection))
            findings += await door.look(settings, inspection)
        except storage.UNUSABLE as fault:
            findings.append(storage.unusable(fault))
    findings.append(_sandbox(settings))
    for name in SPOKEN:
        findings += await _channel(name, settings)
    findings += await _neighbours(settings)
    findings.append(_domains(settings))
    return findings


def _sandbox(settings: Settings) -> Finding:
    if not app.in_sandbox(settings):
        return Finding("sandbox", Grade.OK, "off: messages go out")
    simulated = [name for name in SPOKEN if not settings.section(name).accounts]
    if not simulated:
        return Finding("sandbox", Grade.OK, "on, but every channel has accounts of its own: messages go out")
    said = f"on: {', '.join(simulated)} simulated, nothing leaves the machine"
    return Finding("sandbox", Grade.WARNING, said, "add provider accounts to the settings when messages are to go out")


async def _channel(name: str, settings: Settings) -> list[Finding]:
    section = settings.section(name)
    if not section.accounts:
        if app.in_sandbox(settings):
            return [Finding(name, Grade.OK, "the sandbox is its provider")]
        return [Finding(name, Grade.WARNING, "no provider account: its calls are answered with 501", f"add [{name}.accounts.…]")]
    try:
        channel = CHANNELS[name].build(section, NOBODY)
    except (UtskickError, OSError) as fault:
        return [Finding(name, Grade.FAULT, str(fault), f"mend [{name}]")]
    return await _look(channel)


async def _look(channel: Channel) -> list[Finding]:
    try:
        async with asyncio.timeout(3 * SECONDS), app.started({channel.name: channel}):
            found = await channel.look()
    except TimeoutError:
        return [Finding(channel.name, Grade.FAULT, "its providers did not answer in time", "check addresses, firewall and proxy")]
    return [_of_health(f"{channel.name} / {health.account}", health, f"[{channel.name}.accounts.{health.account}]") for health in found]


def _of_health(what: str, health: Health, table: str) -> Finding:
    grade = Grade.FAULT if not health.ok else Grade.WARNING if health.warns else Grade.OK
    return Finding(what, grade, health.sentence, "" if health.ok else f"check {table}, the firewall and the provider's own status")


async def _neighbours(settings: Settings) -> list[Finding]:
    """The municipality's own services, where the directory asks them."""
    try:
        async with asyncio.timeout(6 * SECONDS):
            found = await neighbourhood.look(settings.section("directory"), settings.default_municipality)
    except TimeoutError:
        return [Finding("directory", Grade.FAULT, "its services did not answer in time", "check addresses, firewall and proxy")]
    return [_of_health(f"directory / {health.account}", health, f"[directory.remote.{health.account}]") for health in found]


def _domains(settings: Settings) -> Finding:
    """Where none are named, everybody may send from every domain."""
    if settings.section("email").domains is not None:
        return Finding("sender domains", Grade.OK, "e-mail is sent from the domains of the settings only")
    return Finding("sender domains", Grade.WARNING, "e-mail may be sent from any domain", 'name them: [email] domains = ["example.se"]')


_COLOURS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAULT: "bold red"}


def drawn(findings: list[Finding]) -> Table:
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.grade]
        table.add_row(escape(finding.what), f"[{colour}]{finding.grade}[/]", escape(finding.said), escape(finding.todo))
    return table
