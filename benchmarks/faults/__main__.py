"""Processes that are killed, stopped and attacked, and what is left of the promises.

    python -m benchmarks.faults [--only kills,publishes,…] [--quick] [--scale 0.2]
                                [--registry-database-url URL] [--trainer-database-url URL]

Real processes, the real wire, SQLite unless other databases are given, which must be new. Figures go to
benchmarks/results/faults.json and into benchmarks/RESULTS.md; what was measured before of other parts stays.
The exit status is 1 where a promise was broken.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import json_files
from benchmarks.faults import fuzz, hostile, kills, many_runs, publishes, same_request, section
from benchmarks.quality import origin

RESULTS = Path(__file__).parent.parent / "results" / "faults.json"
_QUICK_SCALE = 0.05

Part = Callable[[Path, float, Mapping[str, str]], dict[str, Any]]


def _kills(home: Path, scale: float, databases: Mapping[str, str]) -> dict[str, Any]:
    points = kills.POINTS[:: max(1, round(1 / scale))]
    return kills.measure(home, kills.Plan(kills=_some(25, scale), points=points), databases)


def _real_kills(home: Path, scale: float, databases: Mapping[str, str]) -> dict[str, Any]:
    points = kills.CHECKPOINTS[: _some(3, scale)]
    plan = kills.Plan(kills=_some(5, scale), a_round=3, points=points, worker=kills.REAL)
    return kills.measure(home, plan, databases)


def _migrations(home: Path, _scale: float, _databases: Mapping[str, str]) -> dict[str, Any]:
    return kills.migrations(home)


def _publishes(home: Path, scale: float, databases: Mapping[str, str]) -> dict[str, Any]:
    plan = publishes.Plan(publishes=_some(500, scale), kills=_some(10, scale))
    return publishes.measure(home, plan, databases)


def _same_request(home: Path, scale: float, databases: Mapping[str, str]) -> dict[str, Any]:
    return same_request.measure(home, _some(100, scale), databases)


def _many_runs(home: Path, scale: float, databases: Mapping[str, str]) -> dict[str, Any]:
    plan = many_runs.Plan(runs=_some(2_000, scale), stops=_some(6, scale), jumps=_some(40, scale))
    return many_runs.measure(home, plan, databases)


def _hostile(home: Path, scale: float, _databases: Mapping[str, str]) -> dict[str, Any]:
    return hostile.measure(home, hostile.Plan(seconds=max(1.0, 6.0 * scale)))


def _fuzz(home: Path, scale: float, _databases: Mapping[str, str]) -> dict[str, Any]:
    return fuzz.measure(home, fuzz.Plan(calls=_some(10_000, scale)))


PARTS: Mapping[str, Part] = {
    "kills": _kills,
    "real_kills": _real_kills,
    "migrations": _migrations,
    "publishes": _publishes,
    "same_request": _same_request,
    "many_runs": _many_runs,
    "hostile": _hostile,
    "fuzz": _fuzz,
}


def _some(most: int, scale: float) -> int:
    return max(1, round(most * scale))


def main() -> int:
    options = _options()
    broken = 0
    for name in options.only.split(","):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as home:
            found = PARTS[name](Path(home), options.scale, options.databases)
        about = {"origin": origin.now(quick=options.quick), "scale": options.scale}
        about |= {"took_s": time.monotonic() - began, "others_load": os.getloadavg()[0]}
        broken += len(found["problems"])
        print(name, json.dumps(about | found), flush=True)
        if not options.quick:
            content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"parts": {}}
            content["parts"][name] = about | found
            json_files.write(RESULTS, content)
            section.write(content)
    return int(broken > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the counts")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the counts; nothing is kept")
    parser.add_argument("--registry-database-url", default="")
    parser.add_argument("--trainer-database-url", default="")
    options = parser.parse_args()
    if options.quick:
        options.scale = _QUICK_SCALE
    urls = {"registry": options.registry_database_url, "trainer": options.trainer_database_url}
    options.databases = {name: url for name, url in urls.items() if url}
    if unknown := set(options.only.split(",")) - set(PARTS):
        parser.error(f"no such parts: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
