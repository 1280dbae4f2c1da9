"""Parameters that a run left to its rows, and what they became in its training. Pure.

They are settled after the run has begun, so the run itself has them as they
were asked for; what was used in the end is read from its report.
"""

from collections.abc import Mapping
from typing import Any

from gnomon_trainer.domain.training import TrainingPlan

ORIGIN = "data"
REPORTED = "settled_parameters"  # the report's field

NAMES = ("pooling", "layers", "window_reducer")


def with_settled(report: dict[str, Any], plan: TrainingPlan) -> dict[str, Any]:
    """Return a report with what the rows settled; as it is if that was nothing."""
    settled = [
        {"key": name, "value": str(getattr(plan.parameters, name)), "origin": ORIGIN}
        for name in NAMES
        if plan.origins.get(name) == ORIGIN
    ]
    return report | {REPORTED: settled} if settled else report


def found(report: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return the parameters that a run's rows settled, from its report; empty if none."""
    return {entry["key"]: entry["value"] for entry in (report or {}).get(REPORTED, ())}
