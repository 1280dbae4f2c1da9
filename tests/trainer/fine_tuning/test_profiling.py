"""How fast a format is said to be."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.profiling import LatencyProfiler, machine
from gnomon_trainer.adapters.fine_tuning.scoring import Logits, one_by_one
from gnomon_trainer.domain.training import RunCancelledError

LIKE = Tokens([101, 7, 8, 9, 102], [0] * 5)


class Clocked:
    """An evaluator whose calls take a millisecond a token of the row, and one more, on its own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lengths: set[tuple[int, int]] = set()

    def clock(self) -> float:
        return self.now

    def logits(self, rows: Sequence[Tokens]) -> Logits:
        self.lengths.add((len(rows), len(rows[0])))
        self.now += (len(rows) * len(rows[0]) + 1) / 1_000
        return np.zeros((len(rows), 2), dtype=np.float32)

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
        return one_by_one(self.logits, rows, threads, pause)


def test_each_length_is_measured_alone_and_in_the_batch_that_does_most() -> None:
    evaluator = Clocked()
    points = LatencyProfiler(0.25, evaluator.clock).profile(evaluator, LIKE, 512, 1, lambda: None)
    assert [point.tokens for point in points] == [32, 128, 512]
    assert [point.alone_p50_ms for point in points] == [33, 129, 513]
    assert [point.alone_p99_ms for point in points] == [33, 129, 513]
    assert [point.capacity_batch for point in points] == [16, 16, 4]  # 16 × 512 tokens would be too many
    assert points[0].capacity_per_second == pytest.approx(16 / 0.513, rel=1e-3)


@pytest.mark.parametrize(("max_tokens", "lengths"), [(512, [32, 128, 512]), (100, [32, 100]), (16, [16])])
def test_lengths_are_cut_at_what_the_evaluator_reads_and_none_comes_twice(
    max_tokens: int, lengths: list[int]
) -> None:
    evaluator = Clocked()
    points = LatencyProfiler(0.0, evaluator.clock).profile(evaluator, LIKE, max_tokens, 2, lambda: None)
    assert [point.tokens for point in points] == lengths
    assert {length for _, length in evaluator.lengths} == set(lengths)


def test_measuring_can_be_cancelled_between_two_figures() -> None:
    def pause() -> None:
        if evaluator.lengths:
            raise RunCancelledError

    evaluator = Clocked()
    with pytest.raises(RunCancelledError):
        LatencyProfiler(0.0, evaluator.clock).profile(evaluator, LIKE, 512, 1, pause)
    assert evaluator.lengths == {(1, 32)}


def test_the_machine_is_told_with_its_cores_and_the_runtime() -> None:
    told = machine("onnxruntime", 1)
    assert "1 of " in told
    assert "onnxruntime 1." in told
