"""Push simulator: a Web Push service, Firebase Cloud Messaging, and the sender's keys."""

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
from utskick.sandbox.fault_responses import FaultInjector
from utskick.sandbox.faults import FaultRule, Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.push.fcm import EMAIL, MAGIC, PROJECT, FcmService
from utskick.sandbox.push.web import MAGIC as WEB_MAGIC
from utskick.sandbox.push.web import WebPushService

_RSA_BITS: Final = 2048


class PushSimulator:
    """Both services on the sandbox's HTTP port; the keys are kept in its folder."""

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:
        self._addresses = addresses
        self._injectors = (
            FaultInjector("webpush", faults, {}, _by_first_word(WEB_MAGIC)),
            FaultInjector("fcm", faults, {}, _by_first_word(MAGIC)),
        )
        self._web = WebPushService(ledger, self._injectors[0])
        self._fcm = FcmService(ledger, self._injectors[1])

    def routes(self) -> list[web.RouteDef]:
        return [*self._web.routes(), *self._fcm.routes()]

    async def start(self) -> None:
        """Create missing keys; the simulator has no port of its own."""
        vapid, account = _vapid_file(self._addresses), _account_file(self._addresses)
        vapid.parent.mkdir(parents=True, exist_ok=True)
        if not vapid.exists():
            _write_secret(vapid, _pem(ec.generate_private_key(ec.SECP256R1())))
        key = load_pem_private_key(vapid.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._web.server_key = key.public_key()
        if not account.exists():
            _write_account(account, rsa.generate_private_key(65537, _RSA_BITS))
        self._fcm.rotate(_account_key(account).public_key())

    async def close(self) -> None:
        for injector in self._injectors:
            injector.close()

    def rotate_account_key(self) -> None:
        """Replace the service account's key, like a key rotation in Google Cloud."""
        key = rsa.generate_private_key(65537, _RSA_BITS)
        self._fcm.rotate(key.public_key())
        _write_account(_account_file(self._addresses), key)


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel, which may only call this sandbox."""
    base = f"http://{HOST}:{addresses.http_port}"
    limits = {"connect_timeout": 2, "read_timeout": 3, "concurrency": 20}
    web_push = {
        "provider": "webpush",
        "vapid_private_key_file": str(_vapid_file(addresses)),
        "subject": "mailto:push@utskick.example",
        "hosts": [],
        "origins": [base],
        **limits,
    }
    fcm = {
        "provider": "fcm",
        "url": f"{base}/push/fcm",
        "project": PROJECT,
        "service_account_file": str(_account_file(addresses)),
        "token_url": f"{base}/push/fcm/token",
        **limits,
    }
    return {"accounts": {"webpush": web_push, "fcm": fcm}}


def _by_first_word(magic: Mapping[str, FaultRule]) -> list[FaultRule]:
    """Return rules that match ``gone`` as well as ``gone-annas-dator``."""
    return [
        replace(rule, recipient=rf"\A{re.escape(status_name)}(-.*)?\Z")
        for status_name, rule in magic.items()
    ]


def _vapid_file(addresses: SandboxAddresses) -> Path:
    return addresses.folder / "push" / "vapid.pem"


def _account_file(addresses: SandboxAddresses) -> Path:
    return addresses.folder / "push" / "service-account.json"


def _write_secret(file: Path, data: bytes) -> None:
    """Write the file atomically, readable by the owner only."""
    temporary = file.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(data)
    temporary.replace(file)


def _write_account(file: Path, key: rsa.RSAPrivateKey) -> None:
    """Write a service account file in Google Cloud's format."""
    members = {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": EMAIL,
        "private_key": _pem(key).decode(),
    }
    _write_secret(file, orjson.dumps(members))


def _account_key(file: Path) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(orjson.loads(file.read_bytes())["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
