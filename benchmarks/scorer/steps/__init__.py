"""The steps, in the order in which they are run."""

from collections.abc import Callable

from benchmarks.scorer.bench import Bench, Outcome
from benchmarks.scorer.steps import (
    added,
    bulk,
    cancelling,
    invariance,
    latency,
    overload,
    rolling,
    soak,
    swaps,
    throughput,
)

STEPS: dict[str, Callable[[Bench], Outcome]] = {
    "throughput": throughput.run,
    "added": added.run,
    "latency": latency.run,
    "overload": overload.run,
    "bulk": bulk.run,
    "invariance": invariance.run,
    "cancelling": cancelling.run,
    "swaps": swaps.run,
    "rolling": rolling.run,
    "soak": soak.run,
}
