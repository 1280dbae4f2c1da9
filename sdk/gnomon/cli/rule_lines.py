"""Lines of an evaluation report: calibration, threshold, abstaining, the load to carry."""

from gnomon.v1 import resources_pb2 as pb

Line = tuple[str, object]


def lines(report: pb.EvaluationReport) -> list[Line]:
    """Return what a report says of how its evaluator decides, and of the load it was to carry."""
    found: list[Line] = [("calibration", _calibration(report)), ("threshold", _threshold(report.threshold))]
    if report.HasField("abstain"):
        found.append(("abstains", _abstain(report.abstain)))
    if report.HasField("service"):
        found.append(("load", _service(report.service)))
    return found


def _calibration(report: pb.EvaluationReport) -> str:
    calibration = report.calibration
    scaled = " and a scale and a bias a class" if calibration.scales else ""
    return (
        f"temperature {calibration.temperature:.3f}{scaled}, ECE {calibration.ece_before:.3f} before, "
        f"{calibration.ece_after:.3f} after"
    )


def _threshold(threshold: pb.ThresholdReport) -> str:
    aim = threshold.aim.replace("_", " ").replace("f1", "F1")
    if threshold.confidence:
        return (
            f"{threshold.value:.3f} for a {aim} of at most {threshold.target:g} with confidence "
            f"{threshold.confidence:g}, chosen on {threshold.negatives} negatives set aside, "
            f"{threshold.errors} of them flagged"
        )
    target = f" of at least {threshold.target:g}, {threshold.reached:.3f} reached" if threshold.target else ""
    return f"{threshold.value:.3f} for {aim}{target}, chosen on {threshold.rows} rows"


def _abstain(abstain: pb.AbstainReport) -> str:
    return (
        f"from {abstain.low:.3f} to {abstain.high:.3f}: of either kind at most {abstain.error_rate:g} is "
        f"decided wrongly, with confidence {abstain.confidence:g}; on the test set "
        f"{abstain.abstained_share:.1%} abstain, {abstain.false_positive_rate:.1%} of the unflagged kind and "
        f"{abstain.miss_rate:.1%} of the other are decided wrongly"
    )


def _service(service: pb.ServiceReport) -> str:
    if not service.met:
        return f"NOT MET: {service.reason}"
    chosen = next(entry for entry in service.formats if entry.format == service.format)
    return (
        f"{chosen.format} carries it: p95 {chosen.p95_ms:.4g} ms expected, {chosen.peak_utilization:.0%} of "
        f"its capacity of {chosen.capacity_per_second:.4g} instances/s"
    )
