"""Long rows are learned from in all their windows, put together as they are in serving."""

import functools
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.instances import text_span
from gnomon.tokens import Tokens
from gnomon.windows import reduce
from gnomon_trainer.adapters.fine_tuning import judging, shown
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.judging import Reduce
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network
from gnomon_trainer.domain.training import Row, TrainingPlan
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_resuming import KilledError

ON_CPU = Compute("cpu", "fp32", 1)
LONG = [Tokens([2, word, word + 1, 3], [0] * 4) for word in (5, 9, 12, 20)]
SHORT = [Tokens([2, 7, 3], [0] * 3)]

highest: Reduce = functools.partial(reduce, reducer="max", flagged=[1])
mean: Reduce = functools.partial(reduce, reducer="mean", flagged=[])


def network_of(base_model: Path) -> EvaluatorNetwork:
    network = load_network(base_model, 2).train()
    torch.manual_seed(3)
    nn.init.normal_(network.head.weight)
    return network


def one_each(network: EvaluatorNetwork, reducing: Reduce | None, key: str = "0:1") -> list[Tokens]:
    return shown.windows(network, [LONG, SHORT], reduce=reducing, key=key, compute=ON_CPU)


# ------------------------------------------------------------------ what a row shows


def test_where_one_window_decides_a_row_shows_that_one(base_model: Path) -> None:
    network = network_of(base_model)
    logits = judging.logits_of_windows(network, LONG, ON_CPU, lambda: None)
    surest = LONG[int((logits[:, 1] - logits[:, 0]).argmax())]
    network.train()
    assert one_each(network, highest) == [surest, SHORT[0]]
    assert network.training


def test_where_all_windows_count_a_row_shows_each_as_likely(base_model: Path) -> None:
    network = network_of(base_model)
    seen = [one_each(network, None, f"0:{step}") for step in range(400)]
    times = Counter(LONG.index(window) for window, _ in seen)
    assert sorted(times) == [0, 1, 2, 3]
    assert all(60 < count < 140 for count in times.values())
    assert seen[7] == one_each(network, None, "0:7")


# ------------------------------------------------------------- how a row is judged


def test_the_vector_of_several_windows_is_the_mean_of_theirs(base_model: Path) -> None:
    network = network_of(base_model)
    labels = np.array([0, 1, 0])
    found = judging.pooled(network, Examples([SHORT, LONG, SHORT], labels), ON_CPU, lambda: None)
    every = judging.pooled(
        network, Examples([[window] for window in LONG], np.zeros(4, dtype=np.int64)), ON_CPU, lambda: None
    )
    np.testing.assert_allclose(found[1], every.mean(0), atol=1e-6)
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("reducing", [highest, mean], ids=["max", "mean"])
def test_held_out_rows_are_judged_by_what_would_be_served(base_model: Path, reducing: Reduce) -> None:
    network = network_of(base_model)
    every = Examples([LONG, SHORT], np.array([0, 1]))
    found = judging.logits_of(network, every, reducing, ON_CPU, lambda: None)
    windows = judging.logits_of_windows(network, LONG, ON_CPU, lambda: None)
    np.testing.assert_allclose(found[0], reducing(windows.tolist()).logits, atol=1e-6)
    alone = judging.logits_of_windows(network, SHORT, ON_CPU, lambda: None)
    np.testing.assert_allclose(found[1], alone[0], atol=1e-6)


# ------------------------------------------------------------------------ trainings


def far_words(count: int, seed: int) -> list[Row]:
    """Rows whose first window says nothing: the word that decides comes later, anywhere."""
    random_ = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        gloomy = random_.random() < 0.5
        words = random_.choices(tiny.FILLERS, k=random_.randint(22, 34))
        for _ in range(3):
            words[random_.randint(12, len(words) - 1)] = random_.choice(tiny.BAD if gloomy else tiny.GOOD)
        rows.append(Row(number, text_span(input=" ".join(words), output="w1"), str(gloomy).lower()))
    return rows


def far_plan(reducer: str, rows: int = 240, **parameters: float) -> TrainingPlan:
    what = tiny.plan(max_tokens=16, window_stride=8, max_windows=8, window_reducer=reducer, **parameters)  # type: ignore[arg-type]
    what.training_rows[:] = far_words(rows, 1)  # type: ignore[index]
    what.test_rows[:] = far_words(rows // 2, 2)  # type: ignore[index]
    return what


@pytest.mark.slow
@pytest.mark.parametrize("reducer", ["max", "mean"])
def test_what_no_first_window_shows_is_learned(base_model: Path, tmp_path: Path, reducer: str) -> None:
    trained = tiny.train(base_model, tmp_path, far_plan(reducer, epochs=3), interval_s=60.0)
    found = {measure["key"]: measure["value"] for measure in trained.report["measures"]}
    assert found["auroc"] > 0.9


def test_logits_that_are_no_numbers_are_none_of_the_row_either(base_model: Path) -> None:
    network = network_of(base_model)
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    found = judging.logits_of(network, Examples([LONG, SHORT], np.array([0, 1])), mean, ON_CPU, lambda: None)
    assert np.isnan(found).all()
    assert [window in LONG for window in one_each(network, highest)] == [True, False]


@pytest.mark.slow
def test_a_warm_up_and_a_second_pass_over_all_rows_learn_from_windows_too(
    base_model: Path, tmp_path: Path
) -> None:
    what = far_plan("max", epochs=4, contrastive_epochs=4)
    what = replace(what, parameters=replace(what.parameters, final_rows="all", evaluations_per_epoch=0))
    trained = tiny.train(base_model, tmp_path, what, interval_s=60.0)
    found = {measure["key"]: measure["value"] for measure in trained.report["measures"]}
    assert found["auroc"] > 0.9


class KilledAtStep(tiny.Recorder):
    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        super().progress(step, total_steps, remaining_s)
        if step == 4:
            raise KilledError


@pytest.mark.slow
@pytest.mark.parametrize("reducer", ["max", "mean"])
def test_a_killed_training_on_windows_ends_with_the_same_bits(
    base_model: Path, tmp_path: Path, reducer: str
) -> None:
    what = far_plan(reducer, rows=64, epochs=1, evaluations_per_epoch=1)
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path / "killed", what, KilledAtStep())
    resumed = tiny.train(base_model, tmp_path / "killed", what)
    whole = tiny.train(base_model, tmp_path / "whole", what)
    assert (resumed.bundle_folder / "model.onnx").read_bytes() == (
        whole.bundle_folder / "model.onnx"
    ).read_bytes()
