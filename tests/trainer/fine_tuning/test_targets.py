"""What is learned of rows whose label is shared out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from gnomon.tokens import Tokens
from gnomon.windows import Reduced
from gnomon_trainer.adapters.fine_tuning import probe, publishing
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.checkpoints import Checkpoints
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.network import load_network
from gnomon_trainer.adapters.fine_tuning.optimizing import FineTuning
from gnomon_trainer.adapters.fine_tuning.targets import targets
from gnomon_trainer.domain.soft_labels import COLUMN
from gnomon_trainer.domain.training import Row, TrainingPlan
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_recipe_parameters import learn


def shared(row: Row, shares: Mapping[str, float]) -> Row:
    return replace(row, extra={COLUMN: dict(shares)})


def with_shares(plan: TrainingPlan, sure: float) -> TrainingPlan:
    """Give every row its own label with a share of `sure`."""
    other = {"true": "false", "false": "true"}
    rows = [shared(row, {row.label: sure, other[row.label]: 1 - sure}) for row in plan.training_rows]
    return replace(plan, training_rows=rows)


def test_rows_have_their_shares_or_all_on_their_label() -> None:
    rows = tiny.categorical_rows(3, seed=1)
    assert targets(rows, tiny.CATEGORICAL) is None
    rows[1] = shared(rows[1], {"mixed": 0.3, "bad": 0.7005})
    found = targets(rows, tiny.CATEGORICAL)
    assert found is not None
    assert found.shape == (3, 4)
    assert found.sum(axis=1) == pytest.approx(1)
    assert found[1] == pytest.approx([0.7, 0, 0.3, 0], abs=1e-3)
    for index in (0, 2):
        assert found[index].tolist() == [float(c == rows[index].label) for c in tiny.CATEGORICAL.classes]


def test_shares_that_are_sure_have_the_loss_of_the_label() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 2, 1, 1, 0, 2])
    weights = torch.tensor([0.5, 1.0, 2.0])
    sure = torch.eye(3)[labels]
    assert cross_entropy(logits, sure, weight=weights, reduction="sum") == pytest.approx(
        cross_entropy(logits, labels, weight=weights, reduction="sum").item(), rel=1e-5
    )


def test_examples_that_are_joined_keep_their_targets() -> None:
    whole = np.eye(2, dtype=np.float32)
    first, second = Examples([], np.array([0, 1]), whole), Examples([], np.array([1, 0]), whole[::-1])
    joined = first.joined(second)
    assert joined.labels.tolist() == [0, 1, 1, 0]
    assert joined.targets is not None
    assert joined.targets.tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert replace(first, targets=None).joined(replace(second, targets=None)).targets is None


@pytest.mark.slow
@pytest.mark.parametrize("final_rows", ["learned", "all"])
def test_a_training_learns_the_shares_and_the_same_ones_the_same(
    base_model: Path, tmp_path: Path, final_rows: str
) -> None:
    parameters: dict[str, Any] = {"epochs": 2, "final_rows": final_rows}
    plain, unsure = tiny.plan(**parameters), with_shares(tiny.plan(**parameters), 0.7)
    learned = learn(base_model, tmp_path / "unsure", unsure)
    assert learned == learn(base_model, tmp_path / "again", unsure)
    assert learned != learn(base_model, tmp_path / "plain", plain)


@pytest.mark.slow
def test_no_training_is_surer_than_the_shares_it_learns_and_the_report_tells_of_them(
    base_model: Path, tmp_path: Path
) -> None:
    recorder = tiny.Recorder()
    plan = with_shares(tiny.plan(class_weight_power=0.0), 0.6)
    trained = tiny.train(base_model, tmp_path, plan, recorder, interval_s=60.0)
    entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))  # what no loss over such rows is below
    losses = [point.loss for point in recorder.points if point.loss is not None]
    assert losses
    assert min(losses) >= entropy - 1e-4
    said = "60 of 60 rows to learn from were learned by the shares"
    assert any(said in warning for warning in trained.report["warnings"])


@pytest.mark.parametrize("final_rows", ["learned", pytest.param("all", marks=pytest.mark.slow)])
def test_a_head_that_is_fitted_once_contrast_is_learned_learns_the_shares(
    base_model: Path, tmp_path: Path, final_rows: str
) -> None:
    """As in the recipe `few`, where the loss of every step is one of hard labels."""
    parameters: dict[str, Any] = {"epochs": 1, "contrastive_epochs": 1, "final_rows": final_rows}
    plain = tiny.plan(**parameters)
    learned = learn(base_model, tmp_path / "unsure", with_shares(plain, 0.7))
    assert learned != learn(base_model, tmp_path / "plain", plain)


@pytest.mark.parametrize("by_folds", [False, True])
def test_a_head_gives_rows_that_are_alike_the_probabilities_of_their_shares(by_folds: bool) -> None:
    labels = np.array([0, 1] * 40)
    vectors = np.where(labels[:, None] == 0, -1.0, 1.0).repeat(3, axis=1).astype(np.float32)
    shares = np.array([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2]], dtype=np.float32)
    common: dict[str, Any] = {
        "training": vectors,
        "training_labels": labels,
        "classes": 3,
        "power": 0.0,
        "targets": shares[labels],
        "pause": lambda: None,
    }
    if by_folds:
        weight, bias = probe.head_by_folds(**common)
    else:
        weight, bias = probe.head_on_frozen(validation=vectors, validation_labels=labels, **common)
    logits = np.array([[-1.0] * 3, [1.0] * 3]) @ weight.T + bias
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, shares, atol=0.02)


def test_class_weights_count_the_shares_and_no_class_that_has_some_weighs_nothing() -> None:
    labels = np.array([0, 0, 0, 1])
    shares = np.array([[0.6, 0, 0.4, 0]] * 3 + [[0, 1.0, 0, 0]], dtype=np.float32)
    weights = probe.class_weights(labels, 4, 1.0, shares)
    assert weights[1] == pytest.approx(weights[0] * 1.8, rel=1e-5)
    assert weights[2] == pytest.approx(weights[0] * 1.8 / 1.2, rel=1e-5)
    assert weights[3] == 0
    assert (weights * shares.sum(axis=0)).sum() == pytest.approx(4)
    hint = np.array([[1 - 1e-6, 1e-6]] * 4, dtype=np.float32)  # of a class that is hardly there
    assert (probe.class_weights(labels * 0, 2, 1.0, hint) / 4).max() < 1.01


def test_a_training_weighs_classes_by_their_shares(base_model: Path) -> None:
    rows = [Tokens([2, 5, 3], [0] * 3)] * 4
    shares = np.array([[0.6, 0, 0.4]] * 3 + [[0, 1.0, 0]], dtype=np.float32)
    examples = Examples([[row] for row in rows], np.array([0, 0, 0, 1]), shares)
    tuning = FineTuning(
        network=load_network(base_model, 3),
        training=examples,
        validation=examples,
        reduce=lambda windows: Reduced(windows[0], 0),
        parameters=tiny.PARAMETERS,
        compute=Compute("cpu", "fp32", 1),
        checkpoints=Checkpoints(base_model.parent / "none", ""),
        reporter=tiny.Recorder(),
        checkpoint_interval_s=60.0,
    )
    assert tuning._class_weights.tolist() == pytest.approx(
        probe.class_weights(examples.labels, 3, 0.5, shares)
    )


def test_other_shares_are_another_plan() -> None:
    plain = tiny.plan()
    plans = plain, with_shares(plain, 0.7), with_shares(plain, 0.8)
    assert len({publishing.digest_of(plan, "m") for plan in plans}) == 3
