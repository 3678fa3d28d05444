"""Request and response models of configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import RootModel

from utskick.http.operation.schemas import Response, member


class ConfigurationRequest(RootModel[dict[str, Any]]):
    """Members of the section, named as in the settings file (docs/reference/settings.md).

    Members that are left out are inherited.
    """


class EffectiveValue(Response):
    """The effective value of a member, and where it is set."""

    value: Any | None = member(
        "Effective value; secrets are masked as `**********`, and of the accounts of the "
        "service only the provider is returned",
        "12345",
    )
    municipality_id: str | None = member("Municipality", "2281")
    organization_number: str | None = member("Organisation, where set for one", "2120002411")
    department: str | None = member(
        "Department, where set for one", "SBK(Gatuavdelningen, Trafiksektionen)"
    )
    source: Literal["municipality", "settings", "service"] | None = member(
        "Origin of the value; `service`: the default of the service", "municipality"
    )


class SaidConfiguration(Response):
    """Configuration that a unit sets for a section."""

    municipality_id: str | None = member("Municipality", "2281")
    organization_number: str | None = member("Organisation, where set for one", "2120002411")
    department: str | None = member(
        "Department, where set for one", "SBK(Gatuavdelningen, Trafiksektionen)"
    )
    section: str | None = member("Name of a channel, as in the settings, or `limits`")
    source: Literal["municipality", "settings"] | None = member(
        "Set over the API, or in the settings of the service", "municipality"
    )
    set_by: str | None = member("User (`X-Sent-By`), or the calling system where no user was named")
    set: datetime | None = member("When it was set")
    usable: bool | None = member(
        "`false`: it cannot be read (different vault key or release), and nothing is sent by it"
    )
    value: dict[str, Any] | None = member(
        "The members that are set; secrets are masked as `**********`"
    )


class UnitConfiguration(Response):
    """Configuration that a unit sets for a section, and what applies to it."""

    municipality_id: str | None = member("Municipality", "2281")
    organization_number: str | None = member("Organisation, where set for one", "2120002411")
    department: str | None = member(
        "Department, where set for one", "SBK(Gatuavdelningen, Trafiksektionen)"
    )
    section: str | None = member("Name of a channel, as in the settings, or `limits`")
    source: Literal["municipality", "settings"] | None = member(
        "Set over the API, or in the settings of the service", "municipality"
    )
    set_by: str | None = member("User (`X-Sent-By`), or the calling system where no user was named")
    set: datetime | None = member("When it was set")
    value: dict[str, Any] | None = member(
        "What the unit itself sets; secrets are masked as `**********` and stay unchanged when "
        "sent back masked"
    )
    effective: dict[str, EffectiveValue] | None = member("Effective value of each member")
