"""Rates of a running service: load on the API, batches, and the time to drain them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import stage

ROUNDS = 3
SMS_COUNT, EMAIL_COUNT = 20_000, 3_000


def load_rate(service: Mapping[str, Any], seconds: float) -> float:
    body = json.dumps(
        {
            "mobileNumber": "+46701740605",
            "message": "Skolan är stängd i dag.",
            "party": {"partyId": "01a20a9b-9a95-729e-a35a-61715f650d0b"},
        }
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.load",
            f"{service['api']}/2281/sms?async=true",
            "32",
            str(seconds),
            body,
            service["token"] or "",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=stage.HERE.parent,
    )
    row = json.loads(done.stdout)
    assert not row["bad"], f"{row['bad']} answers were not 201"
    return float(row["rate"])


def post_batch(api: str, count: int, start: int = 0, kind: str = "sms") -> float:
    if kind == "sms":
        body: dict[str, Any] = {
            "message": "Skolan är stängd i dag.",
            "parties": [{"mobileNumber": f"+4672{i:07}"} for i in range(start, start + count)],
        }
    else:
        body = {
            "subject": "Skolan",
            "message": "Skolan är stängd i dag.",
            "parties": [{"emailAddress": f"a{i}@example.se"} for i in range(start, start + count)],
        }
    raw = json.dumps(body).encode()
    request = urllib.request.Request(
        f"{api}/2281/{kind}/batch", raw, {"Content-Type": "application/json"}
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.status == 201
        answer.read(1)
        took = time.perf_counter() - started
        answer.read()
    return took


def drain_rate(service: dict[str, Any], count: int, kind: str) -> float:
    """Post a batch; return deliveries per second from first attempt to last settlement."""
    database = service["database"]
    started = stage.ask(database, "SELECT now() AS at")[0]["at"]
    post_batch(service["api"], count, kind=kind)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if stage.ask(database, "SELECT count(*) AS n FROM pgqueuer")[0]["n"] == 0:
            break
    row = stage.ask(
        database,
        """
        SELECT count(*) AS n, extract(epoch FROM max(d.updated_at) - min(a.started_at)) AS took
        FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
        WHERE a.started_at >= $1 AND d.status = 'sent'
        """,
        started,
    )[0]
    assert row["n"] == count, f"{row['n']} of {count} were sent"
    return count / float(row["took"])


@contextmanager
def service_pair(
    folders: dict[int, Path], *arguments: str, gateway: str | None = None
) -> Iterator[dict[int, dict[str, Any]]]:
    with ExitStack() as stack:
        yield {
            grown: stack.enter_context(
                stage.process(
                    "service", *arguments, environment=stage.settings(data, gateway=gateway)
                )
            )
            for grown, data in folders.items()
        }


def median(values: Any) -> float:
    return float(statistics.median(list(values)))
