"""DKIM signatures (RFC 6376)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import dkim

from utskick.channels.email.addresses import domain_of
from utskick.channels.email.mime import ComposedMail
from utskick.channels.email.settings import DkimKey, normalise_key
from utskick.domain.errors import SettingsFault

#: Bytes reserved for a signature; one by a key of 4096 bits takes about 1200.
SIGNATURE_ROOM = 2048

#: Header fields signed in every occurrence; naming From twice prevents adding a second one
#: (RFC 6376 section 8.15). RFC 8058 section 4 requires the list fields; named where the message has
#: none, they cannot be added.
_FIELDS = (
    b"from",
    b"from",
    b"to",
    b"reply-to",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"auto-submitted",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)


class _Dated(dkim.DKIM):  # type: ignore[misc]
    """Signature with the message's own date, so that every attempt yields the same bytes."""

    moment = b"0"

    def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: object, **more: object) -> bytes:
        dated = [(tag, self.moment if tag == b"t" else value) for tag, value in fields]
        header: bytes = super().gen_header(dated, *rest, **more)
        return header


class Signatures:
    """Signing keys by domain, loaded once. Raises ``SettingsFault`` for an unusable key."""

    def __init__(self, keys: dict[str, DkimKey]) -> None:
        self._keys = {
            domain: (key.selector.encode(), _load(domain, key)) for domain, key in keys.items()
        }

    def covers(self, address: str) -> bool:
        return domain_of(address) in self._keys

    def sign(self, mail: ComposedMail, at: datetime) -> ComposedMail:
        """Sign the mail if its sender's domain has a key.

        Takes some 10 ms, so it must not run on the event loop.
        """
        domain = domain_of(mail.sender)
        if domain not in self._keys:
            return mail
        selector, pem = self._keys[domain]
        header = _signature(mail.data, (selector, domain.encode(), pem), at)
        return replace(mail, data=header + mail.data)


def _signature(data: bytes, key: tuple[bytes, bytes, bytes], at: datetime) -> bytes:
    signer = _Dated(data)
    signer.moment = str(int(at.timestamp())).encode()
    header: bytes = signer.sign(
        *key, include_headers=list(_FIELDS), canonicalize=(b"relaxed", b"relaxed")
    )
    return header


def _load(domain: str, key: DkimKey) -> bytes:
    """Load a key. One given inline has already been validated with the settings."""
    try:
        if key.key_file is not None:
            return normalise_key(key.key_file.read_bytes())
        assert key.key is not None
        return normalise_key(key.key.get_secret_value().encode())
    except OSError as fault:
        raise SettingsFault(
            f"dkim.{domain}.key_file cannot be read: {type(fault).__name__}"
        ) from fault
    except ValueError as fault:
        raise SettingsFault(f"dkim.{domain}.key_file {fault}") from fault
