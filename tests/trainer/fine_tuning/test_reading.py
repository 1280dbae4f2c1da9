"""What the head reads: a vector by hand, networks of fewer layers, and what the rows decide."""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import MPNetConfig, MPNetModel

from gnomon.bundle import parse_evaluator
from gnomon.errors import InvalidRequestError
from gnomon.instances import text_span
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import batches, reading
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.compute import Compute
from gnomon_trainer.adapters.fine_tuning.exporting import OnnxExporter
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network
from gnomon_trainer.adapters.fine_tuning.reading import CONTRAST, MEAN, Tried, Way
from gnomon_trainer.adapters.fine_tuning.scoring import OnnxEvaluator
from gnomon_trainer.domain import settled_parameters
from gnomon_trainer.domain.training import Parameters, Row, Stage, Trained, TrainingPlan
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_recipe_parameters import learn
from tests.trainer.fine_tuning.test_resuming import KilledError, StopsBeforeExportOrAt

PAIR = Tokens([2, 9, 7, 3, 11, 3], [0, 0, 0, 0, 1, 1])
ALONE = Tokens([2, 9, 3], [0, 0, 0])
ON_CPU = Compute("cpu", "fp32", 1)


@pytest.fixture(scope="module")
def mpnet(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model that does not tell two texts apart."""
    folder = tmp_path_factory.mktemp("models") / "mpnet"
    shutil.copytree(base_model, folder)
    config = MPNetConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=34,
    )
    MPNetModel(config).save_pretrained(folder)
    return folder


# ------------------------------------------------------------------- the vector


def test_the_contrast_of_a_pair_is_the_difference_of_the_means_of_its_texts(base_model: Path) -> None:
    network = load_network(base_model, 2, pooling=CONTRAST).eval()
    inputs = batches.tensors([PAIR, ALONE], network, "cpu")  # the shorter one is padded
    states = network.encoder(**inputs).last_hidden_state
    found = network.pool(**inputs)
    torch.testing.assert_close(found[0], states[0, :4].mean(0) - states[0, 4:].mean(0))
    torch.testing.assert_close(found[1], states[1, :3].mean(0))


def test_the_contrast_of_texts_alone_is_their_mean(base_model: Path) -> None:
    contrast, mean = load_network(base_model, 2, pooling=CONTRAST), load_network(base_model, 2)
    inputs = batches.tensors([ALONE, Tokens([2, 5, 6, 8, 3], [0] * 5)], mean, "cpu")
    assert torch.equal(contrast.eval().pool(**inputs), mean.eval().pool(**inputs))


# ----------------------------------------------------------------- fewer layers


@pytest.mark.parametrize("layers", [1, 2])
def test_a_network_of_fewer_layers_reads_what_the_whole_one_has_there(base_model: Path, layers: int) -> None:
    whole, fewer = load_network(base_model, 2).eval(), load_network(base_model, 2, layers=layers).eval()
    inputs = batches.tensors([PAIR], whole, "cpu")
    states = whole.encoder(**inputs, output_hidden_states=True).hidden_states[layers]
    torch.testing.assert_close(fewer.pool(**inputs), states.mean(1))
    assert (whole.depth, fewer.depth) == (2, layers)


@pytest.mark.slow
def test_an_export_of_contrast_and_fewer_layers_scores_alike_alone_and_in_company(
    base_model: Path, tmp_path: Path
) -> None:
    network = load_network(base_model, 2, pooling=CONTRAST, layers=1).eval()
    torch.manual_seed(3)
    nn.init.normal_(network.head.weight)
    OnnxExporter().export(network, 32, tmp_path)
    evaluator = OnnxEvaluator(tmp_path / OnnxExporter.path)
    rows = [PAIR, ALONE, Tokens([2, 5, 3] + [6] * 20 + [3], [0] * 3 + [1] * 21)]
    with torch.no_grad():
        trained = network(**batches.tensors(rows, network, "cpu")).numpy()
    together = evaluator.logits(rows)
    alone = np.concatenate([evaluator.logits([row]) for row in rows])
    np.testing.assert_allclose(together, trained, atol=1e-4)
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_more_layers_than_there_are_is_an_error_that_says_how_many(base_model: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"layers is 3.*\[0, 2\]") as caught:
        load_network(base_model, 2, layers=3)
    assert [v.field for v in caught.value.violations] == ["parameters.layers"]


def test_contrast_needs_a_base_model_that_tells_two_texts_apart(mpnet: Path) -> None:
    with pytest.raises(InvalidRequestError, match="does not tell two texts apart") as caught:
        load_network(mpnet, 2, pooling=CONTRAST)
    assert [v.field for v in caught.value.violations] == ["parameters.pooling"]


# ------------------------------------------------------------------- the choice


class Bag(nn.Module):
    """An encoder whose state of a token is a vector of its own, whatever stands around it."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_hidden_layers=3, type_vocab_size=2, pad_token_id=0)
        vectors = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
        self.vectors = nn.Embedding(64, 8, _weight=vectors)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> object:
        return SimpleNamespace(last_hidden_state=self.vectors(input_ids))


class Loads:
    """Gives networks over `Bag`, and remembers what they should read."""

    def __init__(self) -> None:
        self.asked: list[Way] = []

    def __call__(self, parameters: Parameters) -> EvaluatorNetwork:
        self.asked.append(Way(parameters.pooling, parameters.layers))
        network = EvaluatorNetwork(Bag(), 8, 2, 0.1)
        network.pooling = parameters.pooling
        return network


def pairs(what: str, count: int = 160) -> Examples:
    """Rows of class 1 where both texts are of the word 9, by `contrast` of text 1 only, by `mean` of any.

    By `contrast` the other rows have the texts the other way round: their mean is the same. By `mean` both
    texts always agree: their difference is always none.
    """
    random_ = random.Random(4)
    rows: list[list[Tokens]] = []
    labels = []
    for _ in range(count):
        label = random_.random() < 0.5
        noise, length = random_.choices(range(20, 60), k=2), 4
        mine, other = (9, 5) if label else (5, 9)
        first = [mine] * length + noise
        second = ([other] if what == CONTRAST else [mine]) * length + noise
        rows.append([Tokens(first + second, [0] * len(first) + [1] * len(second))])
        labels.append(int(label))
    return Examples(rows, np.array(labels))


def settle(
    work: Path,
    examples: Examples,
    load: Loads | None = None,
    groups: Sequence[int] = (),
    origins: dict[str, str] | None = None,
    **parameters: Any,
) -> tuple[TrainingPlan, str]:
    plan = tiny.plan(**({"pooling": "auto"} | parameters))
    return reading.settle(
        replace(plan, origins=origins or {}),
        work=work,
        digest="plan",
        examples=examples,
        groups=groups or range(len(examples.windows)),
        load=load or Loads(),
        compute=ON_CPU,
        pause=lambda: None,
    )


def test_where_only_the_contrast_tells_the_contrast_is_read(tmp_path: Path) -> None:
    plan, why = settle(tmp_path, pairs(CONTRAST))
    parameters = plan.parameters
    assert (parameters.pooling, parameters.layers, parameters.window_reducer) == (CONTRAST, 2, "mean")
    assert plan.origins == dict.fromkeys(("pooling", "layers", "window_reducer"), "data")
    assert why.startswith("The head reads the difference between the means of the two texts.")
    assert "the mean of all tokens: 0." in why


def test_where_only_the_mean_tells_the_mean_is_read(tmp_path: Path) -> None:
    plan, why = settle(tmp_path, pairs(MEAN))
    assert plan.parameters == replace(tiny.PARAMETERS, pooling=MEAN)
    assert plan.origins == {"pooling": "data"}
    assert why.startswith("The head reads the mean of all tokens.")


def test_windows_are_put_together_as_the_user_said_also_with_contrast(tmp_path: Path) -> None:
    plan, _ = settle(tmp_path, pairs(CONTRAST), origins={"window_reducer": "request"}, window_reducer="max")
    assert (plan.parameters.pooling, plan.parameters.window_reducer) == (CONTRAST, "max")
    assert plan.origins["window_reducer"] == "request"


@pytest.mark.parametrize("what", [CONTRAST, MEAN])
def test_layers_that_the_user_set_are_kept_whatever_is_read(tmp_path: Path, what: str) -> None:
    load = Loads()
    plan, _ = settle(tmp_path, pairs(what), load, origins={"layers": "request"}, layers=3)
    assert (plan.parameters.pooling, plan.parameters.layers) == (what, 3)
    assert plan.origins["layers"] == "request"
    assert {way.layers for way in load.asked} == {3}


def test_texts_that_are_no_pairs_are_read_by_their_mean_without_a_try(tmp_path: Path) -> None:
    load = Loads()
    plan, why = settle(tmp_path, Examples([[ALONE]] * 8, np.array([0, 1] * 4)), load)
    assert (plan.parameters.pooling, plan.parameters.layers, why) == (MEAN, 0, "")
    assert load.asked == [Way(MEAN, 0)]
    assert not list(tmp_path.iterdir())


def test_a_base_model_that_does_not_tell_two_texts_apart_reads_their_mean(mpnet: Path) -> None:
    assert reading.ways(load_network(mpnet, 2), Examples([[PAIR]], np.array([0]))) == [Way(MEAN, 0)]


def test_pairs_that_all_share_one_context_or_are_one_a_class_are_read_by_their_mean(tmp_path: Path) -> None:
    rows = pairs(CONTRAST)
    of_one = settle(tmp_path, rows, groups=[0] * len(rows.windows))
    single = settle(tmp_path, Examples(rows.windows[:2], np.array([0, 1])))
    assert [(plan.parameters.pooling, why) for plan, why in (of_one, single)] == [(MEAN, "")] * 2


def test_a_class_of_fewer_rows_than_parts_is_no_hindrance(tmp_path: Path) -> None:
    rows = pairs(CONTRAST)
    labels = rows.labels.copy()
    labels[:1] = 2
    plan = tiny.plan(tiny.CATEGORICAL)
    plan = replace(plan, parameters=replace(plan.parameters, pooling="auto"))
    found, _ = reading.settle(
        plan,
        work=tmp_path,
        digest="plan",
        examples=Examples(rows.windows, labels),
        groups=range(len(labels)),
        load=Loads(),
        compute=ON_CPU,
        pause=lambda: None,
    )
    assert found.parameters.pooling == CONTRAST


def test_rows_of_one_context_are_asked_about_together() -> None:
    rows, groups = pairs(CONTRAST), [place // 5 for place in range(160)]
    fold = reading._folds(rows, groups, 4, seed=1)
    assert set(fold.tolist()) == {0, 1, 2, 3}
    assert all(len({int(fold[at]) for at in range(160) if groups[at] == group}) == 1 for group in set(groups))


def test_what_the_user_says_is_not_tried(tmp_path: Path) -> None:
    load = Loads()
    plan, why = settle(tmp_path, pairs(CONTRAST), load, pooling=MEAN)
    assert (plan.parameters.pooling, why, load.asked) == (MEAN, "", [])


def test_a_choice_is_kept_for_a_resume_and_not_taken_from_another_plan(tmp_path: Path) -> None:
    first = settle(tmp_path, pairs(CONTRAST))
    load = Loads()
    assert settle(tmp_path, pairs(CONTRAST), load) == first
    assert load.asked == [Way(MEAN, 0)]  # which tells what there is to choose from; nothing is tried
    kept = tmp_path / "reading.json"
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps(content | {"plan": "another", "losses": content["losses"][::-1]}))
    assert settle(tmp_path, pairs(CONTRAST)) == first


def test_of_equally_good_ways_the_usual_one_is_taken() -> None:
    usual, other = Tried(Way(MEAN, 0), 0.5), Tried(Way(CONTRAST, 1, "mean"), 0.5)
    assert reading.best([usual, other]) is usual


# ------------------------------------------------------------- a whole training


def plan_of_pairs() -> TrainingPlan:
    """Outputs that are of the input's kind of words, or of the other kind: their mean tells nothing."""

    def rows(count: int, seed: int) -> list[Row]:
        random_ = random.Random(seed)
        made = []
        for number in range(1, count + 1):
            gloomy = random_.random() < 0.5
            mine, other = (tiny.BAD, tiny.GOOD) if gloomy else (tiny.GOOD, tiny.BAD)
            span = text_span(
                input=" ".join(random_.choices(mine, k=4)), output=" ".join(random_.choices(other, k=4))
            )
            made.append(Row(number, span, "true" if gloomy else "false"))
        return made

    plan = tiny.plan(epochs=2, window_stride=16)
    parameters = replace(plan.parameters, pooling="auto")
    return replace(plan, parameters=parameters, training_rows=rows(80, 1), test_rows=rows(40, 2))


@pytest.fixture(scope="module")
def of_pairs(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tiny.train(base_model, tmp_path_factory.mktemp("pairs"), plan_of_pairs(), interval_s=60.0)


@pytest.mark.slow
def test_the_report_says_what_is_read_and_why(of_pairs: Trained) -> None:
    told = [warning for warning in of_pairs.report["warnings"] if warning.startswith("The head reads")]
    assert len(told) == 1
    assert "the difference between the means of the two texts. Loss of a head on the frozen" in told[0]
    assert settled_parameters.found(of_pairs.report) == {
        "pooling": "contrast",
        "layers": "1",
        "window_reducer": "mean",
    }


def test_the_model_card_and_the_evaluator_show_what_was_settled(of_pairs: Trained) -> None:
    card = (of_pairs.bundle_folder / "MODEL_CARD.md").read_text()
    for line in ("| `pooling` | contrast | data |", "| `layers` | 1 | data |"):
        assert line in card
    assert "| `window_reducer` | mean | data |" in card
    evaluator = parse_evaluator((of_pairs.bundle_folder / "evaluator.json").read_bytes())
    assert evaluator.windows is not None
    assert evaluator.windows.reducer == "mean"


@pytest.mark.slow
def test_a_training_that_settles_nothing_reports_nothing_settled(
    undisturbed: tuple[Trained, tiny.Recorder],
) -> None:
    assert settled_parameters.REPORTED not in undisturbed[0].report
    assert settled_parameters.found(None) == settled_parameters.found({}) == {}


class StopsInBaseline(tiny.StopsAt):
    """Ends a training while it looks for what to read, or soon after."""

    def __init__(self, call: int) -> None:
        super().__init__(call, KilledError(), since=Stage.BASELINE)


class StopsOnceSettled(tiny.Recorder):
    """Ends a training as soon as what it reads is kept."""

    def __init__(self, work: Path) -> None:
        super().__init__()
        self._kept = work / "reading.json"

    def checkpoint_allowed(self) -> None:
        if self._kept.is_file():
            raise KilledError


@pytest.mark.slow
def test_a_training_that_settles_what_it_reads_and_is_killed_ends_as_an_undisturbed_one(
    base_model: Path, tmp_path: Path
) -> None:
    plan = plan_of_pairs()
    expected = learn(base_model, tmp_path / "undisturbed", plan)
    random_, work = random.Random(5), tmp_path / "killed"
    for killer in (StopsInBaseline(9), StopsInBaseline(24), StopsOnceSettled(work)):
        with pytest.raises(KilledError):
            tiny.train(base_model, work, plan, killer)
    with pytest.raises(KilledError):
        tiny.train(base_model, work, plan, StopsBeforeExportOrAt(random_.randint(5, 30), KilledError()))
    assert learn(base_model, work, plan, interval_s=0.0) == expected


def test_rows_that_share_their_context_are_not_on_both_sides(base_model: Path) -> None:
    from gnomon_trainer.adapters.fine_tuning.preparing import prepare

    def row(number: int, label: str) -> Row:
        context = " ".join([*[f"w{digit}" for digit in str(100 + number // 3)], "sun"])
        return Row(number, text_span(input=context, output=f"w{number % 40} w{number // 40}"), label)

    rows = [row(number, ("true", "false")[number % 2]) for number in range(90)]
    plan = replace(tiny.plan(), training_rows=rows)
    prepared = prepare(plan, load_network(base_model, 2), base_model, lambda: None)
    sides = [{text.text for text in side} for side in (prepared.training_texts, prepared.validation_texts)]
    assert sides[1]
    assert sides[0].isdisjoint(sides[1])
    for at, text in enumerate(prepared.training_texts):
        same = [prepared.training_texts[other].text == text.text for other in range(len(prepared.groups))]
        assert same == [group == prepared.groups[at] for group in prepared.groups]
