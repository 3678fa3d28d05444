"""``utskick check``: check everything the service needs, without changing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.bootstrap import channels as channel_setup
from utskick.bootstrap.simulation import (
    check_simulated,
    in_sandbox,
    real_accounts,
    simulates_all,
)
from utskick.bootstrap.transport import database_link, open_api
from utskick.channels.registry import SPOKEN
from utskick.cli.check_auth import check_auth
from utskick.cli.check_result import SECONDS, CheckResult, Grade
from utskick.cli.check_storage import UNUSABLE, check_database, check_key, unusable_result
from utskick.configuration.inheritance import Configuration
from utskick.directory import setup as directory_setup
from utskick.directory.empty import EMPTY_DIRECTORY
from utskick.domain.account_label import label_of
from utskick.domain.channel import AccountHealth, Channel
from utskick.domain.errors import ConfigurationBroken, SettingsFault, UtskickError
from utskick.domain.unit import Unit
from utskick.settings import Settings
from utskick.store.administration.configuration import Rows


async def run_checks(config: Path | None) -> list[CheckResult]:
    """Return the results of all checks, in the order in which the service needs the parts."""
    source = str(config) if config else "the environment and the defaults"
    try:
        settings = bootstrap.read_settings(config)
        bootstrap.policies_of(settings)
        channel_setup.rules_of(settings)
        channel_setup.configuration_of(settings, Rows())
    except SettingsFault as fault:
        return [
            CheckResult(
                "settings", Grade.FAULT, fault.detail, "correct the settings and check again"
            )
        ]
    results, rows = [CheckResult("settings", Grade.OK, f"read from {source}")], Rows()
    async with check_database(settings) as (storage, inspection):
        results += storage
        try:
            results.append(await check_key(settings, inspection))
            results += await check_auth(settings, inspection)
            rows = await inspection.units() if inspection is not None else rows
        except UNUSABLE as fault:
            results.append(unusable_result(fault))
    configuration = channel_setup.configuration_of(settings, rows)
    results += [_check_link(settings), _check_sandbox(settings)]
    for name in SPOKEN:
        results += await _check_channel(name, settings, configuration)
    results += await _check_directory(settings)
    results.append(_check_sender_domains(settings, configuration))
    return results


def _check_link(settings: Settings) -> CheckResult:
    """Check that nothing crosses the network in the open."""
    faults = [fault for fault in (database_link(settings), open_api(settings)) if fault is not None]
    if not faults:
        return CheckResult("encryption", Grade.OK, "nothing leaves this machine unprotected")
    return CheckResult(
        "encryption",
        Grade.WARNING,
        "; ".join(faults),
        "`utskick serve` refuses to start like this unless database.insecure or http.insecure "
        "allows it",
    )


def _check_sandbox(settings: Settings) -> CheckResult:
    if not in_sandbox(settings):
        return CheckResult("sandbox", Grade.OK, "off: messages are delivered to real recipients")
    try:
        check_simulated(settings)
    except SettingsFault as fault:
        return CheckResult("sandbox", Grade.FAULT, fault.detail, "it does not start like this")
    simulated = [
        name for name in SPOKEN if simulates_all(settings) or not settings.section(name).accounts
    ]
    if not simulated:
        return CheckResult(
            "sandbox",
            Grade.OK,
            "on, but every channel has provider accounts on this machine: their providers decide"
            " what leaves it",
        )
    detail = f"on: {', '.join(simulated)} simulated; nothing leaves the machine"
    if simulates_all(settings) and (real := real_accounts(settings)):
        detail += f"; unused: {', '.join(real)}"
    return CheckResult(
        "sandbox",
        Grade.WARNING,
        detail,
        "add provider accounts to the settings before sending to real recipients",
    )


async def _check_channel(
    name: str, settings: Settings, configuration: Configuration
) -> list[CheckResult]:
    """Check the provider accounts of a channel, including those of organisational units."""
    try:
        channel = channel_setup.channel_of(
            name, configuration, EMPTY_DIRECTORY, channel_setup.provider_policy(settings)
        )
    except (UtskickError, OSError) as fault:
        return [CheckResult(name, Grade.FAULT, str(fault), f"correct [{name}]")]
    results = await _check_accounts(channel)
    if settings.section(name).accounts and not simulates_all(settings):
        return results
    if in_sandbox(settings):
        return [CheckResult(name, Grade.OK, "simulated by the sandbox"), *results]
    if not results:
        return [
            CheckResult(
                name,
                Grade.WARNING,
                "no provider account: requests are answered with 501",
                f"add [{name}.accounts.…]",
            )
        ]
    return results


async def _check_accounts(channel: Channel) -> list[CheckResult]:
    try:
        async with asyncio.timeout(3 * SECONDS), channel_setup.started({channel.name: channel}):
            results = await channel.look()
    except TimeoutError:
        return [
            CheckResult(
                channel.name,
                Grade.FAULT,
                "its providers did not respond in time",
                "check addresses, firewall and proxy",
            )
        ]
    return [
        _health_result(
            f"{channel.name} / {label_of({channel.name: channel}, health.account)}",
            health,
            _setting_of(channel.name, health.account),
        )
        for health in results
    ]


def _setting_of(channel: str, account: str) -> str:
    """Return where an account is set; the accounts of a unit carry the unit after an @."""
    name, _, unit = account.partition("@")
    return f"`utskick configuration list {unit[:4]}`" if unit else f"[{channel}.accounts.{name}]"


def _health_result(name: str, health: AccountHealth, table: str) -> CheckResult:
    grade = Grade.FAULT if not health.ok else Grade.WARNING if health.warns else Grade.OK
    return CheckResult(
        name,
        grade,
        health.sentence,
        "" if health.ok else f"check {table}, the firewall and the provider's own status",
    )


async def _check_directory(settings: Settings) -> list[CheckResult]:
    """Check the directory services of the municipality, if the directory uses any."""
    try:
        async with asyncio.timeout(6 * SECONDS):
            results = await directory_setup.check(
                settings.section("directory"), settings.default_municipality
            )
    except TimeoutError:
        return [
            CheckResult(
                "directory",
                Grade.FAULT,
                "its services did not respond in time",
                "check addresses, firewall and proxy",
            )
        ]
    return [
        _health_result(
            f"directory / {health.account}", health, f"[directory.remote.{health.account}]"
        )
        for health in results
    ]


def _check_sender_domains(settings: Settings, configuration: Configuration) -> CheckResult:
    """Check that sender domains are restricted: without a list, any domain may be used."""
    free = [
        municipality
        for municipality in settings.municipalities
        if _may_use_any_domain(configuration, municipality)
    ]
    if not free:
        return CheckResult(
            "sender domains", Grade.OK, "e-mail may be sent from the listed domains only"
        )
    detail = f"{', '.join(free)} may send e-mail from any domain"
    todo = (
        'list the allowed domains: [email] domains = ["example.se"], or '
        f"[configuration.{free[0]}.email] domains = …"
    )
    return CheckResult("sender domains", Grade.WARNING, detail, todo)


def _may_use_any_domain(configuration: Configuration, municipality: str) -> bool:
    try:
        return (
            configuration.effective(
                "email", configuration.path("email", Unit(municipality))
            ).value.get("domains")
            is None
        )
    except ConfigurationBroken:  # reported with its channel; nothing is sent
        return False


_COLOURS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAULT: "bold red"}


def result_table(results: list[CheckResult]) -> Table:
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("details", overflow="fold")
    table.add_column("action", overflow="fold")
    for result in results:
        colour = _COLOURS[result.grade]
        table.add_row(
            escape(result.name),
            f"[{colour}]{result.grade}[/]",
            escape(result.detail),
            escape(result.todo),
        )
    return table
