"""How a report tells people what its evaluator promises."""

from gnomon.cli import rule_lines
from gnomon.v1 import resources_pb2 as pb


def _report(**fields: object) -> pb.EvaluationReport:
    calibration = pb.CalibrationReport(method="temperature", temperature=1.5)
    return pb.EvaluationReport(**({"calibration": calibration} | fields))  # type: ignore[arg-type]


def _said(report: pb.EvaluationReport) -> dict[str, str]:
    return {key: str(text) for key, text in rule_lines.lines(report)}


def test_an_estimate_is_told_apart_from_a_guarantee() -> None:
    estimated = pb.ThresholdReport(value=0.4, aim="recall", rows=90, target=0.9, reached=0.93)
    guaranteed = pb.ThresholdReport(
        value=0.7, aim="false_positive_rate", target=0.05, confidence=0.9, negatives=120, errors=2
    )
    assert _said(_report(threshold=estimated))["threshold"] == (
        "0.400 for recall of at least 0.9, 0.930 reached, chosen on 90 rows"
    )
    assert _said(_report(threshold=guaranteed))["threshold"] == (
        "0.700 for a false positive rate of at most 0.05 with confidence 0.9, chosen on 120 negatives set "
        "aside, 2 of them flagged"
    )


def test_scales_and_abstaining_are_told_where_there_are_any() -> None:
    calibration = pb.CalibrationReport(method="vector", temperature=1.5, scales=[1, 2], biases=[0, 0])
    abstain = pb.AbstainReport(low=0.2, high=0.6, error_rate=0.05, confidence=0.9, abstained_share=0.25)
    said = _said(_report(calibration=calibration, abstain=abstain))
    assert "a scale and a bias a class" in said["calibration"]
    assert said["abstains"].startswith("from 0.200 to 0.600")
    assert "25.0% abstain" in said["abstains"]
    assert "abstains" not in _said(_report())


def test_a_load_is_told_with_the_format_that_carries_it_or_with_the_reason() -> None:
    entry = pb.FormatService(format="onnx-fp32", p95_ms=12, capacity_per_second=100, peak_utilization=0.5)
    met = pb.ServiceReport(met=True, format="onnx-fp32", formats=[entry])
    missed = pb.ServiceReport(reason="No format carries it.")
    assert _said(_report(service=met))["load"] == (
        "onnx-fp32 carries it: p95 12 ms expected, 50% of its capacity of 100 instances/s"
    )
    assert _said(_report(service=missed))["load"] == "NOT MET: No format carries it."
