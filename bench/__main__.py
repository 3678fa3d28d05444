"""``python -m bench [name …]``: run measurements and write bench/results.json.

Exits with 1 if a target is missed.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from bench.measurements import ALL
from bench.stage import HERE


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    if unknown := [name for name in names if name not in ALL]:
        print(f"no measurement is named {', '.join(unknown)}; there are {', '.join(ALL)}")
        return 2
    target = HERE / "results.json"
    results = json.loads(target.read_text()) if target.exists() else {}
    missed = False
    for name in names:
        for result in ALL[name]():
            print(result, flush=True)
            missed |= not result.ok
            results[result.name] = {
                **asdict(result),
                "ratio": result.ratio,
                "ok": result.ok,
                "at": datetime.now(UTC).isoformat(),
                "machine": platform.platform(),
            }
    target.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
