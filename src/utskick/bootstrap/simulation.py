"""Whether the sandbox is on, and which provider accounts of the settings it excludes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from utskick.channels.registry import CHANNELS, SPOKEN
from utskick.configuration import api_restrictions
from utskick.configuration.inheritance import ACCOUNTS
from utskick.configuration.toml_tables import walk
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings

#: The package that only the sandbox needs, of the extra ``sandbox`` (pyproject.toml).
_EXTRA: Final = "aiosmtpd"
_HOW: Final = (
    'Set sandbox.simulate = "all" to simulate these channels, too, and leave their accounts'
    " unused; or sandbox.enabled = false to send to real recipients"
)


def in_sandbox(settings: Settings) -> bool:
    """Return whether the sandbox is on: by default, unless a channel has accounts of its own."""
    if settings.sandbox.enabled is not None:
        return settings.sandbox.enabled
    return simulates_all(settings) or not any(accounts for _, _, accounts in _accounts(settings))


def simulates_all(settings: Settings) -> bool:
    """Return whether the accounts of the settings are left unused, and every channel simulated."""
    return settings.sandbox.simulate == "all"


def _accounts(settings: Settings) -> Iterator[tuple[str, str, Any]]:
    """Iterate over the accounts of the settings and of its units: place, channel and accounts.

    Those of units are as the file has them, which is not necessarily valid.
    """
    for name in SPOKEN:
        yield name, name, settings.section(name).accounts
    for place, _, name, value in walk(settings.configuration):
        if name in SPOKEN and isinstance(value, Mapping) and value.get(ACCOUNTS):
            yield f"{place}.{name}", name, value[ACCOUNTS]


def real_accounts(settings: Settings) -> list[str]:
    """Return the accounts of the settings that do not belong to simulators on this machine.

    Also those without an address, as a folder may be mounted from another machine. Accounts that
    are not valid are reported where the settings are read.
    """
    return [
        f"{place}.{ACCOUNTS}.{name}"
        for place, channel, accounts in _accounts(settings)
        for name, account in _models(channel, accounts).items()
        if api_restrictions.elsewhere(account, "") or not api_restrictions.has_address(account)
    ]


def _models(channel: str, accounts: Any) -> Mapping[str, BaseModel]:
    if all(isinstance(account, BaseModel) for account in accounts.values()):
        return dict(accounts)
    models: dict[str, BaseModel] = {}
    for name, account in accounts.items():
        try:
            section = CHANNELS[channel].section.model_validate({ACCOUNTS: {name: account}})
        except ValidationError:
            continue
        models |= getattr(section, ACCOUNTS)
    return models


def check_simulated(settings: Settings) -> None:
    """Refuse a sandbox that is not installed, or that would send through real accounts.

    Raises ``SettingsFault``.
    """
    if in_sandbox(settings) and find_spec(_EXTRA) is None:
        raise SettingsFault(
            "the sandbox is on, and its packages are not installed: install utskick[sandbox]; or "
            "add provider accounts to the settings, or set sandbox.enabled = false, to send to "
            "real recipients"
        )
    if in_sandbox(settings) and not simulates_all(settings) and (real := real_accounts(settings)):
        raise SettingsFault(
            "the sandbox is on (sandbox.enabled = true), and nothing may leave it, but the"
            " settings have accounts that are not on this machine:\n"
            + "\n".join(f"  {account}" for account in real)
            + f"\n{_HOW}."
        )


def without_accounts(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section of a unit without its accounts, so that it inherits the simulated ones."""
    return {member: value for member, value in table.items() if member != ACCOUNTS}
