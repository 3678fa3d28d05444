"""Types of settings of what is called: addresses, account names, secrets, certificates by file or
by contents, the section of a channel."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a whole address, such as https://sms.example.se")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            "must be an address without user, '?' and '#'; the login has settings of its own"
        )
    return text.rstrip("/")


def _certificates_file(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except (ssl.SSLError, OSError) as fault:
        raise ValueError(
            "must be a file of certificates in PEM form that this process may read"
        ) from fault
    return path


def _certificates(text: str) -> str:
    if "PRIVATE KEY" in text:
        raise ValueError("must hold certificates only, and no private key: everybody may read it")
    try:
        x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        raise ValueError("must be certificates in PEM form") from None
    return text


def _unseen(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
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


def _detail(kind: str, said: str, place: tuple[int | str, ...]) -> InitErrorDetails:
    """``said`` is no template: what it says in braces stays as it is."""
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{said}", {"said": said}), loc=place, input=None
    )


#: The last part of a type: a fault of the value does not carry the value, whoever tells of it.
UNSEEN = WrapValidator(_unseen)

Address = Annotated[str, AfterValidator(_address)]
#: After the @ stands the unit whose own account it is (``domain.unit.Unit.tag``).
AccountName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(@[0-9]{4}[0-9a-f.]{0,20})?$")
]
Secret = Annotated[SecretStr, Field(min_length=1), UNSEEN]
Filled = Annotated[str, Field(min_length=1)]
#: One or more in PEM. Public, but kept out of faults: who puts a key there by mistake shall not
#: find it in a log.
Certificates = Annotated[str, AfterValidator(_certificates), UNSEEN]


def fault_at(place: str, said: str) -> ValidationError:
    """A fault of one member, found by a look at the whole section. What was found there is not
    echoed."""
    return ValidationError.from_exception_data("section", [_detail("value_error", said, (place,))])


class Section(BaseModel):
    """A table of the settings; a key that it does not know is a fault, and what was found is never
    echoed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def one_of(self, *names: str) -> str | None:
        """Which of these members is set, None where none is. Raises where there are two ways to say
        one thing."""
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise fault_at(
                given[-1], f"must be left out where {given[0]} is set: they say the same"
            )
        return given[0] if given else None

    def need_one_of(self, *names: str) -> str:
        """The same, where one of them is needed."""
        found = self.one_of(*names)
        if found is None:
            raise fault_at(names[0], f"is needed: set {' or '.join(names)}")
        return found


class ChannelSection(Section):
    """The section of a channel, as a unit of a municipality may set it over those above it.

    ``carried``: members that are settled when a message is accepted, or that its draft carries
    (``Channel.completed``): units that differ in nothing else share a channel that sends.
    ``fixed``: members of the service as a whole, which no unit may set. Every other member makes a
    channel of its own, with connections of its own.
    """

    carried: ClassVar[frozenset[str]] = frozenset()
    fixed: ClassVar[frozenset[str]] = frozenset()


class Trusting(Section):
    """What is called over TLS. ``ca_file``, or its contents in ``ca``: further certificate
    authorities."""

    ca_file: Annotated[FilePath, AfterValidator(_certificates_file)] | None = None
    ca: Certificates | None = None

    @model_validator(mode="after")
    def _one_ca(self) -> Self:
        self.one_of("ca_file", "ca")
        return self

    def tls(self) -> ssl.SSLContext | None:
        """The public authorities and the account's own beside them; None where the public ones are
        enough.

        Takes some 30 ms, and reads the file again. Raises ``OSError``.
        """
        if self.ca_file is None and self.ca is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=self.ca_file, cadata=self.ca)
        return context


class HttpPeer(Trusting):
    """What everything that we call over HTTP has. Time-outs in seconds."""

    url: Address
    concurrency: int = Field(20, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    read_timeout: float = Field(15.0, gt=0)


class HttpAccount(HttpPeer):
    """A provider account over HTTP. ``rate`` in calls a second; ``priority``: the lowest first."""

    priority: int = 1
    rate: float | None = Field(None, gt=0)
