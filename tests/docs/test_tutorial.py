"""The tutorial's commands work as written: each lesson is run from top to bottom against a real service."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from tests.cli.conftest import Service
from tests.conftest import open_folder
from tests.docs.pages import blocks, read

LESSON = read("docs/tutorial/first-messages.md")
GUIDE = read("docs/how-to/send-messages.md")
LOOK_UP = read("docs/how-to/look-up-messages.md")
PYTHON = read("docs/tutorial/python-client.md")
ILLNESS = read("docs/how-to/when-a-provider-is-ill.md")
#: The service of the tests has free ports; the lessons name the usual ones.
API, VIEWER, RECEIVER = "http://127.0.0.1:8080", "http://127.0.0.1:8081", "127.0.0.1:9000"
#: `make serve` puts `utskick` on the path of the virtual environment; the tests may run from another.
SHELL = 'set -eu\nutskick() { "$PYTHON" -m utskick "$@"; }\n'


@pytest.fixture
def folder(service: Service) -> Iterator[Path]:
    """An empty folder with the service's data folder as `var`."""
    made = open_folder("utskick-tutorial.")
    (made / "var").symlink_to(service.folder)
    yield made
    shutil.rmtree(made)


def bash(script: str, folder: Path) -> str:
    """Run a script as a newcomer would, and return what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UTSKICK_")} | {
        "PYTHON": sys.executable,
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-c", SHELL + script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def placed(text: str, service: Service) -> str:
    """The text with the addresses of the service."""
    return text.replace(API, service.url).replace(VIEWER, service.viewer)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_first_lesson_ends_as_it_says(service: Service, folder: Path) -> None:
    receiver = f"127.0.0.1:{free_port()}"
    [source] = blocks(LESSON, "python")
    (folder / "receiver.py").write_text(source.replace("9000", receiver.partition(":")[2]))
    script = "\n".join(blocks(LESSON, "sh"))
    printed = bash(placed(script, service).replace(RECEIVER, receiver), folder)

    answers = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert answers[0]["deliveries"][0]["status"] == "SENT"
    assert [answer["title"] for answer in answers if "violations" in answer] == [
        "Constraint Violation"
    ]
    assert {"delivered": True, "status": 204} in answers
    accepted = [
        answer["messageId"]
        for answer in answers
        if "status" not in answer.get("deliveries", [{"status": ""}])[0]
    ]
    assert len(accepted) == 2
    assert len(set(accepted)) == 1, "the second is a replay of the first"
    assert '"counts":{"delivered":2,"failed":1},"total":3,"settled":3' in printed
    assert '"code":"declined-unknown-recipient"' in printed
    assert '"message":"Välkommen på måndag."' in printed
    events = [
        event
        for line in (folder / "events.log").read_text().splitlines()
        for event in json.loads(line)["data"].get("events", [])
    ]
    assert [event["lifecycle"] for event in events] == ["delivered"]


def test_the_guide_sends_by_every_channel(service: Service, folder: Path) -> None:
    (folder / "beslut.pdf").write_bytes(pdf())
    [first, second, *_] = blocks(LESSON, "sh")
    printed = bash(placed("\n".join([first, second, *blocks(GUIDE, "sh")]), service), folder)
    answers = [json.loads(line) for line in printed.splitlines() if line.startswith(("{", "["))]
    assert [
        answer
        for answer in answers
        if isinstance(answer, dict) and isinstance(answer.get("status"), int)
    ] == [], "a problem"
    types = {delivery["messageType"] for answer in answers for delivery in deliveries(answer)}
    expected = {
        "SMS",
        "EMAIL",
        "DIGITAL_MAIL",
        "SNAIL_MAIL",
        "DIGITAL_INVOICE",
        "WEB_MESSAGE",
        "SLACK",
        "PUSH",
    }
    assert types >= expected


def test_the_guide_makes_and_resolves_a_delivery_in_doubt(service: Service, folder: Path) -> None:
    [first, second, *_] = blocks(LESSON, "sh")
    printed = bash(placed("\n".join([first, second, *blocks(LOOK_UP, "sh")]), service), folder)
    made, resolved = (
        answer
        for line in printed.splitlines()
        if "deliveryId" in line and '"lifecycle"' in (answer := line)
    )
    assert '"status":"AWAITING_FEEDBACK","lifecycle":"uncertain"' in made
    assert '"code":"connection-lost"' in made
    assert '"status":"SENT","lifecycle":"sent"' in resolved
    assert printed.count("Mötet är flyttat.") == 1, "one phone has it, once"


def pdf() -> bytes:
    """An A4 page whose address window is empty, larger than what an argument of a command holds."""
    with pikepdf.new() as made:
        made.add_blank_page(page_size=(595, 842))
        made.Root.Filling = made.make_stream(random.Random(1).randbytes(200_000))
        made.save(stream := BytesIO())
    return stream.getvalue()


def deliveries(answer: Any) -> list[dict[str, str]]:
    if not isinstance(answer, dict):
        return []
    found = [
        *answer.get("deliveries", []),
        *(delivery for message in answer.get("messages", []) for delivery in deliveries(message)),
    ]
    return [delivery for delivery in found if "messageType" in delivery]


def test_the_python_lesson_prints_what_it_says(service: Service, folder: Path) -> None:
    [shell] = blocks(PYTHON, "sh")
    created = bash(shell.replace(". .venv/bin/activate\n", ""), folder)
    secret = re.search(r"ucs_[\w-]+", created)
    assert secret is not None
    program = "\n".join(blocks(PYTHON, "python"))
    program = placed(program, service).replace("ucs_…", secret[0])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    [sent, *progress, refused] = done.stdout.splitlines()
    assert sent.endswith(" SENT")
    assert progress[-1].startswith("2 of 2 ")
    assert refused.startswith("400 (Violation(")


def test_the_guide_to_an_ill_provider_ends_well(service: Service, folder: Path) -> None:
    printed = bash(placed("\n".join(blocks(ILLNESS, "sh")), service), folder)
    assert '"destination": "Min myndighetspost"' in printed
    assert "Kivra delivers" in printed
    assert '"status":"PENDING"' in printed
    assert "all is well\n" in printed
    assert '"code": "target-fault"' in printed
    assert '"letters": 1' in printed
    assert printed.endswith("the letter is printed\n")
