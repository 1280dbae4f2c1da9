"""What `gnomon demo` says at the end. Every figure is of this run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from gnomon.bundle import ONNX_FP32
from gnomon.cli import report, view
from gnomon.cli.output import grid, table
from gnomon.errors import InternalError
from gnomon.v1 import resources_pb2 as pb

_BASELINE = "tfidf_logistic_regression"


@dataclass(frozen=True)
class Result:
    """The run, a few rows with their scores, and the milliseconds of every measured call."""

    run: pb.Run
    spans: Sequence[tuple[dict[str, Any], pb.Score]]
    latencies_ms: Sequence[float]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as one flat JSON object."""
        found = self.run.report
        macro_f1 = _needed(found.measures, "macro_f1")
        baseline = report.baseline(found, _BASELINE)
        fp32 = next((entry for entry in found.formats if entry.format == ONNX_FP32), pb.FormatReport())
        return {
            "metric_version": self.run.metric_version,
            "test_rows": found.test_rows,
            "training_rows": found.training_rows,
            "baseline_macro_f1": _needed(baseline.measures if baseline else (), "macro_f1").value,
            "macro_f1": macro_f1.value,
            "macro_f1_low": macro_f1.low,
            "macro_f1_high": macro_f1.high,
            "ece": found.calibration.ece_after,
            "ece_uncalibrated": found.calibration.ece_before,
            "temperature": found.calibration.temperature,
            "threshold": found.threshold.value,
            "export_max_logit_difference": _needed(fp32.measures, "max_logit_difference").value,
            "score_calls": len(self.latencies_ms),
            "score_p50_ms": round(percentile(self.latencies_ms, 50), 3),
            "score_p99_ms": round(percentile(self.latencies_ms, 99), 3),
            "seconds": round(self.seconds, 1),
        }


def _needed(measures: Iterable[pb.Measure], key: str) -> pb.Measure:
    measure = report.find(measures, key)
    if measure is None:
        raise InternalError(f"The run's report lacks {key}.")
    return measure


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def rendered(result: Result) -> RenderableType:
    """Return the summary for people."""
    figures = result.as_dict()
    lines = [
        (
            "calibration",
            f"temperature {figures['temperature']:.2f}: ECE {figures['ece_uncalibrated']:.3f} before, "
            f"{figures['ece']:.3f} after",
        ),
        ("threshold", f"{figures['threshold']:.3f}"),
        (
            "export",
            f"logits differ by at most {figures['export_max_logit_difference']:.1e} from the trained model",
        ),
        (
            "latency",
            f"p50 {figures['score_p50_ms']:.1f} ms, p99 {figures['score_p99_ms']:.1f} ms, over "
            f"{figures['score_calls']} single calls one after the other",
        ),
        ("all in all", view.duration(result.seconds)),
    ]
    columns = {
        "input → output": lambda entry: (
            f"{view.shortened(entry[0]['input'], 60)} → {view.shortened(entry[0]['output'], 90)}"
        ),
        "people": lambda entry: str(entry[0]["label"]).lower(),
        "evaluator": lambda entry: entry[1].label,
        "probability": lambda entry: f"{view.probability(entry[1]):.3f}",
    }
    warnings = [Text(f"Note: {warning}") for warning in result.run.report.warnings]
    return Group(
        Text(f"Registered and served {result.run.metric_version}.", style="bold"),
        report.results(result.run.report),
        grid(lines),
        table(result.spans, columns, "A few rows of the test set, scored over gRPC"),
        *warnings,
        Text("On your own data: gnomon up, then see README.md."),
    )
