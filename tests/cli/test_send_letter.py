"""Tests of ``utskick send letter`` and ``send digital-mail``: a PDF on this disk, seen and sent."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from PIL import Image

from tests.channels.snail_mail import pdfs
from tests.cli.conftest import Command, Service
from tests.client.conftest import wire  # noqa: F401 - the fixture
from tests.pdf.seen import owned
from utskick.cli.letter_address import read_address
from utskick.domain.errors import Unreadable
from utskick.sandbox.digital_mail.citizens import number
from utskick_client import Address

NUMBER = number(71)
ADDRESS = "Anna Ek, Storgatan 1, 852 30 Sundsvall"


@pytest.fixture
def decision(tmp_path: Path) -> Path:
    path = tmp_path / "beslut.pdf"
    path.write_bytes(owned(pdfs.letter(2)))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ADDRESS, Address(last_name="Anna Ek", address="Storgatan 1", zip_code="85230", city="Sundsvall")),
        (
            " Bo Ek ,c/o Berg,Box 2, SE-111 22  Stockholm ",
            Address(last_name="Bo Ek", care_of="c/o Berg", address="Box 2", zip_code="11122", city="Stockholm"),
        ),
        (
            "Kari Nordmann, Storgata 1, 0155 Oslo, Norge",
            Address(last_name="Kari Nordmann", address="Storgata 1", zip_code="0155", city="Oslo", country="Norge"),
        ),
        (
            "X Ltd, Unit 4, 1 High St, London W1A 1AA, England",
            Address(last_name="X Ltd", address="Unit 4, 1 High St", city="London W1A 1AA", country="England"),
        ),
    ],
)  # fmt: skip
def test_an_address_is_read_from_one_line(text: str, expected: Address) -> None:
    assert read_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Anna Ek",
        "Anna Ek, 852 30 Sundsvall",
        "Anna Ek, Storgatan 1",
        "Bo, 852 30 Sundsvall, Norge",
    ],
)
def test_an_address_without_its_parts_says_how_to_write_it(text: str) -> None:
    with pytest.raises(Unreadable, match="NAME, STREET, POSTAL CODE TOWN"):
        read_address(text)


def test_a_preview_shows_every_page_and_sends_nothing(
    utskick: Command, decision: Path, tmp_path: Path
) -> None:
    """No service is there."""
    picture = tmp_path / "sida.png"
    done = utskick("send", "letter", decision, "--preview", picture)
    assert (done.code, done.err) == (0, "")
    assert "Nothing was sent" in done.out
    assert "The PDF is protected by an owner's password. The copy" in done.out
    for path in (picture, tmp_path / "sida-2.png"):
        with Image.open(path) as shown:
            assert shown.size == (827, 1170)
    assert not (tmp_path / "sida-3.png").exists()


def test_a_dry_run_says_what_the_service_would_refuse(utskick: Command, tmp_path: Path) -> None:
    path = tmp_path / "brev.pdf"
    path.write_bytes(pdfs.letter(size=(216, 279)))
    done = utskick("send", "letter", path, "--mode", "snail-mail", "--dry-run")
    assert done.code == 1
    assert "page 1 is 216 x 279 mm, not A4" in done.out
    done = utskick("send", "digital-mail", path, "--dry-run")
    assert done.code == 0
    assert "taken" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["letter", "{pdf}", "--department", "SBK"], "--to is missing"),
        (["letter", "{pdf}", "--to", ADDRESS], "--department is missing"),
        (["letter", "{pdf}", "--to", "Anna", "--department", "SBK"], "NAME, STREET, POSTAL CODE"),
        (["letter", "{text}", "--preview", "a.png"], "brev.txt is not a PDF"),
        (["letter", "{pdf}.no", "--preview", "a.png"], "cannot be read"),
        (["letter", "{pdf}", "--preview", "a.jpg"], "must be the name of a picture (.png)"),
        (
            ["letter", "{pdf}", "--dry-run", "--profile", "x"],
            "--profile must be one of postnord-v2",
        ),
        (["digital-mail", "{pdf}"], "--to is missing"),
        (["digital-mail", "{pdf}", "--to", ADDRESS], "is not a party id"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    utskick: Command, decision: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    text = tmp_path / "brev.txt"
    text.write_text("Hej")
    done = utskick("send", *[a.format(pdf=decision, text=text) for a in arguments])
    assert done.code == 1
    assert words in " ".join(done.err.split())


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_decision_is_sent_as_letter_and_as_digital_mail(
    service_cli: Command, service: Service, decision: Path
) -> None:
    done = service_cli(
        "send", "letter", decision, "--to", ADDRESS, "--department", "SBK", "--subject", "Beslut"
    )
    assert done.code == 0, done.err
    assert "SNAIL_MAIL" in done.out
    assert "Notice on attachments[0]: PDF-filen är skyddad" in done.out
    anna = citizen(service)
    done = service_cli("send", "digital-mail", decision, "--to", anna, "--subject", "Beslut")
    assert done.code == 0, done.err
    [mailed] = [each for each in service.copies(NUMBER) if each["channel"] == "digital_mail"]
    assert mailed["subject"] == "Beslut"
    assert "Notice on attachments[0]: PDF-filen är skyddad" in done.out
    done = service_cli("send", "digital-mail", decision, "--to", str(uuid4()))
    assert done.code == 1, "nobody has that party id"


def citizen(service: Service) -> str:
    """Return the party id of a person with a mailbox, put into the directory."""
    name, secret = service.client
    login = b64encode(f"{name}:{secret}".encode()).decode()
    form = {"Authorization": f"Basic {login}", "Content-Type": "application/x-www-form-urlencoded"}
    asked = Request(f"{service.url}/oauth2/token", b"grant_type=client_credentials", form)
    with urlopen(asked, timeout=10) as answer:
        token = json.load(answer)["access_token"]
    party, body = str(uuid4()), json.dumps({"legalId": NUMBER}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    path = f"{service.url}/2281/parties/{party}"
    with urlopen(Request(path, body, headers, method="PUT"), timeout=10):
        return party
