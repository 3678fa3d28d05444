"""6: every read call with 5 000 000 deliveries in history."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import quote

from bench import stage
from bench.result import Result
from bench.sample_history import SampleHistory

HISTORY = 5_000_000
CALLS = 60
#: milliseconds
LIMIT, STATISTICS_LIMIT = 50.0, 1000.0
#: Events per second: more than a worker can produce (line 3).
TALLY_RATE = 5000.0


def history(count: int = HISTORY) -> list[Result]:
    """Measure sequential calls with different parameters, and the update of the tallies."""
    sample = SampleHistory(count)
    with stage.folder() as data:
        with stage.process(
            "service", "--no-work", environment=stage.settings(data / "d")
        ) as service:
            started = time.perf_counter()
            sample.fill(service["database"], data / "d")
            _log(f"{count:,} deliveries written by COPY in {time.perf_counter() - started:.0f} s")
        with stage.process("service", environment=stage.settings(data / "d")) as service:
            results = _tally_seconds(service["database"], count)
            stage.ask(service["database"], "VACUUM ANALYZE tallies")
            found = [
                _measure_call(service["api"], name, path) for name, path in _calls(sample).items()
            ]
    return [
        *found,
        Result("history-tallies", count / results, "events/s taken in", TALLY_RATE, 1.0),
    ]


def _tally_seconds(database: str, count: int) -> float:
    """Return the seconds until all events are in the tallies."""
    started = time.perf_counter()
    while (
        (stage.ask(database, "SELECT coalesce(sum(number), 0) AS n FROM tallies")[0]["n"]) < count
    ):
        time.sleep(0.5)
    return time.perf_counter() - started


def _calls(sample: SampleHistory) -> dict[str, Callable[[random.Random], str]]:
    """Return the path of a call by name; the parameters are random."""
    found, ago = sample.examples, date.today() - timedelta(days=364)
    return {
        "conversation": lambda r: f"conversation-history/{r.choice(found.parties)}",
        "conversation-month": lambda r: (
            f"conversation-history/{r.choice(found.parties)}"
            f"?from={ago}&to={ago + timedelta(days=30)}"
        ),
        "message": lambda r: f"messages/{r.choice(found.messages)}",
        "metadata": lambda r: f"messages/{r.choice(found.messages)}/metadata",
        "status-batch": lambda r: f"status/batch/{r.choice(found.batches)}",
        "status-message": lambda r: f"status/messages/{r.choice(found.messages)}",
        "status-delivery": lambda r: f"status/delivery/{r.choice(found.deliveries)}",
        "user-batches": lambda r: f"users/{r.choice(found.users)}/batches",
        "user-messages": lambda r: f"users/{r.choice(found.users)}/messages",
        "user-messages-deep": lambda r: f"users/{r.choice(found.users)}/messages?page=10",
        "user-message": lambda r: "users/{}/messages/{}".format(*r.choice(found.sent)),
        "statistics-year": lambda _: f"statistics?from={ago}",
        "statistics-departments": lambda _: f"statistics/departments?from={ago}",
        "statistics-department": lambda _: f"statistics/departments/{quote('Vård')}?from={ago}",
        "statistics-delivery-status": lambda _: (
            f"statistics/delivery-status?from={ago}&department=SBK"
        ),
    }


def _measure_call(api: str, name: str, path: Callable[[random.Random], str]) -> Result:
    rng, times = random.Random(name), list[float]()
    for _ in range(CALLS):
        started = time.perf_counter()
        with urllib.request.urlopen(f"{api}/2281/{path(rng)}", timeout=120) as answer:
            body = answer.read()
        times.append((time.perf_counter() - started) * 1000)
        assert json.loads(body) or name.startswith("conversation-month"), f"{name} found nothing"
    limit = STATISTICS_LIMIT if name.startswith("statistics") else LIMIT
    return Result(f"history-{name}", statistics.median(times), "ms", limit, 1.0, under=True)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
