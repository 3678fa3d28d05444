"""Certificate authority of the simulator, for the server and the sending organisations."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID: Final = timedelta(days=365)
_RENEWED_BEFORE: Final = timedelta(days=7)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Files of a certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """Authority with its files in one folder.

    All certificates are reissued when one is missing or expires within a week.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca_file = folder / "ca.pem"

    def files_of(self, name: str) -> CertificateFiles:
        """Return the files of ``server``, or of an organisation by its number."""
        return CertificateFiles(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.ca_file.read_bytes())

    def prepare(self, organizations: Mapping[str, str]) -> None:
        """Issue missing certificates; ``organizations`` maps numbers (10 digits) to names."""
        if self._all_valid(organizations):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = _name("Utskick sandbox, Mina Meddelanden")
        _write(
            self.ca_file,
            _pem(
                certify(
                    (issuer, key),
                    issuer,
                    key.public_key(),
                    [x509.BasicConstraints(ca=True, path_length=0)],
                )
            ),
        )
        self._issue(
            "server", (issuer, key), _name("localhost"), ec.generate_private_key(ec.SECP256R1())
        )
        for number, common_name in organizations.items():
            subject = _name(common_name, number)
            self._issue(number, (issuer, key), subject, rsa.generate_private_key(65537, 2048))

    def _all_valid(self, organizations: Iterable[str]) -> bool:
        pairs = [self.files_of(name) for name in ("server", *organizations)]
        return _is_valid(self.ca_file) and all(
            files_of.key.exists() and _is_valid(files_of.certificate) for files_of in pairs
        )

    def _issue(
        self,
        name: str,
        issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
        subject: x509.Name,
        key: Key,
    ) -> None:
        files_of = self.files_of(name)
        _write(
            files_of.key,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=False, path_length=None)]
        if name == "server":
            names = [
                x509.DNSName("localhost"),
                *(x509.IPAddress(ip_address(a)) for a in ("127.0.0.1", "::1")),
            ]
            extensions += [
                x509.SubjectAlternativeName(names),
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            ]
        else:
            extensions.append(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
        _write(files_of.certificate, _pem(certify(issuer, subject, key.public_key(), extensions)))

    def server_tls(self) -> ssl.SSLContext:
        """Return the server's TLS context, which requires a client certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        files_of = self.files_of("server")
        context.load_cert_chain(files_of.certificate, files_of.key)
        context.load_verify_locations(cafile=str(self.ca_file))
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def certify(
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    extensions: Iterable[x509.ExtensionType] = (),
    valid: tuple[datetime, datetime] | None = None,
) -> x509.Certificate:
    """Issue a certificate according to RFC 5280 section 4.1.

    ``valid``: start and end, by default from an hour ago for a year.
    """
    name, signing = issuer
    start, end = valid or (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + _VALID)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=name == subject,
        crl_sign=name == subject,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    for extension in extensions:
        builder = builder.add_extension(
            extension, critical=isinstance(extension, x509.BasicConstraints)
        )
    return builder.sign(signing, hashes.SHA256())


def _name(common_name: str, number: str | None = None) -> x509.Name:
    """Return a distinguished name.

    Like in certificates of Swedish authorities, serialNumber (OID 2.5.4.5) is 16 and the
    organisation number.
    """
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    return x509.Name(
        [*attributes, x509.NameAttribute(NameOID.SERIAL_NUMBER, f"16{number}")]
        if number
        else attributes
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _is_valid(path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - _RENEWED_BEFORE > datetime.now(UTC)


def _write(path: Path, data: bytes) -> None:
    """Write the file atomically, readable by the owner only."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    temporary.replace(path)
