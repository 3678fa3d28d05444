"""Sections of the settings: certificates by file or by contents, one way to say a thing, and faults
without what was found."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.digital_mail.pki import Authority, pem_of
from tests.contracts.provider import SECRET
from utskick.domain.outcome import Misconfigured
from utskick.outgoing.http_client import HttpClient, HttpRequest, Timeouts
from utskick.outgoing.settings_types import HttpPeer, Secret, Section, fault_at

CA = pem_of(Authority().certificate)
MEMBERS: dict[str, Any] = {"url": "https://sms.example.se"}


def faults(model: type[Section], members: dict[str, Any]) -> list[tuple[tuple[Any, ...], str, Any]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(members)
    return [(fault["loc"], fault["msg"], fault["input"]) for fault in caught.value.errors()]


@pytest.mark.parametrize("where", ["ca", "ca_file"])
def test_an_authority_is_trusted_beside_the_public_ones_whichever_way_it_is_given(
    tmp_path: Path, where: str
) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    peer = HttpPeer.model_validate({**MEMBERS, where: CA if where == "ca" else tmp_path / "ca.pem"})
    context = peer.tls()
    assert context is not None
    public = ssl.create_default_context()
    assert context.cert_store_stats()["x509_ca"] == public.cert_store_stats()["x509_ca"] + 1
    assert HttpPeer.model_validate(MEMBERS).tls() is None


def test_an_authority_is_given_in_one_way(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    assert faults(HttpPeer, {**MEMBERS, "ca": CA, "ca_file": tmp_path / "ca.pem"}) == [
        (("ca",), "must be omitted where ca_file is set: they are alternatives", None)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be certificates in PEM"),
        (
            f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----",
            "must be certificates in PEM",
        ),
        (f"# Örebro {SECRET}\n{CA}", "must be certificates in PEM"),
        (
            f"{CA}-----BEGIN PRIVATE KEY-----\n{SECRET}",
            "must contain certificates only, without a private key",
        ),
    ],
)
def test_what_is_no_certificate_is_told_where_it_stands_and_not_echoed(
    text: str, words: str
) -> None:
    ((place, said, found),) = faults(HttpPeer, {**MEMBERS, "ca": text})
    assert (place, found) == (("ca",), None)
    assert words in said
    assert SECRET not in said


class _Safe(Section):
    token: Secret


@pytest.mark.parametrize("value", ["", 7, [SECRET], {"a": SECRET}])
def test_a_secret_that_is_none_is_never_carried_by_its_fault(value: object) -> None:
    ((place, said, found),) = faults(_Safe, {"token": value})
    assert (place, found) == (("token",), None)
    assert SECRET not in said


def test_a_fault_says_its_words_as_they_are() -> None:
    (fault,) = fault_at("key", "must be {like this}").errors()
    assert (fault["loc"], fault["msg"]) == (("key",), "must be {like this}")


async def test_certificates_are_read_when_there_is_something_to_call_and_not_before(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(CA)
    peer = HttpPeer.model_validate({**MEMBERS, "url": "https://127.0.0.1:1", "ca_file": file})
    file.unlink()
    wire = HttpClient(concurrency=1, timeouts=Timeouts(0.5, 0.5), tls=peer.tls)
    outcome = await wire.call(HttpRequest("GET", peer.url))
    await wire.close()
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
