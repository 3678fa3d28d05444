"""Tests of ``utskick import history``: each delivery once, readable like our own."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.cli.conftest import Command
from tests.http.conftest import Client, serving
from tests.http.history.test_statistics import both, counter
from tests.http.pdf import letter as pdf
from utskick.channels.registry import CHANNELS, TYPES
from utskick.store.database import Database

PARTY = "6a5c3d04-412d-11ec-973a-0242ac130003"
COLUMNS = (
    "id",
    "municipality_id",
    "batch_id",
    "message_id",
    "delivery_id",
    "party_id",
    "message_type",
    "original_message_type",
    "status",
    "status_detail",
    "content",
    "origin",
    "issuer",
    "department",
    "created_at",
    "destination_address",
    "organization_number",
    "digital_mail_transaction_id",
)


def record(**database_cli: Any) -> dict[str, Any]:
    """Return a row as the other system writes it."""
    content = {
        "party": {"partyId": PARTY},
        "mobileNumber": "+46701740605",
        "message": "Skolan är stängd.",
    }
    row: dict[str, Any] = {
        **dict.fromkeys(COLUMNS),
        "id": 1,
        "municipality_id": "2281",
        "batch_id": str(uuid4()),
        "message_id": str(uuid4()),
        "delivery_id": str(uuid4()),
        "party_id": PARTY,
        "message_type": "SMS",
        "original_message_type": "SMS",
        "status": "SENT",
        "content": content,
        "origin": "CASEDATA",
        "issuer": "joe01doe",
        "department": "Skola",
        "created_at": "2026-03-01 12:00:00.25",
    }
    row.update(database_cli)
    if isinstance(row["content"], dict):
        row["content"] = json.dumps(row["content"], ensure_ascii=False)
    return row


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def table(*rows: dict[str, Any], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows({k: "\\N" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue().encode()


@pytest.fixture
def database_cli(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    async def empty() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(
            "TRUNCATE batches, messages, deliveries, events, attachments, tallies, watermarks, "
            "pgqueuer"
        )
        await connection.close()

    asyncio.run(empty())
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    return utskick


def value_of(done: Any, label: str) -> str:
    """Return a value from the table printed by the command."""
    return next(
        line.split("│")[2].strip()
        for line in done.out.splitlines()
        if line.startswith(f"│ {label} ")
    )


def totals(done: Any) -> tuple[str, str, str]:
    assert done.code == 0, done.out + done.err
    return value_of(done, "new"), value_of(done, "already known"), value_of(done, "rejected")


def rows_of(server: str, statement: str) -> list[Any]:
    async def run() -> list[Any]:
        connection = await asyncpg.connect(server)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("h.jsonl", lines),
        ("h.csv", table),
        ("h2.csv", lambda *rows: table(*rows, delimiter=";")),
        ("h.jsonl.gz", lambda *rows: gzip.compress(lines(*rows))),
        ("h3.csv", lambda *rows: b"\xef\xbb\xbf" + table(*rows, delimiter="\t")),
    ],
)
def test_every_form_of_the_file_is_accepted_once(
    database_cli: Command, tmp_path: Path, name: str, write: Callable[..., bytes]
) -> None:
    content = {"mobileNumber": "+46701740605", "message": 'Rad 1\nRad 2, "citerad"; å'}
    path = tmp_path / name
    path.write_bytes(
        write(
            record(),
            record(content=content, status="FAILED", status_detail="SmsSender error: {status=500}"),
        )
    )
    assert totals(database_cli("import", "history", path)) == ("2", "0", "0")
    assert totals(database_cli("import", "history", path)) == ("0", "2", "0")


def test_a_file_that_grew_and_an_interrupted_one_go_on(
    database_cli: Command, tmp_path: Path, server: str
) -> None:
    batch = str(uuid4())
    rows = [record(batch_id=batch) for _ in range(7)]
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(*rows[:3]))
    assert totals(database_cli("import", "history", path)) == ("3", "0", "0")
    path.write_bytes(lines(*rows))
    assert totals(database_cli("import", "history", path)) == ("4", "3", "0")
    [found] = rows_of(
        server,
        "SELECT recipients, (SELECT array_agg(ordinal ORDER BY ordinal) FROM messages) AS "
        "places FROM batches",
    )
    assert (found["recipients"], found["places"]) == (7, list(range(7)))


def test_killed_in_the_middle_it_goes_on_and_nothing_is_missing_or_doubled(
    database_cli: Command, tmp_path: Path, server: str
) -> None:
    batches = [str(uuid4()) for _ in range(40)]
    rows = [
        record(batch_id=batches[n // 500], created_at=f"2026-03-01 12:{n % 60:02}:00")
        for n in range(20_000)
    ]
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(*rows))
    counted = (
        "SELECT (SELECT count(*) FROM deliveries) AS rows, coalesce((SELECT sum(number) FROM "
        "tallies), 0) AS counted"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "utskick", "import", "history", str(path)], stdout=subprocess.DEVNULL
    )
    try:
        while not (there := rows_of(server, counted)[0])["rows"]:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    there = rows_of(server, counted)[0]
    assert there["rows"] == there["counted"] < 20_000, "killed too late to be a test"
    assert totals(database_cli("import", "history", path)) == (
        str(20_000 - there["rows"]),
        str(there["rows"]),
        "0",
    )
    assert tuple(rows_of(server, counted)[0]) == (20_000, 20_000)
    [whole] = rows_of(server, "SELECT count(*) AS n FROM batches WHERE recipients = 500")
    assert whole["n"] == 40


def test_rejected_rows_are_reported_by_line_and_reason_only(
    database_cli: Command, tmp_path: Path
) -> None:
    good = record()
    bad: list[tuple[dict[str, Any], str]] = [
        (record(delivery_id=None), "delivery: is missing"),
        (record(delivery_id="1-1-1-1-1"), "delivery: not a valid UUID"),
        (
            record(municipality_id="1234"),
            "municipality: is not among the municipalities of the settings",
        ),
        (record(municipality_id=None), "municipality: is missing"),
        (record(message_type="PIGEON"), "type: must be one of"),
        (record(status="PENDING"), "status: PENDING is not a final status"),
        (record(status="sent"), "status: must be one of"),
        (record(created_at="i går"), "at: must be a time such as"),
        (record(content="{trasig"), "content: is not JSON"),
        (record(content="[1]"), "content: is not a JSON object"),
        (record(issuer="x" * 256), "issuer: is longer than 255 characters"),
        (record(origin="å" * 4000), "origin: is longer than 255 characters"),
        (
            record(department=None, content={"department": "d" * 256}),
            "department: is longer than 255 characters",
        ),
        (record(origin="a\x00b"), "origin: is not valid UTF-8"),
        (record(message_id=good["message_id"]), "message_id: stands in another batch already"),
    ]
    path, report = tmp_path / "h.jsonl", tmp_path / "fel.csv"
    path.write_bytes(lines(good, *(row for row, _ in bad)) + b"\n{halv rad\n")
    done = database_cli("import", "history", path, "--rejected", report)
    assert totals(done) == ("1", "0", str(len(bad) + 1))
    written = list(csv.reader(io.StringIO(report.read_text("utf-8-sig")), delimiter=";"))
    assert report.stat().st_mode & 0o777 == 0o600
    reasons = {int(line): reason for line, _, reason in written[1:]}
    assert reasons.keys() == set(range(2, len(bad) + 3))
    for line, (_, reason) in enumerate(bad, 2):
        assert reasons[line].startswith(reason), reasons[line]
    assert "+46701740605" not in report.read_text("utf-8-sig") + done.out + done.err
    assert totals(database_cli("import", "history", path, "--municipality", "2281"))[0] == "1", (
        "the row that named none"
    )


def test_a_dry_run_writes_nothing(database_cli: Command, tmp_path: Path, server: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(record(), record(status="PENDING")))
    done = database_cli("import", "history", path, "--dry-run")
    assert (value_of(done, "rows"), value_of(done, "rejected")) == ("2", "1")
    assert rows_of(server, "SELECT FROM deliveries") == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[{}]", "one object per line"),
        (b"a,b\n1,2\n", "the first row must name the columns"),
        (b"", "the first row must name"),
        (gzip.compress(b"x" * 10_000, mtime=0)[:-9], "damaged"),
        (table(record()) + b'"trasig', "a quotation mark may be missing"),
    ],
    ids=["array", "columns", "empty", "damaged", "quote"],
)
def test_what_is_no_history_is_one_sentence(
    database_cli: Command, tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "h.txt"
    path.write_bytes(content)
    done = database_cli("import", "history", path)
    assert done.code == 1
    assert expected in done.err


def test_an_id_that_the_peer_gave_twice_is_two_deliveries_for_ever(
    database_cli: Command, tmp_path: Path, server: str
) -> None:
    """Import both deliveries (contract Q17): a letter whose digital attempt and address failed."""
    ids = {"batch_id": str(uuid4()), "message_id": str(uuid4()), "delivery_id": str(uuid4())}
    both_rows = [
        record(**ids, message_type=kind, original_message_type="LETTER", status="FAILED")
        for kind in ("DIGITAL_MAIL", "LETTER")
    ]
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(*both_rows))
    assert totals(database_cli("import", "history", path)) == ("2", "0", "0")
    path.write_bytes(lines(*both_rows, *reversed(both_rows)))
    assert totals(database_cli("import", "history", path)) == ("0", "4", "0")
    kinds = rows_of(server, "SELECT id, message_type FROM deliveries ORDER BY message_type")
    assert [row["message_type"] for row in kinds] == ["DIGITAL_MAIL", "LETTER"]
    assert UUID(ids["delivery_id"]) in {row["id"] for row in kinds}


@pytest.mark.parametrize(
    ("written", "zone", "printed"),
    [
        ("2026-07-01 08:00:00.123456", "Europe/Stockholm", "2026-07-01T08:00:00.123456"),
        ("2026-07-01T08:00:00", "Europe/Stockholm", "2026-07-01T08:00:00"),
        (
            "2026-10-25 02:30:00.5",
            "Europe/Stockholm",
            "2026-10-25T02:30:00.5",
        ),  # twice that night
        ("2026-07-01 06:00:00", "UTC", "2026-07-01T08:00:00"),
        ("2026-07-01T06:00:00Z", "Europe/Stockholm", "2026-07-01T08:00:00"),
    ],
)
async def test_times_come_out_as_the_peer_printed_them(
    database_cli: Command, database: Database, tmp_path: Path, written: str, zone: str, printed: str
) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(record(created_at=written)))
    await asyncio.to_thread(database_cli, "import", "history", path, "--timezone", zone)
    async with serving(database, tmp_path) as client:
        [entry] = (await client.get(f"/2281/conversation-history/{PARTY}")).json
    assert entry["timestamp"] == printed


async def downloaded(client: Client, path: str) -> tuple[str, bytes]:
    """Return media type and contents of a file of a message."""
    async with client._session.get(
        f"{client.running.api_url}/2281/messages/{path}", headers=client.bearer
    ) as answer:
        return answer.content_type, await answer.read()


def recorded_history(
    batch: str, message: str, digital: str, paper: str
) -> tuple[list[Any], dict[str, Any]]:
    """Return rows of another system, one of each kind, and their contents by name."""
    data = b64encode(pdf("Beslut")).decode()
    letter = {
        "batch_id": batch,
        "message_id": message,
        "original_message_type": "LETTER",
        "department": "SBK",
    }
    sent = {
        "party": {"partyIds": [PARTY]},
        "subject": "Beslut",
        "body": "Hej",
        "department": "SBK",
        "attachments": [
            {"contentType": "application/pdf", "content": data, "filename": "beslut.pdf"}
        ],
    }
    address = {
        "firstName": "Anna",
        "lastName": "Öberg",
        "address": "Storgatan 2",
        "zipCode": "852 30",
        "city": "Sundsvall",
    }
    posted = {
        "party": {"partyId": PARTY},
        "department": "SBK",
        "attachments": [
            {"filename": "papper.pdf", "contentType": "application/pdf", "content": data}
        ],
    }
    slack = {"token": "xoxb-hemlig", "channel": "drift", "message": "Hej"}
    web = {
        "message": "m",
        "attachments": [
            {"fileName": "bild", "base64Data": "iVBORw0KGgo="},
            {"fileName": "trasig", "base64Data": "inte-base64!"},
        ],
    }
    rows = [
        record(
            **letter,
            delivery_id=digital,
            message_type="DIGITAL_MAIL",
            status="NOT_SENT",
            content=sent,
            status_detail="nej för a@b.se",
        ),
        record(
            **letter,
            delivery_id=paper,
            message_type="SNAIL_MAIL",
            content=posted,
            destination_address=json.dumps(address),
            created_at="2026-03-01 12:00:01",
        ),
        record(
            message_type="SLACK",
            original_message_type="SLACK",
            content=slack,
            party_id=None,
            issuer=None,
        ),
        record(message_type="WEB_MESSAGE", original_message_type="WEB_MESSAGE", content=web),
        record(
            message_type="MESSAGE",
            original_message_type="MESSAGE",
            status="NO_CONTACT_WANTED",
            origin=None,
        ),
    ]
    held = {"sent": sent, "posted": posted, "address": address, "web": web}
    return rows, held


async def test_every_reading_call_answers_for_them_as_for_our_own(
    database_cli: Command, database: Database, tmp_path: Path
) -> None:
    batch, message, digital, paper = (str(uuid4()) for _ in range(4))
    rows, held = recorded_history(batch, message, digital, paper)
    sent, posted, address, web = held["sent"], held["posted"], held["address"], held["web"]
    path = tmp_path / "h.csv"
    path.write_bytes(table(*rows))
    assert totals(await asyncio.to_thread(database_cli, "import", "history", path)) == (
        "5",
        "0",
        "0",
    )
    async with serving(database, tmp_path) as client:
        answers = {
            label: (await client.get(f"/2281/{label}")).json
            for label in (
                f"status/batch/{batch}",
                f"status/messages/{message}",
                f"status/delivery/{digital}",
                f"messages/{message}",
                f"messages/{message}/metadata",
                f"users/joe01doe/messages/{message}",
                "statistics",
                "statistics/departments",
                f"conversation-history/{PARTY}",
                f"messages/{rows[3]['message_id']}",
                f"messages/{rows[3]['message_id']}/metadata",
                f"messages/{rows[2]['message_id']}",
            )
        }
        assert await downloaded(client, f"{message}/attachments?fileName=papper.pdf") == (
            "application/pdf",
            pdf("Beslut"),
        )
        assert (await downloaded(client, f"{rows[3]['message_id']}/attachments/bild"))[
            0
        ] == "image/png"
        assert (await client.get(f"/2260/messages/{message}")).status == 404
    assert [
        (d["deliveryId"], d["status"])
        for d in answers[f"status/batch/{batch}"]["messages"][0]["deliveries"]
    ] == [(digital, "NOT_SENT"), (paper, "SENT")]
    story = answers[f"status/delivery/{digital}"]
    assert story["reason"] == {"code": "declined-recorded", "message": "nej för ***"}
    assert story["events"] == [
        {"timestamp": "2026-03-01T12:00:00.25", "status": "failed", "actor": "import"}
    ]
    assert [m["content"] for m in answers[f"messages/{message}"]] == [sent, posted]
    assert answers[f"messages/{message}/metadata"][0]["content"]["attachments"] == [
        {"contentType": "application/pdf", "filename": "beslut.pdf"}
    ]
    [recipient] = answers[f"users/joe01doe/messages/{message}"]["recipients"]
    assert recipient == {"status": "SENT", "messageType": "SNAIL_MAIL", "address": address}, (
        "and not the digital one (contract 9.2)"
    )
    assert answers[f"messages/{rows[2]['message_id']}"][0]["content"] == {
        "channel": "drift",
        "message": "Hej",
    }, "no token is kept"
    assert answers[f"messages/{rows[3]['message_id']}"][0]["content"] == web
    bare = answers[f"messages/{rows[3]['message_id']}/metadata"][0]["content"]["attachments"]
    assert bare == [{"fileName": "bild"}, {"fileName": "trasig"}]
    assert answers["statistics"]["LETTER"] == {
        "DIGITAL_MAIL": counter(notSent=1),
        "SNAIL_MAIL": counter(sent=1),
        "UNDELIVERABLE": 0,
    }
    assert answers["statistics"]["MESSAGE"] == {"UNDELIVERABLE": 1}
    assert [o["ORIGIN"] for o in answers["statistics/departments"]] == ["CASEDATA"]
    assert len(answers[f"conversation-history/{PARTY}"]) == 4
    found, raw = await both(database)
    assert found == raw


async def test_nothing_of_our_own_is_touched(
    database_cli: Command, database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        sent = (
            await client.post("/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"})
        ).json
    own = {
        "batch_id": sent["batchId"],
        "message_id": sent["messageId"],
        "delivery_id": sent["deliveries"][0]["deliveryId"],
    }
    path = tmp_path / "h.jsonl"
    path.write_bytes(lines(record(**own), record(batch_id=sent["batchId"])))
    done = await asyncio.to_thread(database_cli, "import", "history", path)
    assert totals(done) == ("0", "0", "2")
    assert "belongs to a delivery of Utskick's own" in done.out
    assert "batch_id: belongs to another batch here" in done.out


async def test_a_batchs_id_is_its_municipalitys_own(
    database_cli: Command, database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        sent = (
            await client.post("/2262/sms", {"mobileNumber": "+46701740605", "message": "Hej"})
        ).json
        path, batch = tmp_path / "h.jsonl", sent["batchId"]
        path.write_bytes(
            lines(
                record(batch_id=batch),
                record(batch_id=batch),
                record(batch_id=batch, municipality_id="2260"),
            )
        )
        assert totals(await asyncio.to_thread(database_cli, "import", "history", path)) == (
            "3",
            "0",
            "0",
        )
        for municipality_id, count in (("2281", 2), ("2260", 1), ("2262", 1)):
            status = (await client.get(f"/{municipality_id}/status/batch/{batch}")).json
            assert len(status["messages"]) == count


def test_every_type_of_the_contract_has_its_channel() -> None:
    modules = {name: import_module(f"utskick.channels.{name}.channel") for name in CHANNELS}
    spoken = {
        found.message_type: name
        for name, module in modules.items()
        for found in vars(module).values()
        if isinstance(found, type) and getattr(found, "name", None) == name
    }
    assert spoken == TYPES
