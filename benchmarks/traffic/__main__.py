"""How fast exported traces are imported, and in how much memory, beside a naive reader.

    python -m benchmarks.traffic [--spans 100000,1000000] [--only "spans;naive"] [--quick]

Files of OTLP JSON are made in a temporary folder: traces of five spans, of
which some name persons, and one span in a thousand and one line in five hundred
are broken. Every reader runs in a process of its own. Figures go to
benchmarks/results/traffic.json and into benchmarks/RESULTS.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import json_files
from benchmarks.quality import origin
from benchmarks.traffic import made, section
from benchmarks.traffic.child import READERS

RESULTS = Path(__file__).parent.parent / "results" / "traffic.json"
SPANS, QUICK_SPANS = (100_000, 1_000_000), (5_000,)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traffic", description=__doc__)
    parser.add_argument("--spans", type=_numbers, default=SPANS)
    parser.add_argument("--only", type=lambda text: text.split(";"), default=list(READERS), metavar="A;B")
    parser.add_argument("--quick", action="store_true", help="few spans; nothing is kept")
    options = parser.parse_args()
    content: dict[str, Any] = {"origin": origin.now(quick=options.quick), "files": []}
    for spans in QUICK_SPANS if options.quick else options.spans:
        with tempfile.TemporaryDirectory(prefix="gnomon-traffic-bench-") as folder:
            content["files"].append(_measured(Path(folder), spans, options.only))
    if options.quick:
        print(section.rendered(content))
    else:
        json_files.write(RESULTS, content)
        section.write(content)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _measured(folder: Path, spans: int, readers: list[str]) -> dict[str, Any]:
    file = folder / "traces.jsonl"
    there = made.write(file, spans)
    broken = there.broken.total()
    print(f"{there.spans} sound spans, {broken} broken, {there.size_bytes >> 20} MiB", flush=True)
    found: dict[str, Any] = {}
    for reader in readers:
        found[reader] = _of_child(reader, file, folder / "rows.jsonl")
        print(f"  {reader}: {json.dumps(found[reader])}", flush=True)
    return {"spans": there.spans, "broken": broken, "size_bytes": there.size_bytes, "readers": found}


def _of_child(reader: str, file: Path, target: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.traffic.child", reader, str(file), str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        what = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return {"failed": "out of 8 GiB of memory" if what.startswith("MemoryError") else what[:200]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
