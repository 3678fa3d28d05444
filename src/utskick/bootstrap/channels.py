"""How this service speaks: the channels as the settings, the sandbox and the units of
municipalities have them, started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any

from pydantic import BaseModel, ValidationError

from utskick.channels.registry import CHANNELS, SPOKEN
from utskick.configuration.channel_proxy import ConfiguredChannel
from utskick.configuration.inheritance import ACCOUNTS, Configuration, SectionKind
from utskick.configuration.toml_tables import read_tables, walk
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.directory import setup as directory
from utskick.directory.database import tables_of
from utskick.directory.setup import People
from utskick.domain.channel import Channel
from utskick.domain.clock import utc_now
from utskick.domain.configuration import UnitSetting
from utskick.domain.directory_ports import Neighbours
from utskick.domain.errors import SettingsFault
from utskick.domain.retention import RetentionRule
from utskick.domain.validators import told
from utskick.engine.receipts import Receipts
from utskick.outgoing.address_guard import AddressPolicy, Network
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import sections
from utskick.settings import LimitsSection, RetentionSection, Settings
from utskick.store.administration.configuration import Rows
from utskick.store.database import Database

#: A table of units that is no section: its rules are rows of their own kind.
_RETENTION = "retention"
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def in_sandbox(settings: Settings) -> bool:
    """The sandbox is on unless a channel has accounts of its own, or the settings say otherwise."""
    if settings.sandbox.enabled is not None:
        return settings.sandbox.enabled
    said = (value for _, _, _, value in walk(settings.configuration) if isinstance(value, Mapping))
    return not any(settings.section(name).accounts for name in SPOKEN) and not any(
        value.get(ACCOUNTS) for value in said
    )


def kinds_of(settings: Settings, place: SandboxAddresses | None) -> dict[str, SectionKind]:
    """What units may say something of, each with what the service says itself.

    ``place``: the town whose simulators stand in for channels without accounts of their own.
    """
    simulated, here = sections(place) if place else {}, in_sandbox(settings)
    kinds = {
        "limits": SectionKind("limits", LimitsSection, {"rate": settings.http.rate}, municipal=True)
    }
    for name, entry in CHANNELS.items():
        section: BaseModel = settings.section(name)
        given = {
            member: getattr(section, member)
            for member in type(section).model_fields
            if member in section.model_fields_set
        }
        if name in simulated and not given.get(ACCOUNTS):
            given = {
                **simulated[name],
                **{member: value for member, value in given.items() if member != ACCOUNTS},
            }
        if strange := [account for account in given.get(ACCOUNTS, ()) if "@" in account]:
            raise SettingsFault(
                f"{name}.accounts: {strange[0]} must not contain @, which stands in names of units' own accounts"
            )
        kinds[name] = SectionKind(
            name,
            entry.section,
            given,
            entry.section.carried,
            entry.section.fixed,
            entry.municipal,
            here,
        )
    return kinds


def _tables_of(settings: Settings, kinds: Mapping[str, SectionKind]) -> list[UnitSetting]:
    """What the settings say of units. Raises ``SettingsFault``."""
    return read_tables(settings.configuration, kinds, (_RETENTION,))


def configuration_of(settings: Settings, rows: Rows) -> Configuration:
    """What the settings say of the service and of units, and ``rows``, which were set beside them.
    Raises ``SettingsFault``."""
    kinds = kinds_of(settings, None)
    return Configuration(kinds, [*_tables_of(settings, kinds), *rows.said], rows.unreadable)


def watch_of(settings: Settings, database: Database) -> ConfigurationWatcher:
    """What is configured for units, to be looked at and changed beside a running service. Raises
    ``SettingsFault``."""
    kinds = kinds_of(settings, None)
    return ConfigurationWatcher(database, kinds, _tables_of(settings, kinds), ())


def reach_of(settings: Settings) -> AddressPolicy:
    """Where providers may lie whose accounts are set over the API; in the sandbox also on this
    machine."""
    return AddressPolicy((*settings.providers.networks, *_own_of(settings)))


def receivers_of(settings: Settings) -> AddressPolicy:
    """Where webhooks may be called. In the sandbox, whose database may be a copy of the real one,
    on this machine: nothing leaves it."""
    return AddressPolicy(
        (*settings.webhooks.networks, *_own_of(settings)), public=not in_sandbox(settings)
    )


def _own_of(settings: Settings) -> Sequence[Network]:
    """Of a sandbox, which answers on this machine."""
    return _LOOPBACK if in_sandbox(settings) else ()


def channel_of(
    name: str, configuration: Configuration, neighbours: Neighbours
) -> ConfiguredChannel:
    """As the service and all units have it. Nothing is opened before ``start``."""
    entry = CHANNELS[name]

    def made(value: Mapping[str, Any]) -> Channel:
        return entry.build(entry.section.model_validate(value), neighbours)

    return ConfiguredChannel(made(configuration.kinds[name].base), made, configuration)


def channels_of(
    kinds: Mapping[str, SectionKind], tables: Sequence[UnitSetting], neighbours: Neighbours
) -> dict[str, ConfiguredChannel]:
    """``tables``: what the settings say of units."""
    configuration = Configuration(kinds, tables)
    return {name: channel_of(name, configuration, neighbours) for name in CHANNELS}


def check_accounts(channels: Mapping[str, Channel]) -> None:
    """Raises ``SettingsFault`` where there is nothing to send by."""
    if not any(channel.accounts for channel in channels.values()):
        raise SettingsFault(
            "no channel has a provider account: add [sms.accounts.…] or [email.accounts.…] to the settings, set one for a municipality "
            "(utskick configuration set), or set sandbox.enabled = true"
        )


@dataclass(frozen=True, slots=True)
class Speaking:
    """The channels as everybody has configured them, with whom they ask who people are, and what
    takes their reports."""

    people: People
    channels: Mapping[str, Channel]
    receipts: Receipts
    watch: ConfigurationWatcher


@asynccontextmanager
async def opened(
    settings: Settings, database: Database, place: SandboxAddresses | None
) -> AsyncIterator[Speaking]:
    """Started, and following what is configured. Raises ``SettingsFault``."""
    async with peopled(settings, database) as people:
        kinds = kinds_of(settings, place)
        tables = _tables_of(settings, kinds)
        channels = channels_of(kinds, tables, people.neighbours)
        receipts = hear_reports(database, channels)
        watch = ConfigurationWatcher(database, kinds, tables, channels.values())
        async with started(channels), watch.running():
            check_accounts(channels)
            yield Speaking(people, channels, receipts, watch)


def rules_of(settings: Settings) -> list[RetentionRule]:
    """The rules of retention in the settings: for all, and for units. Raises ``SettingsFault``."""
    found = settings.retention.rules()
    for place, unit, name, value in walk(settings.configuration):
        if name == _RETENTION:
            try:
                found += RetentionSection.model_validate(value).rules(unit)
            except ValidationError as fault:
                raise SettingsFault(f"{place}.{name}: {'; '.join(told(fault))}") from None
    return found


@asynccontextmanager
async def peopled(settings: Settings, database: Database) -> AsyncIterator[People]:
    """The directory: our own tables, and the neighbours that the settings name. Raises
    ``SettingsFault``."""
    async with directory.opened(
        settings.section("directory"), tables_of(database, database.vault.directory_cipher)
    ) as people:
        yield people


def hear_reports(database: Database, channels: Mapping[str, Channel]) -> Receipts:
    """Reports that come over a channel's own connection are kept as those that come over HTTP."""
    receipts = Receipts(database, channels, utc_now)
    for name, channel in channels.items():
        channel.report_to(partial(receipts.keep, name))
    return receipts


@asynccontextmanager
async def started(channels: Mapping[str, Channel]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for channel in channels.values():
            await channel.start()
            stack.push_async_callback(channel.close)
        yield
