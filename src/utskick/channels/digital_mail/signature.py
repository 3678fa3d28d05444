"""XML signatures of a sealed delivery (enveloped, RSA-SHA256), written as strings without a tree.

Two documents are signed: ``SignedDelivery``, and ``SealedDelivery``, which is the first with its
signature and the seal. On the wire the outer one is named ``deliverSecure``; a verifier renames it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Final

from utskick.channels.digital_mail.c14n import DSIG, MESSAGE, MESSAGE_3, SERVICE_3, SOAP

_INFO_OPEN: Final = f'<SignedInfo xmlns="{DSIG}">'.encode()
#: Inside ``Signature`` the namespace is inherited, but Exclusive XML Canonicalization declares it
#: where SignedInfo is the apex.
_INFO_OPEN_INSIDE: Final = b"<SignedInfo>"
_METHODS: Final = (
    b'<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">'
    b"</CanonicalizationMethod>"
    b'<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256">'
    b"</SignatureMethod>"
    b'<Reference URI=""><Transforms>'
    b'<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></Transform>'
    b"</Transforms>"
    b'<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>'
    b"<DigestValue>"
)
_INFO_CLOSE: Final = b"</DigestValue></Reference></SignedInfo>"
_SIGNATURE_OPEN: Final = f'<Signature xmlns="{DSIG}">'.encode()

_SIGNED_OPEN: Final = f'<SignedDelivery xmlns="{MESSAGE_3}">'.encode()
_SIGNED_CLOSE: Final = b"</SignedDelivery>"
_SEALED_OPEN: Final = f'<SealedDelivery xmlns="{MESSAGE_3}"><SignedDelivery>'.encode()
_SEALED_CLOSE: Final = b"</SealedDelivery>"
_SEAL_INSIDE: Final = (
    f'<ReceivedTime xmlns="{MESSAGE}">%s</ReceivedTime>'
    f'<SignaturesOK xmlns="{MESSAGE}">true</SignaturesOK></Seal>'
).encode()
# No prefix is declared around the signed part, so a verifier that extracts it inherits none.
_WIRE_OPEN: Final = (
    f'<Envelope xmlns="{SOAP}"><Body><deliverSecure xmlns="{SERVICE_3}"><deliverSecure>'.encode()
    + _SIGNED_OPEN
)
_WIRE_SEAL: Final = f'<Seal xmlns="{MESSAGE_3}">'.encode()
_WIRE_CLOSE: Final = b"</deliverSecure></deliverSecure></Body></Envelope>"

#: All constant parts of an envelope; the rest comes from ``Sealing`` and its signer.
_FRAME: Final = b"\0".join(
    (
        _INFO_OPEN,
        _METHODS,
        _INFO_CLOSE,
        _SIGNATURE_OPEN,
        _SIGNED_OPEN,
        _SEALED_OPEN,
        _SEAL_INSIDE,
        _WIRE_OPEN,
        _WIRE_SEAL,
        _WIRE_CLOSE,
    )
)


class XmlSigner:
    """Signer of XML documents.

    ``sign``: PKCS #1 v1.5 over SHA-256, yielding ``size`` bytes. ``key_info``: the KeyInfo element.
    """

    def __init__(self, sign: Callable[[bytes], bytes], size: int, key_info: bytes) -> None:
        self._sign = sign
        self._size = size
        self._key_info = key_info
        self.frame = hashlib.sha256(_FRAME + b"\0" + key_info).digest()

    def signature(self, digest: bytes) -> bytes:
        """Write the Signature element of a document with this SHA-256 digest."""
        info = _METHODS + b64encode(digest) + _INFO_CLOSE
        value = b64encode(self._sign(_INFO_OPEN + info))
        return b"".join(
            (
                _SIGNATURE_OPEN,
                _INFO_OPEN_INSIDE,
                info,
                b"<SignatureValue>",
                value,
                b"</SignatureValue>",
                self._key_info,
                b"</Signature>",
            )
        )

    @property
    def length(self) -> int:
        """Bytes of a Signature element."""
        fixed = (
            len(_SIGNATURE_OPEN)
            + len(_INFO_OPEN_INSIDE)
            + len(_METHODS)
            + 44
            + len(_INFO_CLOSE)
            + 33
            + len(b"</Signature>")
        )
        return fixed + (self._size + 2) // 3 * 4 + len(self._key_info)


class Sealing:
    """Signing of one delivery.

    ``delivery``: its ``Delivery`` element in pieces. ``date``: of the seal.
    """

    def __init__(self, delivery: Sequence[bytes], date: str, signer: XmlSigner) -> None:
        self._delivery = delivery
        self._seal = _SEAL_INSIDE % date.encode()
        self._signer = signer
        self._first = _digest((_SIGNED_OPEN, *delivery, _SIGNED_CLOSE))

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over everything that the envelope is made of.

        PKCS #1 v1.5 signatures are deterministic (RFC 8017 section 8.2.1), so equal fingerprints
        mean equal envelopes; comparing them costs one pass over the delivery and no RSA operation.
        """
        return hashlib.sha256(self._first + self._seal + self._signer.frame).digest()

    def envelope(self) -> bytes:
        """Write the signed and sealed SOAP envelope."""
        inner = self._signer.signature(self._first)
        second = _digest(
            (
                _SEALED_OPEN,
                *self._delivery,
                inner,
                _SIGNED_CLOSE,
                b"<Seal>",
                self._seal,
                _SEALED_CLOSE,
            )
        )
        outer = self._signer.signature(second)
        return b"".join(
            (
                _WIRE_OPEN,
                *self._delivery,
                inner,
                _SIGNED_CLOSE,
                _WIRE_SEAL,
                self._seal,
                outer,
                _WIRE_CLOSE,
            )
        )


def envelope_length(delivery: int, date: str, signature: int) -> int:
    """Compute the bytes of an envelope from those of its ``Delivery`` element and a signature."""
    frame = (
        len(_WIRE_OPEN)
        + len(_SIGNED_CLOSE)
        + len(_WIRE_SEAL)
        + len(_SEAL_INSIDE % date.encode())
        + len(_WIRE_CLOSE)
    )
    return delivery + frame + 2 * signature


def _digest(pieces: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
