"""An authority of the tests, and whatever certificates they need from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from tests.contracts.provider import SECRET

NOW = datetime.now(UTC)
ORGANIZATION = "2120002411"


@cache
def rsa_key(which: int) -> rsa.RSAPrivateKey:
    """Making one takes a tenth of a second: the tests of a process share them."""
    return rsa.generate_private_key(65537, 2048)


def name(called: str, number: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, called)]
    return x509.Name(
        [*parts, x509.NameAttribute(NameOID.SERIAL_NUMBER, number)] if number else parts
    )


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """``certificate``: what others trust."""

    def __init__(self, called: str = "The authority of the tests") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(called)
        self.certificate = self.issue(self.name, self.key.public_key(), ca=True)

    def issue(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        *,
        days: float = 365,
        ca: bool = False,
        hosts: tuple[x509.GeneralName, ...] = (),
    ) -> x509.Certificate:
        usage = dict.fromkeys(
            (
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = (
            x509.CertificateBuilder(
                self.name,
                subject,
                key,
                x509.random_serial_number(),
                NOW - timedelta(days=400),
                NOW + timedelta(days=days),
            )
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_cert_sign=ca,
                    crl_sign=ca,
                    **usage,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def sender(
        self, folder: Path, *, which: int = 0, days: float = 365, number: str = ORGANIZATION
    ) -> dict[str, str]:
        """The files of an organisation's certificate, as the settings name them."""
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa_key(which)
        certificate = self.issue(
            name("Sundsvalls kommun", f"16{number}"), key.public_key(), days=days
        )
        paths = {
            "certificate_file": folder / f"{number}.pem",
            "key_file": folder / f"{number}-key.pem",
        }
        paths["certificate_file"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths["key_file"].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(SECRET.encode()),
            )
        )
        return {**{member: str(path) for member, path in paths.items()}, "password": SECRET}

    def pkcs12(self, folder: Path) -> dict[str, str]:
        key = rsa_key(0)
        certificate = self.issue(name("Sundsvalls kommun", f"16{ORGANIZATION}"), key.public_key())
        path = folder / "sender.p12"
        encryption = serialization.BestAvailableEncryption(SECRET.encode())
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"sender", key, certificate, [self.certificate], encryption
            )
        )
        return {"pkcs12_file": str(path), "password": SECRET}
