"""Scores through a real Triton server beside those that the scorer's own engine gives in this process."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.bundle import parse_evaluator
from gnomon.decision import Decision, decide
from gnomon.errors import GnomonError
from gnomon.instances import Instance
from gnomon.rendering import render
from gnomon.tokenizing import JsonTokenizer
from gnomon.windows import reduce
from gnomon_scorer.adapters.onnx_runtime import OnnxBackend


@dataclass(frozen=True, slots=True)
class Parity:
    """`difference`: the largest of any probability. `label_changes`: scores of another label or flag."""

    scores: int
    difference: float
    label_changes: int


def in_process(bundle: Path, instances: Sequence[Instance]) -> list[Decision]:
    """Score instances one window at a time, as the scorer does."""
    evaluator = parse_evaluator((bundle / "evaluator.json").read_bytes())
    tokenizer = JsonTokenizer.read((bundle / "tokenizer.json").read_text(encoding="utf-8"))
    backend = OnnxBackend(bundle / "model.onnx")
    flagged = [evaluator.classes.index(label) for label in evaluator.flagged_classes]
    reducer = evaluator.windows.reducer if evaluator.windows else ""
    texts = [render(instance, evaluator.template, evaluator.step) for instance in instances]
    scores = []
    for reading in tokenizer.encode_windows(texts, evaluator.max_tokens, evaluator.windows):
        logits = [backend.run([window])[0] for window in reading.windows]
        scores.append(decide(evaluator, reduce(logits, reducer, flagged).logits))
    return scores


def compare(expected: Sequence[Decision], found: Sequence[Decision | GnomonError]) -> Parity:
    """Hold scores against each other.

    Raises:
        GnomonError: one of them is none.
    """
    difference, changes = 0.0, 0
    for before, after in zip(expected, found, strict=True):
        if isinstance(after, GnomonError):
            raise after
        shifts = (abs(a - b) for a, b in zip(before.probabilities, after.probabilities, strict=True))
        difference = max(difference, *shifts)
        changes += (before.label, before.flagged) != (after.label, after.flagged)
    return Parity(len(expected), difference, changes)


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file, to see that nothing was changed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
