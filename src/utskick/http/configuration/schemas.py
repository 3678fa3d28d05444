"""Requests and answers of the calls about configuration, for reading and for the API's own
description."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, RootModel

_TEXT: Final = {"type": "string"}
_VALUE: Final = {"type": "object", "additionalProperties": True}


class ConfigurationRequest(RootModel[dict[str, Any]]):
    """Members of the section, named as in the settings file (docs/reference/settings.md). What is left out is
    inherited."""


MODELS: Final[tuple[type[BaseModel], ...]] = (ConfigurationRequest,)


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


_UNIT: Final[dict[str, Any]] = {
    "municipalityId": _said(_TEXT, "The municipality"),
    "organizationNumber": _said(_TEXT, "The organisation, where it is said for one"),
    "department": _said(_TEXT, "The department, where it is said for one"),
}
_SET: Final[dict[str, Any]] = {
    "source": _said(
        {**_TEXT, "enum": ["municipality", "settings"]},
        "Set over the API, or in the settings of this service",
    ),
    "setBy": _said(_TEXT, "The user (`X-Sent-By`), or the calling system where no user was named"),
    "set": _said({**_TEXT, "format": "date-time"}, "When it was set"),
}
_SECTION: Final = _said(_TEXT, "A channel, as in the settings, or `limits`")
_APPLIES: Final = {
    "type": "object",
    "properties": {
        "value": _said(
            {},
            "What applies. Secrets are shown as `**********`; of the service's own accounts only the provider",
        ),
        **_UNIT,
        "source": _said(
            {**_TEXT, "enum": ["municipality", "settings", "service"]},
            "Who says it; `service`: the service for everybody",
        ),
    },
}

SHAPES: Final[dict[str, Any]] = {
    "SaidConfiguration": {
        "type": "object",
        "properties": {
            **_UNIT,
            "section": _SECTION,
            **_SET,
            "usable": _said(
                {"type": "boolean"},
                "`false`: it cannot be used (another vault key or release), and nothing is sent by it",
            ),
            "value": _said(_VALUE, "The members that are set. Secrets are shown as `**********`"),
        },
    },
    "UnitConfiguration": {
        "type": "object",
        "properties": {
            **_UNIT,
            "section": _SECTION,
            **_SET,
            "value": _said(
                _VALUE,
                "What the unit itself says. Secrets are shown as `**********`; sent back so, they stay as they are",
            ),
            "effective": _said(
                {"type": "object", "additionalProperties": _APPLIES},
                "Member by member, what applies to the unit",
            ),
        },
    },
}
