"""What the parameters of recipes do to a training, and that none of it costs determinism."""

import math
import random
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import MPNetConfig, MPNetModel

from gnomon.bundle import parse_evaluator
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import contrastive, gate, passes, probe, publishing, vocabulary
from gnomon_trainer.adapters.fine_tuning.averaging import Averaging
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network
from gnomon_trainer.adapters.fine_tuning.rates import parameter_groups
from gnomon_trainer.domain.training import Parameters, Trained, TrainingPlan
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_resuming import (
    KilledError,
    StopsBeforeExport,
    StopsBeforeExportOrAt,
)

EVERYTHING = {
    "class_weight_power": 1.0,
    "layer_decay": 0.8,
    "pooling": "first",
    "weight_averaging": 0.9,
    "contrastive_epochs": 1,
    "final_rows": "all",
}


WithReports = tuple[Trained, tiny.Recorder]


def learn(base_model: Path, work: Path, plan: TrainingPlan, interval_s: float = 60.0) -> bytes:
    """Train until the weights are final; return them."""
    with pytest.raises(KilledError):
        tiny.train(base_model, work, plan, StopsBeforeExport(), interval_s)
    of_all = work / "checkpoints-of-all-rows"
    newest = max((of_all if of_all.exists() else work / "checkpoints").iterdir())
    return newest.joinpath("best.safetensors").read_bytes()


# ---------------------------------------------------------- of a whole training


@pytest.fixture(scope="module")
def everything(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> WithReports:
    recorder = tiny.Recorder()
    work = tmp_path_factory.mktemp("everything")
    plan = replace(tiny.plan(**EVERYTHING), recipe_reason="The recipe tiny was chosen: it is small.")
    return tiny.train(base_model, work, plan, recorder, interval_s=60.0), recorder


@pytest.fixture(scope="module")
def plain_weights(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return learn(base_model, tmp_path_factory.mktemp("plain"), tiny.plan())


@pytest.fixture(scope="module")
def weights_of_everything(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return learn(base_model, tmp_path_factory.mktemp("weights"), tiny.plan(**EVERYTHING))


@pytest.mark.slow
@pytest.mark.parametrize("parameter", EVERYTHING)
def test_each_parameter_changes_what_is_learned(
    base_model: Path, tmp_path: Path, plain_weights: bytes, parameter: str
) -> None:
    plan = tiny.plan(**{parameter: EVERYTHING[parameter]})
    assert learn(base_model, tmp_path, plan) != plain_weights


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_training_with_all_of_them_that_is_killed_ends_as_an_undisturbed_one(
    base_model: Path, tmp_path: Path, weights_of_everything: bytes, seed: int
) -> None:
    plan, random_ = tiny.plan(**EVERYTHING), random.Random(seed)
    for since, most in ((0, 40), (10, 60), (0, 80)):
        killer = StopsBeforeExportOrAt(random_.randint(since + 1, most), KilledError())
        with pytest.raises(KilledError):
            tiny.train(base_model, tmp_path, plan, killer)
    assert learn(base_model, tmp_path, plan, interval_s=0.0) == weights_of_everything


@pytest.mark.slow
def test_the_model_card_says_what_the_parameters_were(everything: WithReports) -> None:
    trained, _ = everything
    card = (trained.bundle_folder / "MODEL_CARD.md").read_text()
    assert "| `final_rows` | all |" in card
    assert "| `layer_decay` | 0.8 |" in card
    assert "The recipe tiny was chosen: it is small." in card


@pytest.mark.slow
def test_steps_and_points_of_two_passes_are_counted_on(everything: WithReports) -> None:
    _, recorder = everything
    steps = [point.step for point in recorder.points]
    assert steps == sorted(set(steps))
    taken = [step for step, _, _ in recorder.steps]
    assert taken == sorted(set(taken))
    assert taken[-1] == recorder.steps[-1][1]
    learned, of_all = (passes.steps_of(rows, tiny.PARAMETERS) for rows in (60, 80))
    assert learned < taken[-1] <= learned + of_all
    judged = [point.step for point in recorder.points if point.validation_macro_f1 is not None]
    assert max(judged) <= learned  # in the second pass nothing is left to evaluate on


@pytest.mark.slow
def test_an_evaluator_of_all_rows_is_calibrated_by_one_that_had_not_seen_those_held_out(
    everything: WithReports,
    undisturbed: WithReports,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained, _ = everything
    evaluator = parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())
    assert evaluator.calibration.rows == trained.report["validation_rows"] == 20
    assert any("learned from all rows in the end" in warning for warning in trained.report["warnings"])
    assert not any("learned from all rows" in warning for warning in undisturbed[0].report["warnings"])
    asked: list[bytes] = []

    def spied(network: EvaluatorNetwork, *rest: Any) -> Any:
        asked.append(network.head.weight.detach().numpy().tobytes())
        return real(network, *rest)

    real = gate.reference_logits
    monkeypatch.setattr(gate, "reference_logits", spied)
    tiny.train(base_model, tmp_path, tiny.plan(**EVERYTHING), interval_s=60.0)
    first, final = (
        max((tmp_path / "checkpoints").iterdir()),
        max((tmp_path / "checkpoints-of-all-rows").iterdir()),
    )
    heads = [load_file(at / "best.safetensors")["head.weight"].numpy().tobytes() for at in (first, final)]
    assert heads[0] != heads[1]
    assert asked[:20] == [heads[0]] * 20  # the held-out rows, for calibration and threshold
    assert set(asked[20:]) == {heads[1]}  # the gate


@pytest.mark.slow
def test_the_rows_that_an_evaluator_of_all_rows_has_learned_are_told(
    everything: WithReports, undisturbed: WithReports
) -> None:
    of_all, of_some = everything[0], undisturbed[0]
    assert [t.report["training_rows"] for t in (of_all, of_some)] == [80, 60]
    cards = [(t.bundle_folder / "MODEL_CARD.md").read_text() for t in (of_all, of_some)]
    assert "80 rows were trained on, 20 of them only once" in cards[0]
    assert "60 rows were trained on, 20 more held out." in cards[1]
    said = ["no longer new to it" in " ".join(t.report["warnings"]) for t in (of_all, of_some)]
    assert said == [True, False]


@pytest.mark.parametrize("final_rows", ["learned", "all"])
def test_cheap_methods_learn_from_as_many_rows_as_the_evaluator(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, final_rows: str
) -> None:
    fitted = []

    def fit(features: Any, labels: Any, *rest: Any) -> Any:
        fitted.append((features.shape[0], len(labels)))
        return real(features, labels, *rest)

    real = probe._fit
    monkeypatch.setattr(probe, "_fit", fit)
    plan = replace(tiny.plan(), parameters=replace(tiny.PARAMETERS, final_rows=final_rows))
    with pytest.raises(KilledError):
        tiny.train(base_model, tmp_path, plan, tiny.StopsAt(1, KilledError()))
    assert fitted == [(60, 60)] * 2 + [(80, 80)] * (final_rows == "all")


@pytest.mark.slow
def test_a_frozen_base_model_that_was_best_gets_a_head_of_all_rows(base_model: Path, tmp_path: Path) -> None:
    """At a rate at which nothing moves, the step that is best is the one before the first."""
    rates = {"learning_rate": 1e-30, "head_learning_rate": 1e-30, "weight_decay": 0.0}
    trained = tiny.train(base_model, tmp_path, tiny.plan(final_rows="all", epochs=1, **rates))
    assert not (tmp_path / "checkpoints-of-all-rows").exists()
    assert any("did not improve on a linear head" in warning for warning in trained.report["warnings"])


# --------------------------------------------------------------------- the parts


@given(st.lists(st.integers(0, 6), min_size=1, max_size=90), st.integers(1, 40), st.integers(0, 9))
def test_a_contrastive_epoch_has_every_row_once(labels: list[int], size: int, number: int) -> None:
    batches = contrastive.epoch(np.array(labels), size, 3, number)
    assert sorted(index for batch in batches for index in batch) == list(range(len(labels)))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert batches == contrastive.epoch(np.array(labels), size, 3, number)


def test_rows_of_a_class_meet_in_contrastive_batches() -> None:
    labels = np.arange(160) % 20
    batches = contrastive.epoch(labels, 16, 0, 0)
    met = sum(sum(labels[a] == labels[b] for b in batch) > 1 for batch in batches for a in batch)
    assert met == 160


def test_the_contrastive_loss_is_that_of_its_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(6, 4, generator=generator)
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    expected = 0.0
    for a in range(6):
        likeness = [float(unit[a] @ unit[b]) / 0.1 for b in range(6)]
        total = sum(math.exp(likeness[b]) for b in range(6) if b != a)
        same = [b for b in range(6) if b != a and labels[b] == labels[a]]
        expected -= sum(likeness[b] - math.log(total) for b in same) / max(1, len(same))
    assert float(contrastive.losses(vectors, labels)) == pytest.approx(expected, rel=1e-5)


def test_a_batch_without_two_rows_of_a_class_teaches_nothing() -> None:
    vectors = torch.randn(3, 4, requires_grad=True)
    loss = contrastive.losses(vectors, torch.tensor([0, 1, 2]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0, 1))
def test_class_weights_are_rows_to_a_power_with_a_mean_of_one(labels: list[int], power: float) -> None:
    rows = np.bincount(labels, minlength=5)
    weights = probe.class_weights(np.array(labels), 5, power)
    assert (weights * rows).sum() == pytest.approx(len(labels))
    assert (weights[rows == 0] == 0).all()
    scaled = weights[rows > 0] * rows[rows > 0] ** power
    assert scaled == pytest.approx(scaled[0])


def test_layers_below_learn_slower_and_every_weight_learns_once(base_model: Path) -> None:
    network = load_network(base_model, 2)
    parameters = replace(tiny.PARAMETERS, layer_decay=0.5)
    groups = parameter_groups(network, parameters)
    peak = {weight: group["peak"] for group in groups for weight in group["params"]}
    named = dict(network.named_parameters())
    assert sorted(map(id, peak)) == sorted(map(id, named.values()))
    assert len(peak) == sum(len(group["params"]) for group in groups)
    rate = parameters.learning_rate
    for part, expected in (
        ("encoder.layer.1.", rate),
        ("encoder.layer.0.", rate / 2),
        ("embeddings.", rate / 4),
        ("head.", parameters.head_learning_rate),
    ):
        assert {value for weight, value in peak.items() if part in name_of(weight, named)} == {expected}
    plain = parameter_groups(network, tiny.PARAMETERS)
    assert [group["peak"] for group in plain] == [rate, rate, 1e-2, 1e-2]
    assert {group["weight_decay"] for group in plain} == {0.0, 0.01}


def name_of(weight: torch.nn.Parameter, named: dict[str, torch.nn.Parameter]) -> str:
    return next(name for name, other in named.items() if other is weight)


def test_averaged_weights_follow_those_that_are_learned(base_model: Path) -> None:
    network = load_network(base_model, 2)
    averaging = Averaging(network, 0.75)
    averaging.begin()
    with torch.no_grad():
        network.head.bias.fill_(8.0)
    averaging.after_step()
    assert averaging.network.head.bias.tolist() == [2.0, 2.0]
    averaging.after_step()
    assert averaging.network.head.bias.tolist() == [3.5, 3.5]
    assert network.head.bias.tolist() == [8.0, 8.0]


def test_averaging_copies_no_vector_that_is_not_used(base_model: Path) -> None:
    network = load_network(base_model, 2)
    whole = network.encoder.get_input_embeddings()
    before = whole.weight.detach().clone()
    vocabulary.narrow(network, [Tokens([2, 9, 3], [0] * 3)])
    averaging = Averaging(network, 0.75)
    name = "encoder.embeddings.word_embeddings.weight"
    assert averaging.network.learned()[name].shape[0] == 4  # padding is always there
    averaged = averaging.network.encoder.get_input_embeddings()
    assert averaged.weight is not network.encoder.get_input_embeddings().weight
    assert averaged.whole() is whole
    assert torch.equal(whole.weight, before)


@pytest.mark.slow
def test_an_mpnet_learns_and_scores_alike_once_exported(tmp_path: Path) -> None:
    """The base model of the recipe base: its positions begin behind the padding token."""
    made = tiny.make_base_model(tmp_path / "bert")
    shutil.copytree(made, tmp_path / "mpnet")
    config = MPNetConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=34,
        pad_token_id=1,
        hidden_dropout_prob=0.1,
    )
    MPNetModel(config).save_pretrained(tmp_path / "mpnet")
    plan = tiny.plan(epochs=1, max_tokens=64)
    trained = tiny.train(tmp_path / "mpnet", tmp_path / "work", plan, interval_s=60.0)
    (fp32,) = trained.report["formats"]
    assert fp32["passed"]
    evaluator = parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())
    assert evaluator.max_tokens == 32
    assert any("the base model reads 32 tokens" in warning for warning in trained.report["warnings"])


def test_the_first_token_can_stand_for_all(base_model: Path) -> None:
    network = load_network(base_model, 2).eval()
    inputs = {
        "input_ids": torch.tensor([[2, 5, 6, 3]]),
        "attention_mask": torch.ones(1, 4, dtype=torch.int64),
    }
    states = network.encoder(**inputs).last_hidden_state
    assert torch.allclose(network.pool(**inputs), states.mean(1), atol=1e-6)
    network.pooling = "first"
    assert torch.equal(network.pool(**inputs), states[:, 0])


def test_a_head_by_folds_needs_no_rows_held_out_and_stands_a_class_of_one_row() -> None:
    random_ = np.random.default_rng(0)
    labels = np.array([0] * 8 + [1] * 7 + [3])
    vectors = random_.normal(size=(16, 5)).astype(np.float32) + labels[:, None]
    weight, bias = probe.head_by_folds(
        training=vectors, training_labels=labels, classes=4, pause=lambda: None
    )
    assert (weight.shape, bias.shape) == ((4, 5), (4,))
    predicted = (vectors @ weight.T + bias).argmax(1)
    assert (predicted == labels).mean() > 0.8
    assert 2 not in predicted


# ------------------------------------------------------------- plans of old runs


def test_a_plan_of_an_older_release_keeps_its_digest() -> None:
    """What later parameters are when nobody sets them is no part of it, so that its checkpoints are taken."""
    plan = tiny.plan()
    as_before = dict(list(asdict(plan.parameters).items())[:18])
    assert list(as_before)[-1] == "abstain_error_rate"
    assert publishing._decisive(plan.parameters) == as_before
    digests = {publishing.digest_of(tiny.plan(**{key: value}), "m") for key, value in EVERYTHING.items()}
    assert len(digests | {publishing.digest_of(plan, "m")}) == len(EVERYTHING) + 1


def test_parameters_of_an_older_release_are_read_with_what_was_done_then() -> None:
    old = dict(list(asdict(tiny.PARAMETERS).items())[:18])
    assert Parameters(**old) == tiny.PARAMETERS
    assert {field.name for field in fields(Parameters)} > old.keys()
