"""What an evaluation report says of calibration, abstaining and the service objective. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gnomon.bundle import Evaluator
from gnomon.decision import Decision
from gnomon_trainer.domain.decision_rules import DecisionRule, cautions
from gnomon_trainer.domain.service_objective import ServiceObjective, assess


def with_rule(
    report: Mapping[str, Any], rule: DecisionRule, scores: Sequence[Decision], positive: Sequence[bool]
) -> dict[str, Any]:
    """Return a `gnomon.v1.EvaluationReport` with how the evaluator decides.

    `scores` are of the test rows; `positive`: whether their true classes are
    flagged ones.
    """
    calibration = {
        "scales": list(rule.calibration.scales),
        "biases": list(rule.calibration.biases),
        "log_losses": rule.log_losses,
    }
    return {
        **report,
        "calibration": {**report["calibration"], **calibration},
        "warnings": [*report["warnings"], *cautions(rule)],
        **({"abstain": _abstain(rule, scores, positive)} if rule.abstain_band else {}),
    }


def with_service(
    report: Mapping[str, Any], objective: ServiceObjective | None, evaluator: Evaluator, cores: int
) -> dict[str, Any]:
    """Return the report with whether the objective is met, and a warning if it is not."""
    if objective is None:
        return dict(report)
    service = assess(
        objective,
        [entry for entry in report["formats"] if entry["passed"]],
        cores,
        max_tokens=evaluator.max_tokens,
        windows=evaluator.windows,
    )
    missed = [] if service["met"] else [service["reason"]]
    return {**report, "service": service, "warnings": [*report["warnings"], *missed]}


def _abstain(rule: DecisionRule, scores: Sequence[Decision], positive: Sequence[bool]) -> dict[str, Any]:
    """Return a `gnomon.v1.AbstainReport`; shares of nothing are 0."""
    assert rule.abstain_band is not None
    decided = [
        (score.flagged, true) for score, true in zip(scores, positive, strict=True) if not score.abstained
    ]
    found = sum(map(bool, positive))
    wrong = sum(flagged and not true for flagged, true in decided)
    missed = sum(true and not flagged for flagged, true in decided)
    return asdict(rule.abstain_band) | {
        "abstained_share": 1 - len(decided) / max(1, len(scores)),
        "false_positive_rate": wrong / max(1, len(scores) - found),
        "miss_rate": missed / max(1, found),
    }
