"""Setup of the channels from the settings, the sandbox and the units' configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network

from pydantic import BaseModel, ValidationError

from utskick.bootstrap.simulation import in_sandbox, simulates_all, without_accounts
from utskick.channels.registry import CHANNELS, TYPES
from utskick.configuration.channel_proxy import ChannelProxy
from utskick.configuration.inheritance import ACCOUNTS, Configuration, Effective, SectionKind
from utskick.configuration.toml_tables import read_tables, walk
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.directory import setup as directory
from utskick.directory.database import tables_of
from utskick.directory.setup import DirectorySetup
from utskick.domain.channel import Channel
from utskick.domain.configuration import UnitSetting
from utskick.domain.directory_ports import Neighbours
from utskick.domain.errors import SettingsFault
from utskick.domain.inbound import InboundPart
from utskick.domain.receipt import Keep, Receipt
from utskick.domain.retention import RetentionRule
from utskick.domain.validators import told
from utskick.engine.inbound import InboundMessages, NumberOwners
from utskick.engine.receipts import Receipts
from utskick.outgoing.address_guard import AddressPolicy, Network
from utskick.retention_settings import RetentionSection
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import sections
from utskick.settings import LimitsSection, Settings
from utskick.store.administration.configuration import Rows
from utskick.store.database import PASSING, Database
from utskick.store.events.transaction_numbers import Numbering

#: A table of units that is not a section: its rules are rows of their own kind.
_RETENTION = "retention"
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class RetentionOfTypes(RetentionSection):
    """Section ``[retention]`` with rules for the message types of the channels."""

    known = TYPES


def kinds_of(settings: Settings, place: SandboxAddresses | None) -> dict[str, SectionKind]:
    """Return the sections that units may configure, each with the service's own settings.

    ``place``: addresses of the sandbox, which replaces channels without accounts of their own.
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
        if simulates_all(settings):
            given = without_accounts(given)
        if name in simulated and not given.get(ACCOUNTS):
            given = {
                **simulated[name],
                **{member: value for member, value in given.items() if member != ACCOUNTS},
            }
        if invalid := [account for account in given.get(ACCOUNTS, ()) if "@" in account]:
            raise SettingsFault(
                f"{name}.accounts: {invalid[0]} must not contain @, which is reserved for names of"
                " units' own accounts"
            )
        kinds[name] = SectionKind(
            name,
            entry.section,
            given,
            entry.section.carried | {"unsettled"},
            entry.section.fixed,
            entry.municipal,
            here,
        )
    return kinds


def _tables_of(settings: Settings, kinds: Mapping[str, SectionKind]) -> list[UnitSetting]:
    """Read the units' tables of the settings. Raises ``SettingsFault``."""
    tables = read_tables(settings.configuration, kinds, (_RETENTION,))
    if not simulates_all(settings):
        return tables
    return [replace(table, value=without_accounts(table.value)) for table in tables]


def configuration_of(settings: Settings, rows: Rows) -> Configuration:
    """Combine the settings with ``rows`` of the database. Raises ``SettingsFault``."""
    kinds = kinds_of(settings, None)
    return Configuration(kinds, [*_tables_of(settings, kinds), *rows.said], rows.unreadable)


def configuration_watcher(settings: Settings, database: Database) -> ConfigurationWatcher:
    """Build a watcher to read and change the configuration beside a running service.

    Raises ``SettingsFault``.
    """
    kinds = kinds_of(settings, None)
    return ConfigurationWatcher(database, kinds, _tables_of(settings, kinds), ())


def provider_policy(settings: Settings) -> AddressPolicy:
    """Return the policy for providers of accounts set over the API.

    In a sandbox, that of all accounts: they are on this machine.
    """
    if in_sandbox(settings):
        return AddressPolicy(_LOOPBACK, public=False, named="this machine")
    return AddressPolicy(settings.providers.networks)


def webhook_policy(settings: Settings) -> AddressPolicy:
    """Return the policy for webhook receivers.

    A sandbox, whose database may be a copy of the real one, calls only this machine.
    """
    return AddressPolicy(
        (*settings.webhooks.networks, *_own_of(settings)), public=not in_sandbox(settings)
    )


def _own_of(settings: Settings) -> Sequence[Network]:
    """Return the networks of a sandbox, which is on this machine."""
    return _LOOPBACK if in_sandbox(settings) else ()


def channel_of(
    name: str, configuration: Configuration, neighbours: Neighbours, reach: AddressPolicy
) -> ChannelProxy:
    """Build a channel for the service and all units. Nothing is opened before ``start``.

    ``reach``: policy for the providers of accounts set over the API; in a sandbox, of all.
    """
    entry, here = CHANNELS[name], configuration.kinds[name].here

    def make(effective: Effective) -> Channel:
        section = entry.section.model_validate(effective.value)
        restricted = section.within(reach) if here or effective.restricted else section
        return entry.build(restricted, neighbours)

    base = make(Effective(configuration.kinds[name].base, {}))
    return ChannelProxy(base, make, configuration)


def channels_of(
    kinds: Mapping[str, SectionKind],
    tables: Sequence[UnitSetting],
    neighbours: Neighbours,
    reach: AddressPolicy,
) -> dict[str, ChannelProxy]:
    """Build all channels. ``tables``: the units' configuration in the settings."""
    configuration = Configuration(kinds, tables)
    return {name: channel_of(name, configuration, neighbours, reach) for name in CHANNELS}


def check_accounts(channels: Mapping[str, Channel]) -> None:
    """Raise ``SettingsFault`` if no channel has a provider account."""
    if not any(channel.accounts for channel in channels.values()):
        raise SettingsFault(
            "no channel has a provider account: add [sms.accounts.…] or [email.accounts.…] to the"
            " settings, set one for a municipality (utskick configuration set), or set"
            " sandbox.enabled = true"
        )


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """The running channels, with the directory, the receipts and the configuration watcher."""

    people: DirectorySetup
    channels: Mapping[str, Channel]
    receipts: Receipts
    watch: ConfigurationWatcher


@asynccontextmanager
async def opened(
    settings: Settings, database: Database, place: SandboxAddresses | None, *, sends: bool = True
) -> AsyncIterator[ChannelSetup]:
    """Start the channels and follow the configuration. Raises ``SettingsFault``.

    ``sends``: whether this process sends. One that does not opens no sessions with providers. What
    sessions bring is numbered as they open, after a restore only once the numbers are mended.
    """
    async with open_directory(settings, database) as people:
        kinds = kinds_of(settings, place)
        tables = _tables_of(settings, kinds)
        channels = channels_of(kinds, tables, people.neighbours, provider_policy(settings))
        receipts = Receipts(database, channels, database.clock)
        if sends:
            with suppress(*PASSING):  # maintenance does it again
                await Numbering(database).mend()
            owners = NumberOwners(settings.default_municipality, settings.inbound.numbers)
            inbound = InboundMessages(database, channels, database.clock, owners)
            connect_sessions(channels, receipts, inbound)
        watch = ConfigurationWatcher(database, kinds, tables, channels.values())
        async with started(channels), watch.running():
            check_accounts(channels)
            yield ChannelSetup(people, channels, receipts, watch)


def rules_of(settings: Settings) -> list[RetentionRule]:
    """Return the retention rules of the settings, general and of units.

    Raises ``SettingsFault``.
    """
    rules = settings.retention.rules()
    for place, unit, name, value in walk(settings.configuration):
        if name == _RETENTION:
            try:
                rules += RetentionOfTypes.model_validate(value).rules(unit)
            except ValidationError as fault:
                raise SettingsFault(f"{place}.{name}: {'; '.join(told(fault))}") from None
    return rules


@asynccontextmanager
async def open_directory(settings: Settings, database: Database) -> AsyncIterator[DirectorySetup]:
    """Open the directory, with services of the municipality as the settings choose.

    Raises ``SettingsFault``.
    """
    async with directory.opened(
        settings.section("directory"), tables_of(database, database.vault.directory_cipher)
    ) as people:
        yield people


def connect_sessions(
    channels: Mapping[str, Channel], receipts: Receipts, inbound: InboundMessages
) -> None:
    """Store what session-based providers report: receipts as those over HTTP, and messages.

    Only for a process that sends: another one stays away from these providers, which count
    sessions.
    """
    for name, channel in channels.items():
        channel.report_to(_keep(name, receipts, inbound))


def _keep(name: str, receipts: Receipts, inbound: InboundMessages) -> Keep:
    async def keep(account: str, reported: Sequence[Receipt | InboundPart]) -> None:
        await receipts.keep(name, account, [r for r in reported if isinstance(r, Receipt)])
        await inbound.keep(name, account, [r for r in reported if isinstance(r, InboundPart)])

    return keep


@asynccontextmanager
async def started(channels: Mapping[str, Channel]) -> AsyncIterator[None]:
    """Start the channels, and close them on leaving."""
    async with AsyncExitStack() as stack:
        for channel in channels.values():
            await channel.start()
            stack.push_async_callback(channel.close)
        yield
