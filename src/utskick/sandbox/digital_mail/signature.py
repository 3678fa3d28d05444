"""Verification of both signatures of a sealed delivery, like a mailbox operator.

Rename the root, strip prefixes, canonicalise and verify.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
MESSAGE_3: Final = "http://minameddelanden.gov.se/schema/Message/v3"
_SIGNATURE: Final = f"{{{DSIG}}}Signature"

#: The only accepted algorithms in SignedInfo, as in the verifiers of both operators.
_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_METHOD: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_TRANSFORM: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_DIGEST: Final = "http://www.w3.org/2001/04/xmlenc#sha256"


class InvalidDelivery(Exception):
    """Fault of a delivery, described in a sentence."""


def canonical(
    element: Any, *, name: str | None = None, namespace: str = "", enveloped: bool = False
) -> bytes:
    """Return the canonical form without prefixes.

    ``name``: replaces the root's name; ``enveloped``: omits its Signature.
    """
    parts: list[str] = []
    root = f"{{{namespace}}}{name}" if name else element.tag
    _write(element, root, "", parts, enveloped=enveloped)
    return "".join(parts).encode()


def _write(
    element: Any, tag: str, parent_namespace: str, parts: list[str], *, enveloped: bool = False
) -> None:
    namespace, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    declaration = f' xmlns="{namespace}"' if namespace != parent_namespace else ""
    attributes = "".join(
        f' {key.rpartition("}")[2]}="{_quoted(value)}"' for key, value in sorted(element.items())
    )
    parts.append(f"<{local}{declaration}{attributes}>{_escaped(element.text)}")
    for child in element:
        if not (enveloped and child.tag == _SIGNATURE):
            _write(child, child.tag, namespace, parts)
        parts.append(_escaped(child.tail))
    parts.append(f"</{local}>")


def _escaped(text: str | None) -> str:
    """Escape text (Canonical XML 1.0, section 1.3.1)."""
    if not text:
        return ""
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    )


def _quoted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return escaped.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def verify(
    sealed: Any, trusted: x509.Certificate, now: datetime | None = None
) -> tuple[x509.Certificate, x509.Certificate]:
    """Verify a valid ``deliverSecure`` element; return the signer's and the sealer's certificate.

    Raises ``InvalidDelivery``.
    """
    moment = now or datetime.now(UTC)
    signed = sealed.find(f"{{{MESSAGE_3}}}SignedDelivery")
    sender = _verify_one(signed, "SignedDelivery", (trusted, moment))
    return sender, _verify_one(sealed, "SealedDelivery", (trusted, moment))


def _verify_one(
    parent: Any, name: str, trust: tuple[x509.Certificate, datetime]
) -> x509.Certificate:
    signatures = parent.findall(_SIGNATURE)
    if len(signatures) != 1:
        raise InvalidDelivery(f"{name} must have exactly one Signature")
    info, value, key_info = _children(signatures[0], ("SignedInfo", "SignatureValue", "KeyInfo"))
    _check_info(info, parent.get("Id"), name)
    document = canonical(parent, name=name, namespace=MESSAGE_3, enveloped=True)
    digest = _text(info, "Reference", "DigestValue")
    if digest != b64encode(hashlib.sha256(document).digest()).decode():
        raise InvalidDelivery(f"the digest of {name} does not match the signed content")
    certificate = _certificate(key_info, name, trust)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise InvalidDelivery(f"the certificate of {name} has no RSA key")
    try:
        key.verify(
            _decoded(value.text, f"SignatureValue of {name}"),
            canonical(info),
            PKCS1v15(),
            hashes.SHA256(),
        )
    except InvalidSignature:
        raise InvalidDelivery(f"the signature of {name} is wrong") from None
    return certificate


def _check_info(info: Any, identifier: str | None, name: str) -> None:
    method, signing, reference = _children(
        info, ("CanonicalizationMethod", "SignatureMethod", "Reference")
    )
    transforms, digesting, _ = _children(reference, ("Transforms", "DigestMethod", "DigestValue"))
    (transform,) = _children(transforms, ("Transform",))
    for element, algorithm in (
        (method, _C14N),
        (signing, _METHOD),
        (transform, _TRANSFORM),
        (digesting, _DIGEST),
    ):
        if element.get("Algorithm") != algorithm or len(element.attrib) != 1 or len(element):
            raise InvalidDelivery(f"{element.tag.rpartition('}')[2]} of {name} is not {algorithm}")
    if (
        dict(reference.attrib) != {"URI": f"#{identifier}" if identifier else ""}
        or info.attrib
        or transforms.attrib
    ):
        raise InvalidDelivery(f"the Reference of {name} does not refer to its own document")


def _children(parent: Any, names: Sequence[str]) -> list[Any]:
    if [child.tag for child in parent] != [f"{{{DSIG}}}{name}" for name in names]:
        raise InvalidDelivery(
            f"{parent.tag.rpartition('}')[2]} must hold exactly {', '.join(names)}"
        )
    return list(parent)


def _text(parent: Any, *path: str) -> str:
    return str(parent.findtext("/".join(f"{{{DSIG}}}{name}" for name in path)) or "")


def _certificate(
    key_info: Any, name: str, trust: tuple[x509.Certificate, datetime]
) -> x509.Certificate:
    (data,) = _children(key_info, ("X509Data",))
    subject, encoded = _children(data, ("X509SubjectName", "X509Certificate"))
    try:  # the parts of a certificate are parsed on access
        certificate = x509.load_der_x509_certificate(
            _decoded(encoded.text, f"X509Certificate of {name}")
        )
        _check_chain(certificate, *trust)
        matches = subject.text in _names(certificate.subject)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidDelivery(f"the certificate of {name} cannot be read") from None
    if not matches:
        raise InvalidDelivery(f"the X509SubjectName of {name} is not that of its certificate")
    return certificate


def _names(subject: x509.Name) -> tuple[str, str]:
    """Return the name as in RFC 4514, and as in RFC 2253 with serialNumber in hex."""
    rfc4514 = subject.rfc4514_string()
    rfc2253 = rfc4514
    for attribute in subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER):
        raw = str(attribute.value).encode()
        rfc2253 = rfc2253.replace(
            f"2.5.4.5={raw.decode()}", f"2.5.4.5=#13{len(raw):02x}{raw.hex()}"
        )
    return rfc4514, rfc2253


def _check_chain(certificate: x509.Certificate, trusted: x509.Certificate, now: datetime) -> None:
    key = trusted.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    if certificate.signature_hash_algorithm is None:
        raise InvalidDelivery("the certificate was not issued by a trusted authority")
    try:
        key.verify(
            certificate.signature,
            certificate.tbs_certificate_bytes,
            ECDSA(certificate.signature_hash_algorithm),
        )
    except InvalidSignature:
        raise InvalidDelivery("the certificate was not issued by a trusted authority") from None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise InvalidDelivery("the certificate is not valid today")


def _decoded(text: str | None, label: str) -> bytes:
    """Decode canonical BASE64: no white space, unused bits are zero."""
    try:
        data = b64decode(text or "", validate=True)
    except ValueError:
        data = b""
    if not data or b64encode(data).decode() != text:
        raise InvalidDelivery(f"{label} is not BASE64")
    return data
