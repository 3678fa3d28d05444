"""Settings section ``[digital_mail]``: senders with their certificates, and mailbox operators."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from utskick.channels.digital_mail.key_pair import (
    KeyPair,
    UnusableKey,
    from_pem,
    from_pkcs12,
    read_key,
)
from utskick.outgoing.settings_types import (
    REDACT_INPUT,
    AccountName,
    Certificates,
    ChannelSection,
    HttpAccount,
    Secret,
    Section,
    fault_at,
)

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?\Z")

#: 10 digits (contract section 1.1).
Organization = Annotated[str, StringConstraints(pattern=r"^[1235789]\d[2-9]\d{7}$")]
#: Id of a mailbox operator in the register: 16 and the organisation number.
SupplierId = Annotated[str, StringConstraints(pattern=r"^16\d{10}$")]
Municipality = Annotated[str, StringConstraints(pattern=r"^\d{4}$")]


def _host(text: str) -> str:
    if not _HOST.match(text.lower()):
        raise ValueError(
            "must be a host name, with a port unless it is 443: mm.example.se, mm.example.se:8443"
        )
    return text.lower().removesuffix(":443")


Host = Annotated[str, AfterValidator(_host)]
_Lines = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]+$")
]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]+$")]


class SupportInfoSettings(Section):
    """Contact information for the citizen (Message.xsd v3, SupportInfo)."""

    text: Annotated[_Lines, Field(max_length=1024)]
    email_address: (
        Annotated[str, StringConstraints(pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$", max_length=256)]
        | None
    ) = None
    phone_number: Annotated[_Line, Field(max_length=255)] | None = None
    url: (
        Annotated[str, StringConstraints(pattern=r"^[^\s<>\"{}|\\^`]+$", max_length=255)] | None
    ) = None

    def members(self) -> dict[str, str]:
        """Return the members in the form of a request."""
        members = {
            "text": self.text,
            "emailAddress": self.email_address,
            "phoneNumber": self.phone_number,
            "url": self.url,
        }
        return {name: value for name, value in members.items() if value}


def _base64(secret: SecretStr) -> SecretStr:
    """Validate base64 and join its lines."""
    text = "".join(secret.get_secret_value().split())
    try:
        b64decode(text, validate=True)
    except ValueError:
        raise ValueError("must be a PKCS #12 file in base64") from None
    return SecretStr(text)


class OwnCertificate(Section):
    """A certificate with its RSA key: in PEM (with its chain, if any), or in PKCS #12.

    Each is a file (``certificate_file``, ``key_file``, ``pkcs12_file``), read on first use, or
    inline: ``certificate`` and ``key`` in PEM, ``pkcs12`` in base64. ``password`` decrypts the key.
    """

    certificate_file: Path | None = None
    certificate: Certificates | None = None
    key_file: Path | None = None
    key: Secret | None = None
    pkcs12_file: Path | None = None
    pkcs12: (
        Annotated[SecretStr, Field(min_length=1), AfterValidator(_base64), REDACT_INPUT] | None
    ) = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        pem = (self.one_of("certificate_file", "certificate"), self.one_of("key_file", "key"))
        container = self.one_of("pkcs12_file", "pkcs12")
        if (container is None) != all(pem) or (container and any(pem)):
            raise ValueError(
                "must have either certificate_file and key_file, or pkcs12_file; or inline either"
                " certificate and key, or pkcs12"
            )
        try:
            self._check_inline()
        except UnusableKey as fault:
            raise fault_at(container or "key", f"cannot be used: {fault}") from None
        return self

    def _check_inline(self) -> None:
        """Open what is given inline; a certificate alone is validated by its type."""
        if self.pkcs12 is not None or (self.certificate is not None and self.key is not None):
            self.opened()
        elif self.key is not None:
            read_key(self.key.get_secret_value().encode(), self._password)

    def opened(self) -> KeyPair:
        """Open the key pair, reading files. Raises ``UnusableKey`` and ``OSError``."""
        if self.pkcs12_file is not None:
            return from_pkcs12(self.pkcs12_file.read_bytes(), self._password)
        if self.pkcs12 is not None:
            return from_pkcs12(b64decode(self.pkcs12.get_secret_value()), self._password)
        certificate = (
            self.certificate.encode()
            if self.certificate is not None
            else _read(self.certificate_file)
        )
        key = self.key.get_secret_value().encode() if self.key is not None else _read(self.key_file)
        return from_pem(certificate, key, self._password)

    @property
    def _password(self) -> bytes | None:
        return self.password.get_secret_value().encode() if self.password else None


def _read(path: Path | None) -> bytes:
    assert path is not None, "validated with the settings"
    return path.read_bytes()


class SendingOrganisation(OwnCertificate):
    """A sending organisation.

    ``name``: shown to the citizen. ``municipality``: whose clients may send for it.
    ``support_info``: default for requests without it. ``former``: previous certificates. A delivery
    that was begun with one of them is repeated with it, since operators recognise only a repeat
    that is equal to the byte.
    """

    name: Annotated[_Line, Field(min_length=2, max_length=256)]
    municipality: Municipality
    support_info: SupportInfoSettings | None = None
    former: tuple[OwnCertificate, ...] = ()


class MailboxOperator(Section):
    """A mailbox operator.

    ``hosts``: hosts of its service; addresses elsewhere are refused, whatever the register returns.
    ``deduplicates``: it recognises a repeated delivery and discards the second copy.
    ``fault_codes``: what its codes of application faults mean, which no schema documents. *sender*:
    the sender has no permission; *message*: it will never accept the message.
    """

    name: Annotated[_Line, Field(min_length=1)]
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    deduplicates: bool = False
    fault_codes: dict[Annotated[int, Field(ge=1, le=9998)], Literal["sender", "message"]] = Field(
        default_factory=dict
    )


class MinaMeddelandenAccount(HttpAccount):
    """Mina Meddelanden v3.

    ``url``: the Recipient service (FaR). ``senders``: by organisation number. ``operators``: by
    supplier id. ``lookup_timeout``, ``read_timeout``: in seconds, for the Recipient service and the
    operators. ``reachable_seconds``: how long a response of the Recipient service is cached, 0 not
    at all.

    ``newest_tls``: in TLS 1.3 a server verifies the client certificate after the request may have
    been sent (RFC 8446 section 2), so that an expired certificate would make every delivery
    uncertain; in TLS 1.2 it is verified before anything is sent.
    """

    provider: Literal["minameddelanden"]
    read_timeout: float = Field(120.0, gt=0)
    lookup_timeout: float = Field(30.0, gt=0)
    reachable_seconds: float = Field(300.0, ge=0)
    newest_tls: Literal["1.2", "1.3"] = "1.2"
    senders: Annotated[dict[Organization, SendingOrganisation], Field(min_length=1)]
    operators: Annotated[dict[SupplierId, MailboxOperator], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _is_secure(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError("must begin with https://: it receives personal numbers")
        return url


class DigitalMailSettings(ChannelSection):
    """Section ``[digital_mail]``.

    ``organization``: default sender; None: the municipality's own, if it has exactly one.
    ``subject``, ``support_info``: defaults for messages without them; a sender's ``support_info``
    takes precedence.
    """

    carried: ClassVar = frozenset({"organization", "subject", "support_info"})

    unsettled: Literal["cancel", "continue"] = "cancel"
    organization: Organization | None = None
    subject: Annotated[_Line, Field(max_length=255)] = "Meddelande"
    support_info: SupportInfoSettings = SupportInfoSettings(text="Kontakta oss om du har frågor.")
    accounts: dict[AccountName, MinaMeddelandenAccount] = Field(default_factory=dict)

    def organization_of(self, municipality_id: str) -> str | None:
        """Return the default sender's organisation number, None if there is none."""
        if self.organization is not None:
            return self.organization
        own = {
            number
            for a in self.accounts.values()
            for number, sender in a.senders.items()
            if sender.municipality == municipality_id
        }
        return own.pop() if len(own) == 1 else None
