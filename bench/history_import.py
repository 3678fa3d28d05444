"""7: import the history of another system: 1 000 000 rows, a fifth of them with a shared PDF."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import stage
from bench.result import Result
from bench.sample_history import DEPARTMENTS, KINDS, ORIGINS, PARTIES, SIZES, party_of

ROWS, SECONDS = 1_000_000, 300.0


def import_history(rows: int = ROWS) -> list[Result]:
    """Measure ``utskick import history`` into an empty database, and once more."""
    with stage.folder() as data:
        file = data / "history.jsonl"
        _write(file, rows)
        took = [_imported(file, data / "d") for _ in range(2)]
    return [
        Result("import", took[0], "s", SECONDS, 1.0, under=True),
        Result("import-again", took[1], "s", SECONDS, 1.0, under=True),
    ]


def _imported(file: Path, folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "utskick", "import", "history", str(file)],
        env={**stage.environment(), "UTSKICK_DATA__FOLDER": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def _write(file: Path, rows: int) -> None:
    rng = random.Random(3)
    files = [b64encode(b"%PDF-1.7\n" + rng.randbytes(3000)).decode() for _ in range(50)]
    begin, written = datetime(2025, 12, 1), 0
    with file.open("w", encoding="utf-8") as out:
        while written < rows:
            size = min(rng.choice(SIZES), rows - written)
            requested_type, delivery_type = rng.choice(KINDS)
            batch = {
                "municipality_id": "2281",
                "batch_id": _id(rng),
                "message_type": delivery_type,
                "original_message_type": requested_type,
                "status": "SENT",
                "origin": rng.choice(ORIGINS),
                "issuer": f"user{rng.randrange(2000):04}",
                "department": rng.choice(DEPARTMENTS),
                "created_at": str(begin + timedelta(seconds=written * 30)),
            }
            for _ in range(size):
                party = party_of(rng.randrange(PARTIES))
                content: dict[str, Any] = {
                    "party": {"partyId": party},
                    "subject": "Beslut",
                    "message": "Skolan är stängd i dag.",
                    "mobileNumber": "+46701740605",
                }
                if delivery_type in ("DIGITAL_MAIL", "SNAIL_MAIL"):
                    content["attachments"] = [
                        {
                            "filename": "beslut.pdf",
                            "contentType": "application/pdf",
                            "content": rng.choice(files),
                        }
                    ]
                ids = {"message_id": _id(rng), "delivery_id": _id(rng), "party_id": party}
                out.write(
                    json.dumps(
                        {**batch, **ids, "content": json.dumps(content, ensure_ascii=False)},
                        ensure_ascii=False,
                    )
                    + "\n"
                )
            written += size


def _id(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
