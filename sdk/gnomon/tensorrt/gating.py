"""The gate of an engine: the fp32 reference, on the processor, is what it is held against."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gnomon import examples
from gnomon.arrays import filled
from gnomon.bundle import Evaluator
from gnomon.decision import decide
from gnomon.optional import required
from gnomon.parity import FP32_LIMITS, changes, excess, reduced_limits
from gnomon.rendering import Rendered
from gnomon.tensorrt.ports import Runner
from gnomon.tokens import Tokens

MOST_ROWS = 256
Logits = list[list[float]]


@dataclass(frozen=True, slots=True)
class GateReport:
    """How an engine compares on so many sample rows; `reason`: why it is refused, empty if it is not."""

    measures: dict[str, float]
    rows: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def packaged_samples(most: int) -> list[Rendered]:
    """Return texts of the packaged examples, short and long: every second one is twenty times itself."""
    files = (example.test_set for example in examples.list_examples())
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    texts = [" ".join(str(row[key]) for key in ("input", "output") if row.get(key)) for row in rows[:most]]
    return [Rendered(text if number % 2 else text * 20) for number, text in enumerate(texts)]


def check(
    evaluator: Evaluator,
    reference: Logits,
    runner: Runner,
    rows: Sequence[Tokens],
    together: int,
    *,
    exact: bool,
) -> GateReport:
    """Compare an engine with the reference's logits of the same rows.

    Every row goes alone, and then in batches of `together` with others, in two
    orders. An `exact` engine is held to the limits of fp32.
    """
    alone = [runner.logits([row])[0] for row in rows]
    if not all(math.isfinite(logit) for row in alone for logit in row):
        return GateReport({}, len(rows), "some of its logits are no numbers")
    before, after = ([decide(evaluator, row) for row in logits] for logits in (reference, alone))
    company = 0.0
    for order in (list(range(len(rows))), list(reversed(range(len(rows))))):
        for start in range(0, len(order), together):
            some = order[start : start + together]
            found = [decide(evaluator, row) for row in runner.logits([rows[i] for i in some])]
            company = max(company, changes([after[i] for i in some], found)["max_probability_change"])
    differences = (
        abs(a - b) for x, y in zip(reference, alone, strict=True) for a, b in zip(x, y, strict=True)
    )
    measures = {
        "max_logit_difference": max(differences),
        **changes(before, after),
        "batch_invariance_difference": company,
    }
    limits = FP32_LIMITS if exact else reduced_limits(len(rows))
    return GateReport(measures, len(rows), excess(measures, limits))


def reference_logits(model: Path, rows: Sequence[Tokens]) -> Logits:
    """Return what the fp32 reference says of rows, each alone, by ONNX Runtime on the processor.

    Raises:
        InvalidRequestError: ONNX Runtime or NumPy is not installed.
    """
    onnxruntime = required("onnxruntime", "The gate of an engine", "pip install onnxruntime")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    types = {entry.name: entry.type.removeprefix("tensor(").rstrip(")") for entry in session.get_inputs()}
    output = session.get_outputs()[0].name
    return [
        session.run([output], {name: filled(name, [row], len(row), dtype) for name, dtype in types.items()})[
            0
        ][0].tolist()
        for row in rows
    ]
