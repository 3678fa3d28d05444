"""The section of the settings: which organisations send, with which certificates, and to which mailbox operators."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from utskick.outgoing.section import AccountName, HttpAccount, Secret, Section

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?\Z")

#: 10 digits (contract section 1.1).
Organization = Annotated[str, StringConstraints(pattern=r"^[1235789]\d[2-9]\d{7}$")]
#: As the register names an operator: 16 and the organisation number.
SupplierId = Annotated[str, StringConstraints(pattern=r"^16\d{10}$")]
Municipality = Annotated[str, StringConstraints(pattern=r"^\d{4}$")]


def _host(text: str) -> str:
    if not _HOST.match(text.lower()):
        raise ValueError("must be a host name, with a port where it is not 443: mm.example.se, mm.example.se:8443")
    return text.lower().removesuffix(":443")


Host = Annotated[str, AfterValidator(_host)]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]+$")]


class SupportInfo(Section):
    """Whom the citizen can ask (Message.xsd v3, SupportInfo)."""

    text: Annotated[_Line, Field(max_length=1024)]
    email_address: Annotated[str, StringConstraints(pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$", max_length=256)] | None = None
    phone_number: Annotated[_Line, Field(max_length=255)] | None = None
    url: Annotated[str, StringConstraints(pattern=r"^[^\s<>\"{}|\\^`]+$", max_length=255)] | None = None

    def members(self) -> dict[str, str]:
        """As a request would say it."""
        said = {"text": self.text, "emailAddress": self.email_address, "phoneNumber": self.phone_number, "url": self.url}
        return {name: value for name, value in said.items() if value}


class CertificateFiles(Section):
    """A certificate with its RSA key: two PEM files (``certificate_file`` with the chain, if any), or one PKCS #12 file.

    ``password`` opens the key. The files are read when they are first needed.
    """

    certificate_file: Path | None = None
    key_file: Path | None = None
    pkcs12_file: Path | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        pem = (self.certificate_file, self.key_file)
        if (self.pkcs12_file is None) != all(pem) or (self.pkcs12_file and any(pem)):
            raise ValueError("needs either certificate_file and key_file, or pkcs12_file")
        return self


class Sender(CertificateFiles):
    """An organisation that sends. ``name``: as the citizen sees it; ``municipality``: whose callers may send for it.

    ``support_info``: for those who give none. ``former``: certificates that were used until lately. A delivery that was begun with one of
    them is repeated with it, because only a repeat equal to the byte is known again by the operator.
    """

    name: Annotated[_Line, Field(min_length=2, max_length=256)]
    municipality: Municipality
    support_info: SupportInfo | None = None
    former: tuple[CertificateFiles, ...] = ()


class Operator(Section):
    """A mailbox operator. ``hosts``: where its service may lie, all others are refused, whatever the register says.

    ``deduplicates``: the operator says that it knows a repeated delivery again, and puts no second copy into the mailbox.
    """

    name: Annotated[_Line, Field(min_length=1)]
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    deduplicates: bool = False


class MinaMeddelandenAccount(HttpAccount):
    """Mina Meddelanden v3. ``url``: the Recipient service (FaR). ``senders``: by organisation number; ``operators``: by supplier id.

    ``lookup_timeout`` in seconds, for the Recipient service; ``read_timeout`` is that for operators. ``reachable_seconds``: for how long
    an answer of the Recipient service is trusted, 0 not at all.

    ``newest_tls``: in TLS 1.3 a server judges our certificate after the request may have left (RFC 8446 section 2), so that a certificate
    which is no longer taken would leave every delivery in doubt; in TLS 1.2 that is known before anything is sent.
    """

    provider: Literal["minameddelanden"]
    read_timeout: float = Field(120.0, gt=0)
    lookup_timeout: float = Field(30.0, gt=0)
    reachable_seconds: float = Field(300.0, ge=0)
    newest_tls: Literal["1.2", "1.3"] = "1.2"
    senders: Annotated[dict[Organization, Sender], Field(min_length=1)]
    operators: Annotated[dict[SupplierId, Operator], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _is_secure(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError("must begin with https://: personal numbers go there")
        return url


class DigitalMailSettings(Section):
    """``organization``: who sends for those who name no organisation; ``organizations``: the same, by municipality id.

    ``subject``, ``support_info``: for messages that have none of their own.
    """

    organization: Organization = "2120002411"
    organizations: dict[Municipality, Organization] = Field(default_factory=dict)
    subject: Annotated[_Line, Field(max_length=255)] = "Meddelande"
    support_info: SupportInfo = SupportInfo(text="Kontakta oss om du har frågor.")
    accounts: dict[AccountName, MinaMeddelandenAccount] = Field(default_factory=dict)

    def organization_of(self, municipality_id: str) -> str:
        return self.organizations.get(municipality_id, self.organization)
