"""Request models of the directory.

Those of contact settings and delegates follow the contract (contact settings 2.0).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from utskick.domain import email_address
from utskick.domain.characters import without_invisible
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.contact_setting import ContactChannel, Filter, Operator, Rule
from utskick.domain.directory_ports import LegalId, Method, PostalAddress
from utskick.domain.ids import new_id
from utskick.domain.legal_id import WrongNumber, read_legal_id
from utskick.domain.phone_number import canonical, is_msisdn
from utskick.domain.validators import (
    CLEAN,
    MSISDN_MESSAGE,
    NOT_BLANK,
    UTF8,
    Body,
    Composed,
    Folded,
    NotEmpty,
    Uuid,
    broken,
)
from utskick.domain.validators import Constraint as Constraint
from utskick.store.directory.push_subscriptions import PushDevice

#: providers: contact settings, ContactMethod.
_EMAIL: Final = re.compile(r"[a-zA-Z0-9_!#$%&'*+/=?`{|}~^.-]+@[a-zA-Z0-9.-]+\Z")
_SIZE: Final = ("size must be between 0 and 255", lambda value: len(value) <= 255)
_LONG: Final = ("size must be between 0 and 4096", lambda value: len(value) <= 4096)
_MANY: Final = Constraint(
    (("size must be between 0 and 100", lambda value: len(value) <= 100),),
    schema=(("maxItems", 100),),
)
Short = Annotated[str, Composed, Constraint((CLEAN, UTF8, _SIZE), schema=(("maxLength", 255),))]
#: A member that is printed as one line.
OneLine = Annotated[
    str, Folded, Composed, Constraint((CLEAN, UTF8, _SIZE), schema=(("maxLength", 255),))
]
ShortText = Annotated[
    str,
    Composed,
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, _SIZE), "must not be blank", (("minLength", 1), ("maxLength", 255))
    ),
]


# -- contact settings ----------------------------------------


class ContactChannelBody(Body):
    """A contact channel.

    PUSH goes to the devices that the party has registered and needs no destination.
    """

    contact_method: Method = Field(description="Method of contact", examples=["SMS"])
    alias: ShortText = Field(description="Name by the calling system", examples=["Arbetet"])
    destination: Short = Field(
        default="",
        validate_default=True,
        description="E.164 number or e-mail address; absent for PUSH",
        examples=["+46701740605"],
    )
    disabled: bool = Field(
        default=False,
        description="`true`: the party declines contact by this channel",
        examples=[False],
    )

    @field_validator("destination")
    @classmethod
    def _fits(cls, value: str, info: ValidationInfo) -> str:
        method = info.data.get("contact_method")
        if method is None or method is Method.PUSH:
            return ""
        faults = [] if value.strip() else ["must not be blank"]
        if method is Method.SMS:
            value = without_invisible(value).strip()
            if is_msisdn(value):
                value = canonical(value)
            else:
                faults.append(MSISDN_MESSAGE)
        if method is Method.EMAIL:
            value = email_address.cleaned(value)
        if method is Method.EMAIL and not (_EMAIL.match(value) and email_address.is_email(value)):
            faults.append("must be a well-formed email address")
        if faults:
            raise broken(*faults)
        return value

    def channel(self) -> ContactChannel:
        return ContactChannel(self.contact_method, self.alias, self.destination, self.disabled)


class ContactSettingCreateRequest(Body):
    """A contact setting.

    ``partyId``: that of a party; ``createdById``: a virtual one that another setting owns.
    """

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    createdById: Uuid | None = Field(
        default=None,
        validate_default=True,
        description="The setting that created a virtual one",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )  # a violation of the default is reported under this name
    alias: Short | None = Field(
        default=None, description="Name by the calling system", examples=["Arbetet"]
    )
    contact_channels: Annotated[tuple[ContactChannelBody, ...], _MANY] | None = Field(
        default=None, description="Contact channels, first choice first"
    )

    @field_validator("createdById")
    @classmethod
    def _somebody(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("party_id", "") is None:
            raise broken("One of partyId or createdById must be provided!")
        return value


class ContactSettingUpdateRequest(Body):
    """Changes of a contact setting.

    Members that are left out stay unchanged; channels are replaced as a whole.
    """

    alias: Short | None = Field(
        default=None, description="Name by the calling system", examples=["Arbetet"]
    )
    contact_channels: Annotated[tuple[ContactChannelBody, ...], _MANY] | None = Field(
        default=None, description="Contact channels, first choice first"
    )


# -- delegates ----------------------------------------


class RuleBody(Body):
    """A rule of a filter. ``* EQUALS *`` matches everything."""

    attribute_name: ShortText = Field(
        description="Name of the query parameter that is compared", examples=["category"]
    )
    operator: Operator = Field(description="Comparison", examples=["EQUALS"])
    attribute_value: ShortText = Field(
        description="Value to compare with; `*` is any", examples=["SCHOOL"]
    )


class FilterBody(Body):
    """A filter, all of whose rules must match."""

    alias: Short | None = Field(
        default=None, description="Name by the calling system", examples=["Arbetet"]
    )
    channel: Short | None = Field(
        default=None, description="Channel that the filter applies to", examples=["SMS"]
    )
    rules: Annotated[tuple[RuleBody, ...], _MANY] = Field(
        description="Rules, all of which must match"
    )

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
    """A delegate.

    The agent receives copies of the messages to the principal where a filter matches.
    """

    principal_id: Uuid = Field(
        description="Contact setting of the principal",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    agent_id: Uuid = Field(
        description="Contact setting of the agent",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    filters: Annotated[tuple[FilterBody, ...], NotEmpty, _MANY] = Field(
        description="Filters, one of which must match"
    )


# -- parties ----------------------------------------


def _legal_id(value: str) -> str:
    found = read_legal_id(value, utc_now().astimezone(SWEDEN).date())
    if isinstance(found, WrongNumber):
        raise broken(found.value)
    return found.number


class NamesBody(Body, title="PartyNames"):
    """Names of a person, or of an organisation."""

    first_name: OneLine | None = Field(
        default=None, description="The first name", examples=["Anna"]
    )
    last_name: OneLine | None = Field(
        default=None, description="The last name", examples=["Andersson"]
    )
    organization: OneLine | None = Field(
        default=None, description="The name of an organisation", examples=["Sundsvalls kommun"]
    )


class AddressBody(Body, title="PartyAddress"):
    """A postal address in the form of the contract."""

    address: OneLine | None = Field(
        default=None, description="Street address or box", examples=["Storgatan 1"]
    )
    apartment_number: OneLine | None = Field(
        default=None, description="The number of the apartment", examples=["1101"]
    )
    care_of: OneLine | None = Field(default=None, description="Care of", examples=["c/o Andersson"])
    zip_code: OneLine | None = Field(
        default=None, description="The postal code", examples=["85230"]
    )
    city: OneLine | None = Field(default=None, description="The post town", examples=["Sundsvall"])
    country: OneLine | None = Field(default=None, description="The country", examples=["Sverige"])


class PartyRequest(Body):
    """A directory entry; replaces the one before. ``protected``: the address is never returned."""

    legal_id: Annotated[
        str, Constraint((NOT_BLANK,), "must not be blank"), AfterValidator(_legal_id)
    ] = Field(
        description="Swedish personal, coordination or organisation number; never returned in full",
        examples=["2120002411"],
    )
    names: NamesBody = Field(
        default=NamesBody(), description="Names of a person, or of an organisation"
    )
    address: AddressBody = Field(default=AddressBody(), description="Street address or box")
    protected: bool = Field(
        default=False,
        description="Whether the identity is protected; the address is then never returned",
        examples=[False],
    )

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
    """Return whether a URL is https, or a push service on this machine.

    As browsers define a secure context (W3C Secure Contexts section 3.1).
    """
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
    """Keys of a browser (RFC 8291 section 2): an uncompressed point on P-256, and 16 bytes."""

    p256dh: Annotated[str, Constraint((_octets(65, b"\x04"),), "must not be null")] = Field(
        alias="p256dh", description="Public key of the browser, 65 bytes in base64url"
    )
    auth: Annotated[str, Constraint((_octets(16),), "must not be null")] = Field(
        description="Authentication secret of the browser, 16 bytes in base64url",
        examples=["AAAAAAAAAAAAAAAAAAAAAA"],
    )


class WebPushBody(Body):
    """A browser, by the members of its ``PushSubscription.toJSON()``."""

    endpoint: Annotated[str, Constraint((("must be an https address", _secure), CLEAN, _LONG))] = (
        Field(
            description="Address at the push service",
            examples=["https://push.example.com/send/abc"],
        )
    )
    keys: WebPushKeys = Field(description="Encryption keys of the browser")


class FcmBody(Body):
    """An app, by its registration token."""

    token: Annotated[str, Constraint((NOT_BLANK, CLEAN, UTF8, _LONG), "must not be blank")] = Field(
        description="Registration token of the app"
    )


class PushParty(Body, title="SubscriptionParty"):
    """The party that the device belongs to."""

    party_id: Uuid = Field(
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )


class SubscriptionRequest(Body):
    """A device of a party: a browser (``webpush``) or an app (``fcm``)."""

    party: PushParty = Field(description="The recipient")
    webpush: WebPushBody | None = Field(
        default=None, description="A browser, by the members of its `PushSubscription.toJSON()`"
    )
    fcm: FcmBody | None = Field(
        default=None, validate_default=True, description="An app, by Firebase Cloud Messaging"
    )

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
