"""What holds for the sections of all channels: what a unit may set, what it shares, and that
nothing needs a file of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tests.channels.digital_mail.pki import Authority, pem_of
from tests.contracts.provider import SECRET
from utskick.bootstrap import read_settings
from utskick.channels.registry import CHANNELS
from utskick.channels.snail_mail.settings import FolderAccount
from utskick.domain.errors import SettingsFault

EVERY = pytest.mark.parametrize("name", CHANNELS)
#: A folder is a place on this machine, and has no contents that could stand for it.
CONTENTS = {"known_hosts": "host_keys"}


@EVERY
def test_what_is_carried_or_fixed_is_a_member_and_not_both(name: str) -> None:
    section = CHANNELS[name].section
    assert section.carried | section.fixed <= section.model_fields.keys()
    assert not section.carried & section.fixed
    assert "accounts" not in section.carried | section.fixed


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """All models that a type is made of, with those inside them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(annotation):
        yield from models(inner)


def is_path(annotation: Any) -> bool:
    return annotation is Path or any(map(is_path, get_args(annotation)))


@EVERY
def test_every_file_has_contents_that_may_stand_for_it(name: str) -> None:
    for model in models(CHANNELS[name].section):
        for member, field in model.model_fields.items():
            if (
                is_path(field.annotation) and model is not FolderAccount
            ):  # a folder of the server is all that it is
                assert CONTENTS.get(
                    member, member.removesuffix("_file")
                ) in model.model_fields.keys() - {member}, (model, member)


PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
CERTIFICATE = pem_of(Authority().certificate)
SENDER = {"name": "Sundsvall", "municipality": "2281"}
OPERATORS = {"165568402266": {"name": "Kivra", "hosts": ["mm.kivra.com"]}}


def mail(**sender: Any) -> dict[str, Any]:
    account = {
        "provider": "minameddelanden",
        "url": "https://far.example.se",
        "operators": OPERATORS,
    }
    return {"accounts": {"a": {**account, "senders": {"2120002411": {**SENDER, **sender}}}}}


def sftp(**more: Any) -> dict[str, Any]:
    account = {
        "provider": "sftp",
        "host": "sftp.example.se",
        "username": "u",
        "password": SECRET,
        "accept_any_host_key": True,
    }
    return {"accounts": {"a": {**account, **more}}}


def smpp(**more: Any) -> dict[str, Any]:
    account = {
        "provider": "smpp",
        "host": "smsc.example.se",
        "port": 3550,
        "system_id": "u",
        "password": SECRET,
    }
    return {"accounts": {"a": {**account, **more}}}


GOOGLE = f'{{"client_email":"a","private_key":"{SECRET}"}}'
BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "sms.accounts.a.smpp.ca": ("sms", smpp(ca=SECRET)),
    "email.accounts.a.smtp.ca": (
        "email",
        {"sender": {"name": "K", "address": "k@k.se"}, "accounts": {"a": {"host": "h", "ca": PEM}}},
    ),
    "email.dkim.example.se.key": ("email", {"dkim": {"example.se": {"selector": "s", "key": PEM}}}),
    "digital_mail.accounts.a.senders.2120002411.certificate": (
        "digital_mail",
        mail(certificate=PEM, key_file="key.pem"),
    ),
    "digital_mail.accounts.a.senders.2120002411.key": (
        "digital_mail",
        mail(certificate=CERTIFICATE, key=PEM),
    ),
    "digital_mail.accounts.a.senders.2120002411.former.0.key": (
        "digital_mail",
        mail(certificate_file="a", key_file="b", former=[{"certificate_file": "c", "key": PEM}]),
    ),
    "digital_mail.accounts.a.senders.2120002411.pkcs12": ("digital_mail", mail(pkcs12=SECRET)),
    "push.accounts.a.fcm.service_account": (
        "push",
        {"accounts": {"a": {"provider": "fcm", "project": "p", "service_account": GOOGLE}}},
    ),
    "push.accounts.a.webpush.vapid_private_key": (
        "push",
        {
            "accounts": {
                "a": {
                    "provider": "webpush",
                    "subject": "mailto:a@example.se",
                    "vapid_private_key": SECRET,
                }
            }
        },
    ),
    "snail_mail.accounts.a.sftp.key": ("snail_mail", sftp(key=PEM)),
    "snail_mail.accounts.a.sftp.host_keys": (
        "snail_mail",
        sftp(host_keys="other.example.se ssh-ed25519 AAAA"),
    ),
    "slack.accounts.a.token": (
        "slack",
        {"accounts": {"a": {"provider": "slack", "token": f"{SECRET} x"}}},
    ),
}


@pytest.mark.parametrize("place", BROKEN)
def test_contents_that_cannot_be_used_are_told_at_their_place_and_not_echoed(place: str) -> None:
    name, section = BROKEN[place]
    with pytest.raises(SettingsFault) as caught:
        read_settings(None, {name: section})
    assert [line.partition(": ")[0].strip() for line in caught.value.detail.splitlines()[1:]] == [
        place
    ]
    assert SECRET not in caught.value.detail
