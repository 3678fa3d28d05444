"""The configuration as it may be read: no secret, and of the service's own settings no more than
what messages show anyway."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from utskick.configuration.inheritance import ACCOUNTS, Configuration
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import ConfigurationBroken
from utskick.domain.unit import Unit

#: How a secret is shown (pydantic's SecretStr).
MASK: Final = "**********"


def own(configuration: Configuration, said: UnitSetting) -> dict[str, Any] | None:
    """What one level says, each member in its usual form. None: it cannot be used."""
    path = configuration.path(said.section, said.unit)
    try:
        configuration.usable(said.section, path)
        whole = dumped(configuration.model(said.section, path))
    except (ConfigurationBroken, ValidationError):
        return None
    tag = f"@{said.unit.tag}"
    shown = {member: whole[member] for member in said.value if member in whole}
    if ACCOUNTS in shown:
        mine = {f"{name}{tag}" for name in said.value[ACCOUNTS]}
        shown[ACCOUNTS] = {
            name.removesuffix(tag): account
            for name, account in shown[ACCOUNTS].items()
            if name in mine
        }
    return shown


def effective(
    configuration: Configuration, section: str, unit: Unit
) -> dict[str, tuple[Any, UnitSetting | None]]:
    """By member what applies, and who said it (None: the service). Raises
    ``ConfigurationBroken``."""
    kind, path = configuration.kinds[section], configuration.path(section, unit)
    sources = configuration.effective(section, path).sources
    try:
        model = configuration.model(section, path)
    except ValidationError:
        raise ConfigurationBroken(
            f"what is configured for {section} cannot be used here; an administrator must mend it"
        ) from None
    found = dict[str, tuple[Any, UnitSetting | None]]()
    for member, value in dumped(model, unset=True).items():
        if member in sources or member in kind.carried or ACCOUNTS not in kind.model.model_fields:
            found[member] = value, sources.get(member)
        elif member == ACCOUNTS:
            found[member] = (
                {name: {"provider": account.get("provider")} for name, account in value.items()},
                None,
            )
    return found


def dumped(model: BaseModel, *, unset: bool = False) -> dict[str, Any]:
    """As JSON. ``unset``: with members that nobody has set."""
    return model.model_dump(mode="json", exclude_unset=not unset, exclude_none=True)
