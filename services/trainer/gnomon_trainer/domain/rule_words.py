"""Threshold, abstaining and service objective in words for people. Pure."""

from collections.abc import Mapping
from typing import Any

from gnomon.bundle import AbstainBand, Threshold
from gnomon_trainer.domain.thresholds import FALSE_POSITIVE_RATE

_AIMS = {"best_f1": "the best F1 of the flagged classes"}
_METHOD = (
    "an exact one-sided binomial bound by order statistics (Wilks 1941; Tong, Feng and Li 2018), on rows "
    "that no part of the training saw. It holds for instances like these rows, in every published format."
)


def threshold(chosen: Threshold) -> str:
    """Return where a score is flagged, what for, and how sure that is."""
    if chosen.aim == "none":
        return "The metric flags no class, so that there is no threshold."
    flagged = f"A score is flagged when the flagged classes together reach {chosen.value:.4g}"
    if chosen.aim == FALSE_POSITIVE_RATE:
        return (
            f"{flagged}. With confidence {chosen.confidence:g}, at most {chosen.target:g} of the instances "
            f"of no flagged class are flagged; of {chosen.negatives} such rows set aside, {chosen.errors} "
            f"are. The method: {_METHOD}"
        )
    if not chosen.positives:
        return (
            f"{flagged}, which was not chosen: none of {chosen.rows} held-out rows of the training set is of "
            "a flagged class."
        )
    aim = _AIMS.get(chosen.aim, f"a {chosen.aim} of at least {chosen.target:g}")
    return (
        f"{flagged}, chosen for {aim} on {chosen.rows} held-out rows of the training set, "
        f"{chosen.positives} of them of a flagged class, where it reaches {chosen.reached:.3f}: an estimate, "
        "no guarantee."
    )


def abstaining(band: AbstainBand, measured: Mapping[str, Any]) -> str:
    """Return where a score abstains and what is guaranteed of the others; `measured` on the test set."""
    return (
        f"A score abstains when they reach {band.low:.4g} and stay below {band.high:.4g}. With confidence "
        f"{band.confidence:g}, of the instances of no flagged class at most {band.error_rate:g} are flagged "
        f"without abstaining, and of the others at most {band.error_rate:g} are not flagged without "
        f"abstaining: so at most {band.error_rate:g} of any mix of them is decided wrongly. That is no bound "
        "on the share of errors among the flagged ones, which hangs on how rare they are. Chosen on "
        f"{band.negatives} and {band.positives} rows set aside, by the method of a guaranteed threshold: "
        f"{_METHOD} On the test set {measured['abstained_share']:.1%} abstain, "
        f"{measured['false_positive_rate']:.1%} of the one kind and {measured['miss_rate']:.1%} of the other "
        "are decided wrongly."
    )


def service(report: Mapping[str, Any]) -> str:
    """Return what was asked and which format carries it, of a `gnomon.v1.ServiceReport`."""
    asked = report["objective"]
    load = asked["peak_qps"] or asked["average_qps"]
    verdict = f"`{report['format']}` carries it with the least loss of F1." if report["met"] else ""
    return (
        f"Asked for: {load:g} instances/s of {asked['input_tokens']} tokens at the peak, 95 of 100 within "
        f"{asked['p95_ms']:g} ms. {verdict or report['reason']} Expected from the latency profile above, on "
        "that machine: the p99 alone plus the wait in an M/M/c queue."
    )
