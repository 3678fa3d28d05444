"""Digital mail and letters: signing, delivery through verifying operators, and a large mailing."""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import typst
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from PIL import Image

from bench import stage
from bench.result import Result
from utskick.channels.digital_mail.attachments import AttachmentElements
from utskick.channels.digital_mail.envelope import Letterhead, delivery
from utskick.channels.digital_mail.signature import Sealing, XmlSigner
from utskick.domain.attachment import Attachment
from utskick.sandbox.digital_mail.citizens import number

MAILS, DIGITAL, PAPER = 2_000, 7_000, 3_000
ORGANIZATION = "2120002411"


def digital_mail() -> list[Result]:
    """Compare signing 140 kB with two RSA-2048 operations and two SHA-256; deliver 2 000 mails."""
    return [_signing(), _delivery_rate()]


def _signing() -> Result:
    key = rsa.generate_private_key(65537, 2048)
    certificate = b64encode(_certificate(key).public_bytes(Encoding.DER))
    info = (
        b"<KeyInfo><X509Data><X509Certificate>"
        + certificate
        + b"</X509Certificate></X509Data></KeyInfo>"
    )
    signer = XmlSigner(lambda content: key.sign(content, padding.PKCS1v15(), SHA256()), 256, info)
    file = Attachment.of("beslut.pdf", "application/pdf", os.urandom(100_000))
    head = Letterhead(
        id=str(uuid4()),
        recipient="190001010000",
        sender="16" + ORGANIZATION,
        sender_name="Sundsvalls kommun",
        date="2026-11-25+01:00",
        subject="Beslut",
        support_info={"text": "Kontakta oss."},
    )
    content = {
        "contentType": "text/plain",
        "body": "Beslutet är bifogat.",
        "attachments": [{"filename": file.name, "digest": file.digest.hex()}],
    }
    pieces = list(delivery(head, content, [file], AttachmentElements()))
    whole = b"".join(pieces)

    def ours() -> None:
        Sealing(pieces, head.date, signer).envelope()

    def bare() -> None:
        for _ in range(2):
            key.sign(sha256(whole).digest(), padding.PKCS1v15(), SHA256())

    times = [(_seconds(ours), _seconds(bare)) for _ in range(9)]
    return Result(
        "digital-mail-signing",
        _ms(a for a, _ in times),
        "ms",
        _ms(b for _, b in times),
        1.5,
        under=True,
    )


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bench")])
    builder = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        1,
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2030, 1, 1, tzinfo=UTC),
    )
    return builder.sign(key, SHA256())


def _seconds(act: Callable[[], None], times: int = 100) -> float:
    started = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - started) / times


def _ms(values: Any) -> float:
    return 1000 * float(statistics.median(list(values)))


def _delivery_rate() -> Result:
    rates = []
    for _ in range(3):
        with _letter_service() as (service, _):
            parties = [str(uuid4()) for _ in range(MAILS)]
            _import_people(service, parties, "00")
            body = {
                "party": {"partyIds": parties},
                "subject": "Beslut",
                "contentType": "text/plain",
                "body": "Din ansökan är beviljad.",
            }
            _post(service["api"], f"{ORGANIZATION}/digital-mail?async=true", body)
            _drain(service["database"])
            row = stage.ask(
                service["database"],
                """
                SELECT count(*) AS n,
                    extract(epoch FROM max(d.updated_at) - min(a.started_at)) AS took
                FROM deliveries d JOIN attempts a ON a.delivery_id = d.id
                WHERE d.status = 'delivered'
                """,
            )[0]
            assert row["n"] == MAILS, f"{row['n']} of {MAILS} were delivered"
            rates.append(MAILS / float(row["took"]))
    return Result("digital-mail", statistics.median(rates), "deliveries/s", 150.0, 1.0)


def letters() -> list[Result]:
    """Send one letter of 300 kB to 10 000 people, 3 000 of them without a digital mailbox.

    Measures growth of the database, memory and the handover.
    """
    with _letter_service() as (service, gateway):
        digital, paper = (
            [str(uuid4()) for _ in range(DIGITAL)],
            [str(uuid4()) for _ in range(PAPER)],
        )
        _import_people(service, digital, "00")
        _import_people(service, paper, "10")
        before = _size(service["database"])
        file = {
            "deliveryMode": "ANY",
            "filename": "beslut.pdf",
            "contentType": "application/pdf",
            "content": b64encode(_pdf()).decode(),
        }
        body = {
            "party": {"partyIds": digital + paper},
            "subject": "Beslut",
            "department": "SBK",
            "attachments": [file],
        }
        _post(service["api"], "letter?async=true", body)
        _drain(
            service["database"],
            until=(
                "SELECT count(*) AS n FROM deliveries WHERE status NOT IN ('sent', "
                "'delivered', 'failed')"
            ),
        )
        row = stage.ask(
            service["database"],
            """
            SELECT
                count(*) FILTER (
                    WHERE d.message_type = 'DIGITAL_MAIL' AND d.status = 'delivered') AS digital,
                count(*) FILTER (
                    WHERE d.message_type = 'SNAIL_MAIL' AND d.status = 'sent') AS paper,
                extract(epoch FROM max(d.updated_at) FILTER (WHERE d.message_type = 'SNAIL_MAIL')
                    - max(p.closed_at)) AS took
            FROM deliveries d LEFT JOIN print_batches p ON p.id = d.print_batch
            """,
        )[0]
        assert (row["digital"], row["paper"]) == (DIGITAL, PAPER), dict(row)
        stage.ask(service["database"], "CHECKPOINT")
        grown = (_size(service["database"]) - before) / 1_000_000
        memory = stage.peak_memory(service["pid"])
        del gateway
    return [
        Result("letters-growth", grown, "MB", 40.0, 1.0, under=True),
        Result("letters-memory", memory, "MB", 600.0, 1.0, under=True),
        Result("letters-handover", float(row["took"]), "s", 60.0, 1.0, under=True),
    ]


@contextmanager
def _letter_service() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Start the service, with mailbox operators and print house in a separate process."""
    with stage.folder() as data, stage.process("gateway", "mail", str(data / "sandbox")) as gateway:
        environment = {
            **stage.settings(data / "d"),
            **{f"UTSKICK_{n.upper()}": json.dumps(s) for n, s in gateway["sections"].items()},
        }
        with stage.process("service", environment=environment) as service:
            yield {**service, "environment": environment}, gateway


def _import_people(service: dict[str, Any], parties: list[str], magic: str) -> None:
    """Import people of the sandbox into the directory, like an administrator."""
    rows = io.StringIO()
    writer = csv.writer(rows, delimiter=";")
    writer.writerow(
        ["partyId", "personnummer", "förnamn", "efternamn", "adress", "postnummer", "ort"]
    )
    for i, party in enumerate(parties):
        writer.writerow(
            [party, number(i, magic), "Anna", f"Öberg {i}", f"Storgatan {i}", "85230", "Sundsvall"]
        )
    with stage.folder() as folder:
        file = Path(folder) / "people.csv"
        file.write_text(rows.getvalue())
        subprocess.run(
            [
                sys.executable,
                "-m",
                "utskick",
                "directory",
                "import",
                str(file),
                "--municipality",
                "2281",
            ],
            env={**os.environ, **service["environment"]},
            check=True,
            capture_output=True,
            timeout=120,
        )


def _post(api: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{api}/2281/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.status == 201
        answer.read()


def _drain(database: str, until: str = "SELECT count(*) AS n FROM pgqueuer") -> None:
    deadline = time.monotonic() + 240
    while stage.ask(database, until)[0]["n"]:
        assert time.monotonic() < deadline, "it has not come to an end"
        time.sleep(0.5)


def _size(database: str) -> int:
    """Return the size of the database without the queue, in bytes."""
    row = stage.ask(
        database,
        "SELECT pg_database_size(current_database()) - pg_total_relation_size('pgqueuer') AS n",
    )[0]
    return int(row["n"])


def _pdf() -> bytes:
    """Return a page of about 300 kB: an image of incompressible noise."""
    with stage.folder() as folder:
        Image.frombytes("RGB", (310, 310), os.urandom(310 * 310 * 3)).save(
            Path(folder) / "noise.png"
        )
        page = b'#set page("a4")\n#v(8cm)\n#align(center, image("noise.png", width: 9cm))\nBeslut'
        (Path(folder) / "page.typ").write_bytes(page)
        written = typst.compile(str(Path(folder) / "page.typ"), format="pdf")
    assert isinstance(written, bytes)
    assert 250_000 < len(written) < 350_000, len(written)
    return written
