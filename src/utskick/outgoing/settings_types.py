"""Settings types of what is called: addresses, names, secrets, certificates, channel sections."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from utskick.outgoing.address_guard import AddressPolicy


def _checked_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a complete address, such as https://sms.example.se")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            "must be an address without user, '?' and '#'; credentials have settings of their own"
        )
    return text


def _address(text: str) -> str:
    return _checked_address(text).rstrip("/")


def _certificates_file(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except (ssl.SSLError, OSError) as fault:
        raise ValueError("must be a readable file of certificates in PEM") from fault
    return path


def _certificates(text: str) -> str:
    if "PRIVATE KEY" in text:
        raise ValueError("must contain certificates only, without a private key: it is not secret")
    try:
        x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        raise ValueError("must be certificates in PEM") from None
    return text


def _without_input(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError as fault:
        raise ValidationError.from_exception_data(
            fault.title,
            [
                _detail(error["type"], error["msg"], error["loc"])
                for error in fault.errors(include_url=False)
            ],
        ) from None


def _detail(kind: str, message: str, loc: tuple[int | str, ...]) -> InitErrorDetails:
    """Build an error without its input; ``message`` is not a template, braces stay as they are."""
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{message}", {"message": message}), loc=loc, input=None
    )


#: Last annotation of a secret type: errors of the value never include the value.
REDACT_INPUT = WrapValidator(_without_input)

#: The base of addresses: without a slash at the end.
Address = Annotated[str, AfterValidator(_address)]
#: An address that is compared or called exactly as it is written.
ExactAddress = Annotated[str, AfterValidator(_checked_address)]
#: The part after the @ is the unit that the account belongs to (``domain.unit.Unit.tag``).
AccountName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(@[0-9]{4}[0-9a-f.]{0,20})?$")
]
Secret = Annotated[SecretStr, Field(min_length=1), REDACT_INPUT]
NonEmpty = Annotated[str, Field(min_length=1)]
#: One or more in PEM. Public, but kept out of errors, in case they include a private key.
Certificates = Annotated[str, AfterValidator(_certificates), REDACT_INPUT]


def fault_at(member: str, message: str) -> ValidationError:
    """Build an error of one member for use in a validator of the section, without its input."""
    return ValidationError.from_exception_data(
        "section", [_detail("value_error", message, (member,))]
    )


class Section(BaseModel):
    """A table of the settings: unknown keys are errors, and errors never include the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def one_of(self, *names: str) -> str | None:
        """Return which of these members is set, if any. Raises if more than one is."""
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise fault_at(
                given[-1], f"must be omitted where {given[0]} is set: they are alternatives"
            )
        return given[0] if given else None

    def need_one_of(self, *names: str) -> str:
        """Return which of these members is set. Raises unless exactly one is."""
        name = self.one_of(*names)
        if name is None:
            raise fault_at(names[0], f"must be set: {' or '.join(names)}")
        return name


class PeerSection(Section):
    """A peer that is called. ``reach``: where it may be; None: anywhere, as the operator set it."""

    _reach: AddressPolicy | None = PrivateAttr(None)

    @property
    def reach(self) -> AddressPolicy | None:
        return self._reach

    def within(self, reach: AddressPolicy) -> Self:
        """Return the peer, restricted to what the policy allows whenever it connects."""
        copy = self.model_copy()
        copy._reach = reach
        return copy

    def further_addresses(self) -> dict[str, str]:
        """Return addresses that are called and are no members, by where they stand."""
        return {}


class ChannelSection(Section):
    """Section of a channel, which a unit of a municipality may override.

    ``carried``: members that are applied at acceptance or stored in the draft
    (``Channel.completed``); units that differ only in these share a channel instance. ``fixed``:
    members of the service as a whole, which no unit may override. Any other member gives the unit
    a channel instance of its own, with its own connections. ``unsettled``: what becomes of a
    message that is not settled when its synchronous call stops waiting; always carried.
    """

    carried: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[frozenset[str]] = frozenset()

    unsettled: Literal["cancel", "continue"] = "continue"

    def within(self, reach: AddressPolicy) -> Self:
        """Return the section with accounts that connect only to what the policy allows."""
        accounts: dict[str, PeerSection] = getattr(self, "accounts", {})
        kept = {name: account.within(reach) for name, account in accounts.items()}
        return self.model_copy(update={"accounts": kept}) if kept else self


class TlsSection(PeerSection):
    """A peer called over TLS. ``ca_file``, or its contents in ``ca``: additional CAs."""

    ca_file: Annotated[FilePath, AfterValidator(_certificates_file)] | None = None
    ca: Certificates | None = None

    @model_validator(mode="after")
    def _one_ca(self) -> Self:
        self.one_of("ca_file", "ca")
        return self

    def tls(self) -> ssl.SSLContext | None:
        """Build a context trusting the public CAs and the additional ones; None without those.

        Reads the file each time, which takes some 30 ms. Raises ``OSError``.
        """
        if self.ca_file is None and self.ca is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=self.ca_file, cadata=self.ca)
        return context


class HttpPeer(TlsSection):
    """A peer called over HTTP. Time-outs in seconds."""

    url: Address
    concurrency: int = Field(20, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    read_timeout: float = Field(15.0, gt=0)


class HttpAccount(HttpPeer):
    """A provider account over HTTP. ``rate``: calls per second. ``priority``: lowest first."""

    priority: int = 1
    rate: float | None = Field(None, gt=0)
