"""7: the peer's history taken in: 1 000 000 rows of JSON lines, a fifth of them with a PDF that
many share."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from bench import stage
from bench.result import Result
from bench.years import DEPARTMENTS, KINDS, ORIGINS, PARTIES, SIZES, party_of

ROWS, SECONDS = 1_000_000, 300.0


def moving_in(rows: int = ROWS) -> list[Result]:
    """Seconds of ``utskick import history`` into an empty database, with the start of it; and of
    the same once more."""
    with stage.folder() as data:
        file = data / "history.jsonl"
        _write(file, rows)
        took = [_imported(file, data / "d") for _ in range(2)]
    return [
        Result("import", took[0], "s", SECONDS, 1.0, under=True),
        Result("import-again", took[1], "s", SECONDS, 1.0, under=True),
    ]


def _imported(file: Path, folder: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "utskick", "import", "history", str(file)],
        env={**stage.environment(), "UTSKICK_DATA__FOLDER": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def _write(file: Path, rows: int) -> None:
    chance = random.Random(3)
    files = [b64encode(b"%PDF-1.7\n" + chance.randbytes(3000)).decode() for _ in range(50)]
    begin, made = datetime(2025, 12, 1), 0
    with file.open("w", encoding="utf-8") as out:
        while made < rows:
            size = min(chance.choice(SIZES), rows - made)
            asked, went = chance.choice(KINDS)
            batch = {
                "municipality_id": "2281",
                "batch_id": _id(chance),
                "message_type": went,
                "original_message_type": asked,
                "status": "SENT",
                "origin": chance.choice(ORIGINS),
                "issuer": f"user{chance.randrange(2000):04}",
                "department": chance.choice(DEPARTMENTS),
                "created_at": str(begin + timedelta(seconds=made * 30)),
            }
            for _ in range(size):
                party = party_of(chance.randrange(PARTIES))
                said = {
                    "party": {"partyId": party},
                    "subject": "Beslut",
                    "message": "Skolan är stängd i dag.",
                    "mobileNumber": "+46701740605",
                }
                if went in ("DIGITAL_MAIL", "SNAIL_MAIL"):
                    said["attachments"] = [
                        {
                            "filename": "beslut.pdf",
                            "contentType": "application/pdf",
                            "content": chance.choice(files),
                        }
                    ]
                ids = {"message_id": _id(chance), "delivery_id": _id(chance), "party_id": party}
                out.write(
                    json.dumps(
                        {**batch, **ids, "content": json.dumps(said, ensure_ascii=False)},
                        ensure_ascii=False,
                    )
                    + "\n"
                )
            made += size


def _id(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))
