"""``batch`` against a real service: the preview, the sending, and the same command once more."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Service
from utskick.cli.mailing import MOST, Mailing
from utskick.cli.payloads import SmsContent
from utskick.cli.recipients_csv import SMS
from utskick.domain.recipient import Recipient


def written(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["Namn;Mobil;Referens", *rows]), encoding="windows-1252")
    return path


def people(prefix: str, count: int) -> list[str]:
    """Ordinary recipients: their last two digits carry no fault."""
    return [f"Åsa {n};{prefix}{n:02d};rad {n}" for n in range(20, 20 + count)]


def value(what: str, out: str) -> str:
    found = re.search(rf"│ {what} +│ (.*?) +│", out)
    assert found, out
    return found[1]


def test_a_dry_run_shows_everything_and_needs_no_service(utskick: Command, tmp_path: Path) -> None:
    rows = [*people("07002010", 3), "Bo;0700201020;rad 20", "Cy;hej;", "Di;;"]
    shown = utskick(
        "batch",
        "sms",
        written(tmp_path / "lista.csv", rows),
        "--message",
        "Hej “du”",
        "--dry-run",
        "--url",
        "http://127.0.0.1:1",
    )
    assert shown.code == 0, shown.err
    assert value("file", shown.out) == "Windows-1252, semicolon, with header"
    assert value("columns", shown.out) == "sms: Mobil, party: none, reference: Referens"
    assert [
        value(what, shown.out)
        for what in ("recipients", "duplicates", "rejected rows", "total segments")
    ] == ["3", "1", "2", "3"]
    assert value("encoding", shown.out).startswith("UCS-2")
    assert "with plain characters the text" in shown.out
    assert re.search(r"│ +6 │ is not a phone number", shown.out)
    assert "nothing was sent" in shown.out


def test_rejected_rows_are_shown_up_to_20_and_written_whole(
    utskick: Command, tmp_path: Path
) -> None:
    rows = [*people("07002011", 1), *(f"Bo {n};fel;" for n in range(25))]
    rejected = tmp_path / "fel.csv"
    shown = utskick(
        "batch",
        "sms",
        written(tmp_path / "l.csv", rows),
        "--message",
        "Hej",
        "--dry-run",
        "--rejected",
        rejected,
    )
    assert shown.out.count("is not a phone number") == 20
    assert "and 5 more" in shown.out
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file, delimiter=";"))
    assert found[:2] == [
        ["line", "reason", "Namn", "Mobil", "Referens"],
        ["3", "is not a phone number", "Bo 0", "fel", ""],
    ]
    assert len(found) == 26
    assert rejected.stat().st_mode & 0o077 == 0


def test_without_anybody_to_ask_nothing_is_sent(utskick: Command, tmp_path: Path) -> None:
    refused = utskick(
        "batch", "sms", written(tmp_path / "l.csv", people("07002012", 1)), "--message", "Hej"
    )
    assert (refused.code, "add --yes" in refused.err) == (1, True)


def test_a_key_is_made_of_all_that_is_sent() -> None:
    def keys(message: str = "Hej", count: int = 2, key: str | None = None) -> list[str]:
        crowd = tuple(Recipient(f"+46700{n:06d}") for n in range(count))
        return [posting.key for posting in Mailing(SMS, SmsContent(message), crowd, key).postings()]

    assert keys() == keys()
    assert keys() != keys("Hej!") != keys(count=3)
    assert keys(key="mine") == ["mine"]
    assert keys(count=MOST + 1, key="mine") == ["mine.1", "mine.2"]
    assert len(set(keys(count=MOST + 1))) == 2


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_repeated_command_sends_nothing_twice(
    asking: Command, service: Service, tmp_path: Path
) -> None:
    rows = [*people("07002013", 5), "Bo;0700201303;"]
    command = (
        "batch",
        "sms",
        written(tmp_path / "l.csv", rows),
        "--message",
        "Hej på dig",
        "--yes",
    )
    first, second = asking(*command), asking(*command)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "accepted before" in second.out
    assert "accepted before" not in first.out
    assert [len(service.copies(f"+467002013{n:02d}")) for n in range(20, 25)] == [1] * 5
    assert re.search(r"failed +│ +1 ", first.out), first.out
    found = asking("status", re.search(r"batch ([0-9a-f-]{36}) accepted", first.out)[1])  # type: ignore[index]
    assert re.search(r"failed +│ +1 │ the operator has no such subscriber", found.out), found.out

    again = asking(*command, "--key", "en-gang-till")
    assert again.code == 0
    assert [len(service.copies(f"+467002013{n:02d}")) for n in range(20, 25)] == [2] * 5


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_batch_of_email_reaches_everybody(
    asking: Command, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "l.csv").write_text(
        "namn,e-post\nÅsa,batch1@example.se\nBo,batch2@example.se\nCy,cy@\n"
    )
    (tmp_path / "b.txt").write_text("bilaga")
    sent = asking(
        "batch",
        "email",
        tmp_path / "l.csv",
        "--subject",
        "Hej",
        "--message",
        "På er",
        "--attach",
        tmp_path / "b.txt",
        "--yes",
    )
    assert sent.code == 0, sent.err
    assert [len(service.copies(f"batch{n}@example.se")) for n in (1, 2)] == [1, 1]


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_leaving_stops_the_watching_and_not_the_sending(
    asking: Command, service: Service, tmp_path: Path
) -> None:
    # Its last two digits make every gateway defer it for ever, so the watching would not end of
    # itself.
    path = written(tmp_path / "l.csv", ["Bo;0700201405;"])
    command = [
        sys.executable,
        "-m",
        "utskick",
        "batch",
        "sms",
        str(path),
        "--message",
        "Hej",
        "--yes",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # a shell's background job inherits "ignored"
    )
    try:
        assert process.stdout is not None
        said = ""
        while " accepted" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, rest
    found = re.search(r"Watch on with: utskick status ([0-9a-f-]{36}) --watch", rest)
    assert found, rest
    assert (
        "deferred" in asking("status", found[1]).out or "queued" in asking("status", found[1]).out
    )
