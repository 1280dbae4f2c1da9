"""What each format costs in quality: macro-F1 on the labelled test rows, label changes on the mixed texts."""

from typing import Any

from benchmarks.scorer import evaluators
from benchmarks.scorer.bench import Bench

from gnomon.bundle import ONNX_FP32
from gnomon.decision import decide


def quality(bench: Bench, formats: list[str]) -> dict[str, Any]:
    """Return the figures of each format; `macro_f1_drop` is fp32's less its own, from 0 to 1."""
    evaluator, rows = evaluators.read(bench.source), evaluators.test_rows()
    pairs = [[row["input"], row["output"]] for row in rows]
    mixed = [[text] for text in bench.texts[: 50 if bench.quick else 400]]
    truth = [str(row["label"]).lower() for row in rows]

    def labels(name: str, texts: list[list[str]], most: int) -> list[str]:
        logits = bench.raw(name).ask("logits", texts=texts, max_tokens=most)
        return [decide(evaluator, row).label for row in logits]

    def both(name: str) -> tuple[list[str], list[str]]:
        return labels(name, pairs, evaluator.max_tokens), labels(name, mixed, evaluators.MAX_TOKENS)

    found = {name: both(name) for name in formats}
    reference, mixed_reference = found[ONNX_FP32]
    return {
        name: {
            "macro_f1": macro_f1(truth, own),
            "macro_f1_drop": macro_f1(truth, reference) - macro_f1(truth, own),
            "test_rows": len(rows),
            "labels_changed_of_mixed": sum(a != b for a, b in zip(of_mixed, mixed_reference, strict=True)),
            "mixed": len(mixed),
        }
        for name, (own, of_mixed) in found.items()
    }


def macro_f1(truth: list[str], found: list[str]) -> float:
    """Return the mean over the classes of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for label in sorted(set(truth)):
        right = sum(t == label == f for t, f in zip(truth, found, strict=True))
        scores.append(2 * right / (truth.count(label) + found.count(label)))
    return sum(scores) / len(scores)
