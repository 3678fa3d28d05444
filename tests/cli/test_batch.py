"""Tests of ``utskick batch`` against a real service: preview, sending and repetition."""

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
from utskick.cli.mailing import MAX_RECIPIENTS, Mailing
from utskick.cli.payloads import SmsContent
from utskick.cli.recipients_csv import SMS
from utskick.domain.recipient import Recipient


def written(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["Namn;Mobil;Referens", *rows]), encoding="windows-1252")
    return path


def people(prefix: str, count: int) -> list[str]:
    """Return recipients whose last two digits trigger no fault."""
    return [f"Åsa {n};{prefix}{n:02d};rad {n}" for n in range(20, 20 + count)]


def batch_of(out: str) -> str:
    found = re.search(r"batch ([0-9a-f-]{36}) accepted", out)
    assert found, out
    return found[1]


def value(label: str, out: str) -> str:
    found = re.search(rf"│ {label} +│ (.*?) +│", out)
    assert found, out
    return found[1]


def test_a_dry_run_shows_everything_and_needs_no_service(utskick: Command, tmp_path: Path) -> None:
    rows = [*people("07002010", 3), "Bo;0700201020;rad 20", "Cy;hej;", "Di;;"]
    preview = utskick(
        "batch",
        "sms",
        written(tmp_path / "lista.csv", rows),
        "--message",
        "Hej “du”",
        "--dry-run",
        "--url",
        "http://127.0.0.1:1",
    )
    assert preview.code == 0, preview.err
    assert value("file", preview.out) == "Windows-1252, semicolon, with header"
    assert value("columns", preview.out) == "sms: Mobil, party: none, reference: Referens"
    assert [
        value(label, preview.out)
        for label in ("recipients", "duplicates", "rejected rows", "total segments")
    ] == ["3", "1", "2", "3"]
    assert value("encoding", preview.out).startswith("UCS-2")
    assert "with plain characters the text" in preview.out
    assert re.search(r"│ +6 │ is not a phone number", preview.out)
    assert "nothing was sent" in preview.out


def test_up_to_20_rejected_rows_are_printed_and_all_are_written(
    utskick: Command, tmp_path: Path
) -> None:
    rows = [*people("07002011", 1), *(f"Bo {n};fel;" for n in range(25))]
    rejected = tmp_path / "fel.csv"
    preview = utskick(
        "batch",
        "sms",
        written(tmp_path / "l.csv", rows),
        "--message",
        "Hej",
        "--dry-run",
        "--rejected",
        rejected,
    )
    assert preview.out.count("is not a phone number") == 20
    assert "and 5 more" in preview.out
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file, delimiter=";"))
    assert found[:2] == [
        ["line", "reason", "Namn", "Mobil", "Referens"],
        ["3", "is not a phone number", "Bo 0", "fel", ""],
    ]
    assert len(found) == 26
    assert rejected.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--message", "Hej", "--sender", "Tolv_tecken_"), "sender size must be between 3 and 11"),
        (("--message", "Hej", "--sender", "Пётр"), "GSM-7 basic alphabet"),
        (("--message", "å" * 2000), "message takes 14 segments; the limit is 10"),
        (("--message", " "), "message must not be blank"),
        ((), "either --message or --message-file"),
        (("--message", "a", "--message-file", "b.txt"), "either --message or --message-file"),
        (("--message-file", "saknas.txt"), "cannot be read"),
    ],
)
def test_a_dry_run_finds_what_the_service_would_refuse(
    utskick: Command, tmp_path: Path, arguments: tuple[str, ...], fault: str
) -> None:
    path = written(tmp_path / "l.csv", people("07002012", 1))
    refused = utskick("batch", "sms", path, *arguments, "--dry-run")
    assert refused.code == 1
    assert fault in refused.err
    assert "nothing was sent" not in refused.out


def test_a_dry_run_without_recipients_is_no_success(utskick: Command, tmp_path: Path) -> None:
    path = written(tmp_path / "l.csv", ["Bo;fel;"])
    refused = utskick("batch", "sms", path, "--message", "Hej", "--dry-run")
    assert refused.code == 1
    assert "no valid recipients" in refused.err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1252"])
def test_the_text_may_come_from_a_file_and_is_composed(
    utskick: Command, tmp_path: Path, encoding: str
) -> None:
    text = tmp_path / "text.txt"
    decomposed = encoding.startswith("utf")
    text.write_bytes(("A\u030asa\r\n" if decomposed else "Åsa\r\n").encode(encoding))
    path = written(tmp_path / "l.csv", people("07002012", 1))
    preview = utskick("batch", "sms", path, "--message-file", text, "--dry-run")
    assert preview.code == 0, preview.err
    assert value("encoding", preview.out) == "GSM-7, 3 characters"


def test_the_text_may_come_from_standard_input(tmp_path: Path) -> None:
    path = written(tmp_path / "l.csv", people("07002012", 1))
    command = [sys.executable, "-m", "utskick", "batch", "sms", str(path), "--message", "-"]
    found = subprocess.run(
        [*command, "--dry-run"], input="Åsa\n".encode(), capture_output=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "GSM-7, 3 characters" in found.stdout.decode()


def test_without_anybody_to_ask_nothing_is_sent(utskick: Command, tmp_path: Path) -> None:
    refused = utskick(
        "batch", "sms", written(tmp_path / "l.csv", people("07002012", 1)), "--message", "Hej"
    )
    assert (refused.code, "add --yes" in refused.err) == (1, True)


def test_a_key_is_made_of_all_that_is_sent() -> None:
    def keys(message: str = "Hej", count: int = 2, key: str | None = None) -> list[str]:
        crowd = tuple(Recipient(f"+46700{n:06d}") for n in range(count))
        return [request.key for request in Mailing(SMS, SmsContent(message), crowd, key).requests()]

    assert keys() == keys()
    assert keys() != keys("Hej!") != keys(count=3)
    assert keys(key="mine") == ["mine"]
    assert keys(count=MAX_RECIPIENTS + 1, key="mine") == ["mine.1", "mine.2"]
    assert len(set(keys(count=MAX_RECIPIENTS + 1))) == 2


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_repeated_command_sends_nothing_twice(
    service_cli: Command, service: Service, tmp_path: Path
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
    first, second = service_cli(*command), service_cli(*command)
    # One recipient does not exist.
    assert (first.code, second.code) == (1, 1), first.err + second.err
    assert "1 of 6 were not sent" in first.out
    assert "the operator has no such subscriber" in first.out
    assert f"utskick status {batch_of(first.out)}" in first.out
    assert "already been accepted" in second.out
    assert "already been accepted" not in first.out
    assert [len(service.copies(f"+467002013{n:02d}")) for n in range(20, 25)] == [1] * 5
    assert re.search(r"failed +│ +1 ", first.out), first.out
    found = service_cli("status", batch_of(first.out))
    assert value("progress", found.out) == "100 % settled"
    assert re.search(r"failed +│ +1 │ the operator has no such subscriber", found.out), found.out

    again = service_cli(*command, "--key", "en-gang-till")
    assert again.code == 1
    assert [len(service.copies(f"+467002013{n:02d}")) for n in range(20, 25)] == [2] * 5


@pytest.mark.journey
@pytest.mark.xdist_group("cli")
def test_a_batch_of_email_reaches_everybody(
    service_cli: Command, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "l.csv").write_text(
        "namn,e-post\nÅsa,batch1@example.se\nBo,batch2@example.se\nCy,cy@\n"
    )
    (tmp_path / "b.txt").write_text("bilaga")
    sent = service_cli(
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
    service_cli: Command, service: Service, tmp_path: Path
) -> None:
    # Its last two digits make every gateway defer it, so the watching would never end.
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
        # Background jobs of a shell inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        output = ""
        while " accepted" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, rest
    found = re.search(r"To watch it: utskick status ([0-9a-f-]{36}) --watch", rest)
    assert found, rest
    assert (
        "deferred" in service_cli("status", found[1]).out
        or "queued" in service_cli("status", found[1]).out
    )
