"""Bodies of the directory's calls. Those of contact settings and delegates are the contract's
(contact settings 2.0)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.contact_setting import ContactChannel, Filter, Operator, Rule
from utskick.domain.directory_ports import LegalId, Method, PostalAddress
from utskick.domain.ids import new_id
from utskick.domain.legal_id import WrongNumber, read_legal_id
from utskick.domain.recipient import is_msisdn
from utskick.domain.validators import (
    CLEAN,
    MSISDN_MESSAGE,
    NOT_BLANK,
    UTF8,
    Body,
    NotEmpty,
    Uuid,
    broken,
)
from utskick.domain.validators import Constraint as Constraint
from utskick.store.directory.push_subscriptions import PushDevice

_TEXT: Final = {"type": "string"}


_UUID: Final = {"type": "string", "format": "uuid"}


_TIME: Final = {"type": "string", "format": "date-time"}


def _shape(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


SHAPES: Final[dict[str, Any]] = {
    "ContactChannel": _shape(
        contactMethod={"type": "string", "enum": ["SMS", "EMAIL", "PUSH"]},
        alias=_TEXT,
        destination=_TEXT,
        disabled={"type": "boolean"},
    ),
    "ContactSetting": _shape(
        id=_UUID,
        partyId=_UUID,
        municipalityId=_TEXT,
        createdById=_UUID,
        alias=_TEXT,
        virtual={"type": "boolean"},
        contactChannels=_list("ContactChannel"),
        created=_TIME,
        modified=_TIME,
    ),
    "FilterRule": _shape(
        attributeName=_TEXT,
        operator={"type": "string", "enum": ["EQUALS", "NOT_EQUALS"]},
        attributeValue=_TEXT,
    ),
    "Filter": _shape(
        id=_UUID,
        alias=_TEXT,
        channel=_TEXT,
        created=_TIME,
        modified=_TIME,
        rules=_list("FilterRule"),
    ),
    "Delegate": _shape(
        id=_UUID,
        principalId=_UUID,
        agentId=_UUID,
        created=_TIME,
        modified=_TIME,
        filters=_list("Filter"),
    ),
    "RegisteredParty": _shape(
        partyId=_UUID,
        type={"type": "string", "enum": ["PRIVATE", "ENTERPRISE"]},
        legalId={"type": "string", "example": "19900101-****"},
        names=_shape(firstName=_TEXT, lastName=_TEXT, organization=_TEXT),
        address=_shape(
            address=_TEXT,
            apartmentNumber=_TEXT,
            careOf=_TEXT,
            zipCode=_TEXT,
            city=_TEXT,
            country=_TEXT,
        ),
        protected={"type": "boolean"},
    ),
    "PushSubscription": _shape(
        id=_UUID, kind={"type": "string", "enum": ["webpush", "fcm"]}, created=_TIME
    ),
    "SubscriptionId": _shape(id=_UUID),
}


#: providers: contact settings, ContactMethod.
_EMAIL: Final = re.compile(r"[a-zA-Z0-9_!#$%&'*+/=?`{|}~^.-]+@[a-zA-Z0-9.-]+\Z")
_SIZE: Final = ("size must be between 0 and 255", lambda value: len(value) <= 255)
_LONG: Final = ("size must be between 0 and 4096", lambda value: len(value) <= 4096)
_MANY: Final = Constraint(
    (("size must be between 0 and 100", lambda value: len(value) <= 100),),
    schema=(("maxItems", 100),),
)
Short = Annotated[str, Constraint((CLEAN, UTF8, _SIZE), schema=(("maxLength", 255),))]
ShortText = Annotated[
    str,
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, _SIZE), "must not be blank", (("minLength", 1), ("maxLength", 255))
    ),
]


# -- contact settings ----------------------------------------


class ContactChannelBody(Body):
    """A way to reach somebody. PUSH goes to the devices that the party has subscribed; it needs no
    destination."""

    contact_method: Method
    alias: ShortText
    destination: Short = Field(default="", validate_default=True)
    disabled: bool = False

    @field_validator("destination")
    @classmethod
    def _fits(cls, value: str, info: ValidationInfo) -> str:
        method = info.data.get("contact_method")
        if method is None or method is Method.PUSH:
            return ""
        faults = [] if value.strip() else ["must not be blank"]
        if method is Method.SMS and not is_msisdn(value):
            faults.append(MSISDN_MESSAGE)
        if method is Method.EMAIL and not _EMAIL.match(value):
            faults.append("must be a well-formed email address")
        if faults:
            raise broken(*faults)
        return value

    def channel(self) -> ContactChannel:
        return ContactChannel(self.contact_method, self.alias, self.destination, self.disabled)


class ContactSettingCreateRequest(Body):
    """``partyId`` for somebody real, ``createdById`` for a virtual setting that another has
    made."""

    party_id: Uuid | None = None
    createdById: Uuid | None = Field(
        default=None, validate_default=True
    )  # a default's fault is told under the name that stands here
    alias: Short | None = None
    contact_channels: Annotated[tuple[ContactChannelBody, ...], _MANY] | None = None

    @field_validator("createdById")
    @classmethod
    def _somebody(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("party_id", "") is None:
            raise broken("One of partyId or createdById must be provided!")
        return value


class ContactSettingUpdateRequest(Body):
    """What is absent stays as it is; channels that are given replace all that were there."""

    alias: Short | None = None
    contact_channels: Annotated[tuple[ContactChannelBody, ...], _MANY] | None = None


# -- delegates ----------------------------------------


class RuleBody(Body):
    """``* EQUALS *`` matches everything."""

    attribute_name: ShortText
    operator: Operator
    attribute_value: ShortText


class FilterBody(Body):
    """All of its rules must match."""

    alias: Short | None = None
    channel: Short | None = None
    rules: Annotated[tuple[RuleBody, ...], _MANY]

    def filter(self, now: datetime, was: Filter | None = None) -> Filter:
        rules = tuple(
            Rule(rule.attribute_name, rule.operator, rule.attribute_value) for rule in self.rules
        )
        return Filter(
            was.id if was else new_id(),
            self.alias,
            self.channel,
            rules,
            was.created if was else now,
            now,
        )


class DelegateCreateRequest(Body):
    """The agent is told what the principal is told, where a filter matches."""

    principal_id: Uuid
    agent_id: Uuid
    filters: Annotated[tuple[FilterBody, ...], NotEmpty, _MANY]


# -- parties ----------------------------------------


def _legal_id(value: str) -> str:
    found = read_legal_id(value, utc_now().astimezone(SWEDEN).date())
    if isinstance(found, WrongNumber):
        raise broken(found.value)
    return found.number


class NamesBody(Body, title="PartyNames"):
    """A person's names, or an organisation's."""

    first_name: Short | None = None
    last_name: Short | None = None
    organization: Short | None = None


class AddressBody(Body, title="PartyAddress"):
    """As the contract writes an address."""

    address: Short | None = None
    apartment_number: Short | None = None
    care_of: Short | None = None
    zip_code: Short | None = None
    city: Short | None = None
    country: Short | None = None


class PartyRequest(Body):
    """Who stands behind a party id; what was there is replaced. ``protected``: the address is then
    told to nobody."""

    legal_id: Annotated[
        str, Constraint((NOT_BLANK,), "must not be blank"), AfterValidator(_legal_id)
    ]
    names: NamesBody = NamesBody()
    address: AddressBody = AddressBody()
    protected: bool = False

    def number(self) -> LegalId:
        return LegalId(self.legal_id)

    def place(self) -> PostalAddress:
        names, at = self.names, self.address
        return PostalAddress(
            names.first_name,
            names.last_name,
            names.organization,
            at.care_of,
            at.address,
            at.apartment_number,
            at.zip_code,
            at.city,
            at.country,
        )


# -- push ----------------------------------------


def _secure(value: str) -> bool:
    """https, or a push service on this machine, as browsers see it (W3C Secure Contexts section
    3.1)."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1")
    )


def _octets(size: int, first: bytes = b"") -> tuple[str, Callable[[Any], bool]]:
    def fits(value: str) -> bool:
        try:
            found = urlsafe_b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
        except ValueError:
            return False
        return (
            re.fullmatch(r"[A-Za-z0-9_-]+={0,2}", value) is not None
            and len(found) == size
            and found.startswith(first)
        )

    return f"must be {size} bytes in base64url", fits


class WebPushKeys(Body):
    """RFC 8291 section 2: an uncompressed point on P-256, and 16 bytes."""

    p256dh: Annotated[str, Constraint((_octets(65, b"\x04"),), "must not be null")] = Field(
        alias="p256dh"
    )
    auth: Annotated[str, Constraint((_octets(16),), "must not be null")]


class WebPushBody(Body):
    """What a browser's ``PushSubscription.toJSON()`` gives."""

    endpoint: Annotated[str, Constraint((("must be an https address", _secure), CLEAN, _LONG))]
    keys: WebPushKeys


class FcmBody(Body):
    """The registration token of an app."""

    token: Annotated[str, Constraint((NOT_BLANK, CLEAN, UTF8, _LONG), "must not be blank")]


class PushParty(Body, title="SubscriptionParty"):
    """Whose device it is."""

    party_id: Uuid


class SubscriptionRequest(Body):
    """One device of a party: a browser (``webpush``) or an app (``fcm``)."""

    party: PushParty
    webpush: WebPushBody | None = None
    fcm: FcmBody | None = Field(default=None, validate_default=True)

    @field_validator("fcm")
    @classmethod
    def _one(cls, value: FcmBody | None, info: ValidationInfo) -> FcmBody | None:
        if "webpush" in info.data and (value is None) == (info.data["webpush"] is None):
            raise broken("exactly one of webpush and fcm must be provided")
        return value

    def device(self) -> PushDevice:
        if self.webpush is not None:
            found = self.webpush
            return PushDevice(
                "webpush",
                found.endpoint,
                {"endpoint": found.endpoint, "p256dh": found.keys.p256dh, "auth": found.keys.auth},
            )
        assert self.fcm is not None
        return PushDevice("fcm", self.fcm.token, {"token": self.fcm.token})


MODELS: Final = (
    ContactSettingCreateRequest,
    ContactSettingUpdateRequest,
    DelegateCreateRequest,
    FilterBody,
    PartyRequest,
    SubscriptionRequest,
)
