"""Readable form of the configuration: without secrets, and with little of the service's own."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from utskick.configuration.inheritance import ACCOUNTS, Configuration
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import ConfigurationBroken
from utskick.domain.unit import Unit

#: Representation of a secret (pydantic's SecretStr).
MASK: Final = "**********"


def own(configuration: Configuration, setting: UnitSetting) -> dict[str, Any] | None:
    """Return the members of one unit's setting in normal form, None if it is not valid."""
    path = configuration.path(setting.section, setting.unit)
    try:
        configuration.usable(setting.section, path)
        whole = dumped(configuration.model(setting.section, path))
    except (ConfigurationBroken, ValidationError):
        return None
    tag = f"@{setting.unit.tag}"
    members = {member: whole[member] for member in setting.value if member in whole}
    if ACCOUNTS in members:
        names = {f"{name}{tag}" for name in setting.value[ACCOUNTS]}
        members[ACCOUNTS] = {
            name.removesuffix(tag): account
            for name, account in members[ACCOUNTS].items()
            if name in names
        }
    return members


def effective(
    configuration: Configuration, section: str, unit: Unit
) -> dict[str, tuple[Any, UnitSetting | None]]:
    """Return value and source by member; None is the service. Raises ``ConfigurationBroken``."""
    kind, path = configuration.kinds[section], configuration.path(section, unit)
    sources = configuration.effective(section, path).sources
    try:
        model = configuration.model(section, path)
    except ValidationError:
        raise ConfigurationBroken(
            f"the configuration of {section} for this unit is not valid; an administrator must"
            " correct it"
        ) from None
    members = dict[str, tuple[Any, UnitSetting | None]]()
    for member, value in dumped(model, unset=True).items():
        if member in sources or member in kind.carried or ACCOUNTS not in kind.model.model_fields:
            members[member] = value, sources.get(member)
        elif member == ACCOUNTS:
            members[member] = (
                {name: {"provider": account.get("provider")} for name, account in value.items()},
                None,
            )
    return members


def dumped(model: BaseModel, *, unset: bool = False) -> dict[str, Any]:
    """Dump as JSON values. ``unset``: include members that nobody has set."""
    return model.model_dump(mode="json", exclude_unset=not unset, exclude_none=True)
