"""Tests of ``utskick send`` and ``utskick status`` against a real service."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.conftest import Command, Service

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("cli")]

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def named(label: str, out: str) -> str:
    found = re.search(rf"│ {label} +│ ({UUID})", out)
    assert found, out
    return found[1]


def test_an_sms_is_sent_and_its_status_found_by_any_of_its_ids(
    service_cli: Command, service: Service
) -> None:
    sent = service_cli(
        "send", "sms", "--to", "070-010 10 20", "--message", "Hej å ä ö €", "--sender", "Kommunen"
    )
    assert sent.code == 0, sent.err
    assert "GSM-7" in sent.out
    assert [(c["text"], c["sender"]) for c in service.copies("+46700101020")] == [
        ("Hej å ä ö €", "Kommunen")
    ]

    story = service_cli("status", named("delivery", sent.out))
    assert story.code == 0
    assert re.search(r"sending +│ 1 +│ link", story.out), story.out
    for label in ("message", "batch"):
        found = service_cli("status", named(label, sent.out), "--watch")
        assert found.code == 0
        assert re.search("sent|delivered", found.out), found.out


def test_an_email_carries_page_attachment_and_sender(
    service_cli: Command, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "sida.html").write_text("<p>Hej på <b>dig</b></p>")
    (tmp_path / "bilaga.pdf").write_bytes(b"%PDF-1.4 liten")
    files = ("--html", tmp_path / "sida.html", "--attach", tmp_path / "bilaga.pdf")
    sender = ("--sender", "vi@example.se", "--sender-name", "Vi på kommunen")
    sent = service_cli(
        "send",
        "email",
        "--to",
        "send@example.se",
        "--subject",
        "Hälsning",
        "--message",
        "Hej på dig",
        *files,
        *sender,
    )
    assert sent.code == 0, sent.err
    (copy,) = service.copies("send@example.se")
    assert (copy["subject"], copy["text"].strip()) == ("Hälsning", "Hej på dig")
    assert "Vi på kommunen" in copy["sender"]
    assert copy["size"] > 500


def test_every_violation_reaches_the_terminal_and_the_exit_status_is_1(
    service_cli: Command,
) -> None:
    refused = service_cli("send", "sms", "--to", "[bold]ingen[/]", "--message", " ")
    assert refused.code == 1
    assert refused.out == ""
    assert "message must not be blank" in refused.err
    assert "mobileNumber must be a valid MSISDN" in refused.err


def test_a_rejection_by_the_provider_is_reported_as_a_failure(service_cli: Command) -> None:
    refused = service_cli("send", "sms", "--to", "+46700101003", "--message", "Hej")
    assert refused.code == 1
    assert "declined-unknown-recipient" in refused.out


def test_a_refused_email_names_its_delivery(service_cli: Command) -> None:
    refused = service_cli(
        "send", "email", "--to", "send+refuse@example.se", "--subject", "Hej", "--message", "Hej"
    )
    assert refused.code == 1
    found = re.search(rf"utskick status ({UUID})", refused.err)
    assert found, refused.err
    assert "failed" in service_cli("status", found[1]).out


def test_async_does_not_wait(service_cli: Command) -> None:
    sent = service_cli("send", "sms", "--to", "+46700101022", "--message", "Hej", "--async")
    assert (sent.code, "in progress" in sent.out) == (0, True)


def test_the_same_key_sends_once(service_cli: Command, service: Service) -> None:
    key = str(uuid4())
    first, second = (
        service_cli("send", "sms", "--to", "+46700101023", "--message", "Hej", "--key", key)
        for _ in range(2)
    )
    assert (first.code, second.code) == (0, 0)
    assert named("delivery", first.out) == named("delivery", second.out)
    assert "nothing new was sent" in second.out
    assert len(service.copies("+46700101023")) == 1


def test_an_unknown_id_is_reported_with_the_municipality(service_cli: Command) -> None:
    unknown = service_cli("status", str(uuid4()), "--municipality", "2260")
    assert (unknown.code, "municipality 2260 has no delivery" in unknown.err) == (1, True)
    assert "is not a valid id" in service_cli("status", "nonsense").err
