"""Two evaluation reports side by side. Pure."""

from dataclasses import dataclass

from gnomon.v1 import resources_pb2 as pb


@dataclass(frozen=True, slots=True)
class MeasureComparison:
    """One measure of two reports, each with its 95 % interval; None where a report lacks it."""

    measure: str
    a_value: float | None
    a_low: float | None
    a_high: float | None
    b_value: float | None
    b_low: float | None
    b_high: float | None


Comparison = list[MeasureComparison]


def compare_reports(a: pb.EvaluationReport, b: pb.EvaluationReport) -> Comparison:
    """Return the measures of `a` in its order, then those that only `b` has."""
    of_a, of_b = ({m.key: (m.value, m.low, m.high) for m in report.measures} for report in (a, b))
    none = (None, None, None)
    return [MeasureComparison(key, *of_a.get(key, none), *of_b.get(key, none)) for key in {**of_a, **of_b}]
