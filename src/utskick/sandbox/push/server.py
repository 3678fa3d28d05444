"""Push: a Web Push service and Firebase Cloud Messaging, and the keys that the town's application
server holds towards them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import Misconduct
from utskick.sandbox.faults import FaultRule, Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.push.fcm import EMAIL, MAGIC, PROJECT, FcmService
from utskick.sandbox.push.web import MAGIC as WEB_MAGIC
from utskick.sandbox.push.web import WebPushService

_RSA_BITS: Final = 2048


class Push:
    """Both services on the town's HTTP port. The keys lie in the sandbox's folder and outlive the
    town, as subscriptions do."""

    def __init__(self, ledger: Ledger, faults: Faults, place: SandboxAddresses) -> None:
        self._place = place
        self._misconducts = (
            Misconduct("webpush", faults, {}, _by_first_word(WEB_MAGIC)),
            Misconduct("fcm", faults, {}, _by_first_word(MAGIC)),
        )
        self._web = WebPushService(ledger, self._misconducts[0])
        self._fcm = FcmService(ledger, self._misconducts[1])

    def routes(self) -> list[web.RouteDef]:
        return [*self._web.routes(), *self._fcm.routes()]

    async def start(self) -> None:
        """Needs no port of its own; makes the keys that are not there yet."""
        vapid, account = _vapid_file(self._place), _account_file(self._place)
        vapid.parent.mkdir(parents=True, exist_ok=True)
        if not vapid.exists():
            _write_secret(vapid, _pem(ec.generate_private_key(ec.SECP256R1())))
        key = load_pem_private_key(vapid.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._web.server = key.public_key()
        if not account.exists():
            _write_account(account, rsa.generate_private_key(65537, _RSA_BITS))
        self._fcm.rotate(_account_key(account).public_key())

    async def close(self) -> None:
        for misconduct in self._misconducts:
            misconduct.close()

    def rotate_account_key(self) -> None:
        """Google Cloud has given out a new key for the service account, and withdrawn the old
        one."""
        key = rsa.generate_private_key(65537, _RSA_BITS)
        self._fcm.rotate(key.public_key())
        _write_account(_account_file(self._place), key)


def section(place: SandboxAddresses) -> dict[str, Any]:
    """The settings of the channel that sends to these services: it may call this town's own origin,
    and no other."""
    base = f"http://{HOST}:{place.http_port}"
    swift = {"connect_timeout": 2, "read_timeout": 3, "concurrency": 20}
    web_push = {
        "provider": "webpush",
        "vapid_private_key_file": str(_vapid_file(place)),
        "subject": "mailto:push@utskick.example",
        "hosts": [],
        "origins": [base],
        **swift,
    }
    fcm = {
        "provider": "fcm",
        "url": f"{base}/push/fcm",
        "project": PROJECT,
        "service_account_file": str(_account_file(place)),
        "token_url": f"{base}/push/fcm/token",
        **swift,
    }
    return {"accounts": {"webpush": web_push, "fcm": fcm}}


def _by_first_word(magic: Mapping[str, FaultRule]) -> list[FaultRule]:
    """``gone`` and ``gone-annas-dator`` alike, so that there may be many of them."""
    return [
        replace(rule, recipient=rf"\A{re.escape(word)}(-.*)?\Z") for word, rule in magic.items()
    ]


def _vapid_file(place: SandboxAddresses) -> Path:
    return place.folder / "push" / "vapid.pem"


def _account_file(place: SandboxAddresses) -> Path:
    return place.folder / "push" / "service-account.json"


def _write_secret(file: Path, data: bytes) -> None:
    """For its owner's eyes; whoever reads meanwhile gets the old one or the new one whole."""
    made = file.with_suffix(".new")
    made.touch(mode=0o600)
    made.write_bytes(data)
    made.replace(file)


def _write_account(file: Path, key: rsa.RSAPrivateKey) -> None:
    """As Google Cloud gives it out."""
    said = {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": EMAIL,
        "private_key": _pem(key).decode(),
    }
    _write_secret(file, orjson.dumps(said))


def _account_key(file: Path) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(orjson.loads(file.read_bytes())["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
