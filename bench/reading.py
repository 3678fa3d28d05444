"""6: every reading call with 5 000 000 deliveries in history."""

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
from bench.years import Years

HISTORY = 5_000_000
ASKED = 60
#: ms
LIMIT, STATISTICS_LIMIT = 50.0, 1000.0
#: Events a second: more than a worker can make (line 3).
KEPT_UP = 5000.0


def history(count: int = HISTORY) -> list[Result]:
    """Medians of calls one after the other, each of another person, user, batch or message; and how
    fast the tallies keep up."""
    years = Years(count)
    with stage.folder() as data:
        with stage.process(
            "service", "--no-work", environment=stage.settings(data / "d")
        ) as service:
            begun = time.perf_counter()
            years.fill(service["database"], data / "d")
            _say(f"{count:,} deliveries written by COPY in {time.perf_counter() - begun:.0f} s")
        with stage.process("service", environment=stage.settings(data / "d")) as service:
            kept = _tallied(service["database"], count)
            stage.ask(service["database"], "VACUUM ANALYZE tallies")
            found = [_asked(service["api"], name, path) for name, path in _calls(years).items()]
    return [*found, Result("history-tallies", count / kept, "events/s taken in", KEPT_UP, 1.0)]


def _tallied(database: str, count: int) -> float:
    """Seconds until all events are in the tallies."""
    begun = time.perf_counter()
    while (
        (stage.ask(database, "SELECT coalesce(sum(number), 0) AS n FROM tallies")[0]["n"]) < count
    ):
        time.sleep(0.5)
    return time.perf_counter() - begun


def _calls(years: Years) -> dict[str, Callable[[random.Random], str]]:
    """Name → a path of one call, other things each time."""
    found, ago = years.examples, date.today() - timedelta(days=364)
    return {
        "conversation": lambda r: f"conversation-history/{r.choice(found.parties)}",
        "conversation-month": lambda r: (
            f"conversation-history/{r.choice(found.parties)}?from={ago}&to={ago + timedelta(days=30)}"
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


def _asked(api: str, name: str, path: Callable[[random.Random], str]) -> Result:
    chance, times = random.Random(name), list[float]()
    for _ in range(ASKED):
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{api}/2281/{path(chance)}", timeout=120) as answer:
            body = answer.read()
        times.append((time.perf_counter() - begun) * 1000)
        assert json.loads(body) or name.startswith("conversation-month"), f"{name} found nothing"
    limit = STATISTICS_LIMIT if name.startswith("statistics") else LIMIT
    return Result(f"history-{name}", statistics.median(times), "ms", limit, 1.0, under=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
