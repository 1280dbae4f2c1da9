"""One reader in a process of its own, so that its memory is its alone. Prints one JSON object.

python -m benchmarks.traffic.child READER FILE TARGET
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gnomon import traffic

_MOST_NAIVE_BYTES = 8 * 1024**3
_RELEVANT = ("gen_ai.input.messages", "gen_ai.output.messages")


def naive(file: Path, target: Path) -> dict[str, int]:
    """What one writes in ten minutes: everything in memory, nothing filtered, nothing redacted."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_NAIVE_BYTES, _MOST_NAIVE_BYTES))
    requests = []
    broken = 0
    with file.open() as lines:
        for line in lines:
            try:
                requests.append(json.loads(line))
            except ValueError:
                broken += 1
    spans = [
        span
        for request in requests
        for of_resource in request["resourceSpans"]
        for of_scope in of_resource["scopeSpans"]
        for span in of_scope["spans"]
    ]
    rows = []
    for span in spans:
        held = {entry["key"]: entry["value"].get("stringValue") for entry in span["attributes"]}
        try:
            rows.append({key: json.loads(held[key]) for key in _RELEVANT if held.get(key)})
        except ValueError:
            broken += 1
    with target.open("w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
    return {"spans": len(spans), "rows": len(rows), "malformed": broken}


def imported(into: traffic.Into, processes: int) -> Callable[[Path, Path], dict[str, int]]:
    def run(file: Path, target: Path) -> dict[str, int]:
        tally = traffic.read(file, into=into, processes=processes).write(target)
        redacted, malformed = tally.redacted.total(), tally.malformed.total()
        return {"spans": tally.spans, "rows": tally.rows, "malformed": malformed, "redacted": redacted}

    return run


READERS: Mapping[str, Callable[[Path, Path], dict[str, int]]] = {
    "spans": imported("spans", 1),
    "spans, 2 processes": imported("spans", 2),
    "traces, 2 processes": imported("traces", 2),
    "sessions, 2 processes": imported("sessions", 2),
    "naive": naive,
}


def _measured(reader: str, file: Path, target: Path) -> dict[str, Any]:
    processes = 2 if "2 processes" in reader else 0
    began = time.monotonic()
    counts = READERS[reader](file, target)
    seconds = time.monotonic() - began
    spent = os.times()
    own, children = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return counts | {
        "seconds": seconds,
        "processor_seconds": spent.user + spent.system + spent.children_user + spent.children_system,
        "peak_memory_mib": (own + processes * children) / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
