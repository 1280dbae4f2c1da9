"""Whether a score depends on its neighbours: alone, then in requests of 32 in ten orders; over the wire.

The scorer measures nothing here and takes batches as they come: where it finds that one
text a call is fastest, there would be nothing to see.
"""

import random
from typing import Any

from benchmarks.scorer import evaluators
from benchmarks.scorer.bench import Bench, Outcome

from gnomon.bundle import ONNX_FP32, OPENVINO_FP32
from gnomon.errors import VersionUnloadableError

FP32_BAND = 1e-4
_BANDS = {ONNX_FP32: FP32_BAND, OPENVINO_FP32: FP32_BAND}
_BAND = 2e-3
_GROUP = 32


def run(bench: Bench) -> Outcome:
    details = {name: _measure(bench, name) for name in bench.formats}
    bench.site.restart()
    bench.site.wait_until_scored(bench.version)
    return Outcome({}, details)


def _measure(bench: Bench, format_name: str) -> dict[str, Any]:
    metric = f"only-{format_name}"
    evaluator = bench.evaluator
    folder = evaluators.cut(bench.source, bench.work / metric, metric, (format_name,))
    version = bench.site.publish(metric, folder, evaluator.classes, evaluator.flagged_classes)
    bench.site.restart({"GNOMON_SCORER_FORMAT": format_name, "GNOMON_SCORER_TUNING_S": "0"})
    try:
        bench.site.wait_until_scored(version)
    except VersionUnloadableError as error:
        return {"failed": error.message}
    count = 64 if bench.quick else 320
    target = bench.target(version=version)
    loaded = bench.site.loaded()[version]
    alone = bench.caller().ask("scores", target=target, groups=[[i] for i in range(count)], callers=1)
    reference = [group[0] for group in alone]
    worst, changed, outside = 0.0, 0, 0
    for order in range(2 if bench.quick else 10):
        indices = list(range(count))
        random.Random(order).shuffle(indices)
        groups = [indices[first : first + _GROUP] for first in range(0, count, _GROUP)]
        answers = bench.caller().ask("scores", target=target, groups=groups, callers=2)
        for group, scores in zip(groups, answers, strict=True):
            for index, score in zip(group, scores, strict=True):
                worst = max(worst, _difference(reference[index], score))
                if score["label"] != reference[index]["label"]:
                    changed += 1
                    outside += _is_outside(reference[index], evaluator, _BANDS.get(format_name, _BAND))
    return {
        "largest_probability_change": worst,
        "allowed": _BANDS.get(format_name, _BAND),
        "labels_changed": changed,
        "labels_changed_outside_the_band": outside,
        "texts": count,
        "format": loaded.format,
        "batch_tokens": loaded.tuning.chosen.batch_tokens,
    }


def _difference(a: dict[str, Any], b: dict[str, Any]) -> float:
    return max(abs(float(x) - float(y)) for x, y in zip(a["p"], b["p"], strict=True))


def _is_outside(score: dict[str, Any], evaluator: Any, band: float) -> bool:
    pairs = zip(evaluator.classes, score["p"], strict=True)
    finding = sum(p for label, p in pairs if label in evaluator.flagged_classes)
    return bool(abs(finding - evaluator.threshold.value) > band)
