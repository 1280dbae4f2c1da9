"""How probabilities and flags came about, in sentences."""

from gnomon.report_page.markup import Html, section, tag
from gnomon.v1 import resources_pb2 as pb


def sentences(report: pb.EvaluationReport) -> list[str]:
    """Return what the report says of calibration, threshold, abstaining and service."""
    found = []
    if report.HasField("calibration"):
        found.append(_calibration(report.calibration))
    if report.HasField("threshold"):
        found.append(_threshold(report.threshold))
    if report.HasField("abstain"):
        found.append(_abstain(report.abstain))
    if report.HasField("service"):
        found.append(_service(report.service))
    return found


def decisions(report: pb.EvaluationReport) -> Html:
    return section("Calibration and threshold", *(tag("p", sentence) for sentence in sentences(report)))


def _calibration(found: pb.CalibrationReport) -> str:
    scaling = f"{found.method} scaling" if found.method else "nothing"
    return (
        f"Calibrated by {scaling} (temperature {found.temperature:.4g}), fitted on {found.rows} held-out "
        f"rows. Expected calibration error on the test set: {found.ece_before:.3f} before, "
        f"{found.ece_after:.3f} after."
    )


def _threshold(found: pb.ThresholdReport) -> str:
    if found.aim == "none":
        return "No class of the metric is flagged, so that there is no threshold."
    aim = found.aim.replace("_", " ").replace("f1", "F1")
    target = f" of {found.target:g}" if found.target else ""
    sentence = (
        f"A score is flagged from {found.value:.4g} on, chosen for {aim}{target} on {found.rows} rows of the "
        "training side."
    )
    if found.confidence:
        sentence += (
            f" Guaranteed with confidence {found.confidence:g} by {found.method.replace('_', ' ')}: "
            f"{found.errors} of {found.negatives} rows of no flagged class reach it."
        )
    return sentence


def _abstain(found: pb.AbstainReport) -> str:
    return (
        f"A score abstains from {found.low:.4g} up to {found.high:.4g}, so that at most {found.error_rate:g} "
        f"of either kind is decided wrongly, with confidence {found.confidence:g}: "
        f"{found.abstained_share:.1%} of the test rows abstain."
    )


def _service(found: pb.ServiceReport) -> str:
    asked = found.objective
    load = f"{asked.peak_qps or asked.average_qps:g} instances/s of {asked.input_tokens} tokens"
    if found.met:
        return f"{found.format} carries the service objective: {load} within {asked.p95_ms:g} ms (p95)."
    return f"No format carries the service objective ({load} within {asked.p95_ms:g} ms): {found.reason}"
