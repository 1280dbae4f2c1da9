"""A BERT of a few thousand weights, and rows it can learn, so that a whole training takes seconds."""

import json
import random
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel

from gnomon.bundle import LineageRecord
from gnomon.instances import InputShape, OutputType, Step, text_span
from gnomon_trainer.adapters.fine_tuning import stages
from gnomon_trainer.adapters.fine_tuning.profiling import LatencyPoint
from gnomon_trainer.adapters.fine_tuning.scoring import Alone
from gnomon_trainer.adapters.fine_tuning.set_up import SetUp
from gnomon_trainer.domain.training import (
    MetricDefinition,
    Parameters,
    Point,
    Row,
    Stage,
    Trained,
    TrainingPlan,
)

GOOD = ["sun", "light", "calm", "warm", "clear"]
BAD = ["storm", "dark", "cold", "wild", "grey"]
FILLERS = [f"w{n}" for n in range(40)]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = len([*SPECIALS, *GOOD, *BAD, *FILLERS])

PARAMETERS = Parameters(
    epochs=3,
    batch_size=8,
    learning_rate=3e-3,
    head_learning_rate=1e-2,
    weight_decay=0.01,
    warmup_share=0.1,
    max_tokens=32,
    validation_share=0.25,
    evaluations_per_epoch=2,
    patience=100,
    seed=7,
)

BOOLEAN = MetricDefinition(
    "metrics/gloom",
    OutputType.BOOLEAN,
    Step.LLM_SPAN,
    InputShape.INPUT_OUTPUT,
    ("false", "true"),
    ("true",),
)
CATEGORICAL = MetricDefinition(
    "metrics/weather",
    OutputType.CATEGORICAL,
    Step.LLM_SPAN,
    InputShape.INPUT,
    ("bad", "good", "mixed", "unseen"),
    (),
)


def make_base_model(folder: Path) -> Path:
    """Write a tiny, almost random BERT in the layout of transformers."""
    folder.mkdir(parents=True)
    words = [*SPECIALS, *GOOD, *BAD, *FILLERS]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_padding(length=16)  # as published tokenizers often have it
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,  # so that even random weights tell words apart
    )
    model = BertModel(config)
    with torch.no_grad():  # as pretraining would, tell the two kinds of words apart a little
        vectors = model.embeddings.word_embeddings.weight
        direction = torch.randn(config.hidden_size) / 2
        vectors[[words.index(word) for word in GOOD]] += direction
        vectors[[words.index(word) for word in BAD]] -= direction
    model.save_pretrained(folder)
    return folder


def sentence(words: list[str], random_: random.Random) -> str:
    chosen = [random_.choice(words), *random_.choices(FILLERS, k=random_.randint(1, 6))]
    random_.shuffle(chosen)
    return " ".join(chosen)


def boolean_rows(count: int, seed: int) -> list[Row]:
    """Rows whose output is gloomy or not; one in ten has the wrong label."""
    random_ = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        gloomy = random_.random() < 0.4
        span = text_span(input=sentence(FILLERS, random_), output=sentence(BAD if gloomy else GOOD, random_))
        label = gloomy if random_.random() > 0.1 else not gloomy
        rows.append(Row(number, span, "true" if label else "false"))
    return rows


def categorical_rows(count: int, seed: int) -> list[Row]:
    random_ = random.Random(seed)
    words = {"bad": BAD, "good": GOOD, "mixed": FILLERS}
    rows = []
    for number in range(1, count + 1):
        label = random_.choice(list(words))
        rows.append(Row(number, text_span(input=sentence(words[label], random_)), label))
    return rows


def plan(metric: MetricDefinition = BOOLEAN, rows: int = 80, **parameters: float) -> TrainingPlan:
    make = boolean_rows if metric is BOOLEAN else categorical_rows
    return TrainingPlan(
        run="projects/p/runs/r",
        metric=metric,
        training_rows=make(rows, 1),
        test_rows=make(60, 2),
        recipe="recipes/tiny",
        base_model="tiny",
        parameters=replace(PARAMETERS, **parameters),
        origins={"epochs": "request"},
        lineage=LineageRecord(
            run="projects/p/runs/r",
            recipe="recipes/tiny",
            base_model="tiny",
            seed=7,
            generation="generations/gloomy",
            generator="providers/main (tiny-1)",
        ),
        warnings=("Two rows were left out.",),
    )


class Recorder:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.points: list[Point] = []
        self.steps: list[tuple[int, int, float | None]] = []

    def stage(self, stage: Stage) -> None:
        self.stages.append(stage)

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        self.steps.append((step, total_steps, remaining_s))

    def point(self, point: Point) -> None:
        self.points.append(point)

    def checkpoint_allowed(self) -> None:
        pass


class StopsAt(Recorder):
    """Raises when asked for the `call`-th time, from a stage on, whether the training may go on."""

    def __init__(self, call: int, error: BaseException, since: Stage = Stage.FINE_TUNING) -> None:
        super().__init__()
        self._calls_left, self._error, self._since = call, error, since

    def checkpoint_allowed(self) -> None:
        self._calls_left -= self._since in self.stages
        if self._calls_left == 0:
            raise self._error


class NoProfiler:
    """Says the same of every evaluator, whatever the time."""

    def profile(self, evaluator: Alone, **_: object) -> list[LatencyPoint]:
        return [LatencyPoint(32, 1.0, 2.0, 1_000.0, 4)]


def train(
    base_model: Path,
    work: Path,
    what: TrainingPlan,
    reporter: Recorder | None = None,
    interval_s: float = 0.0,
) -> Trained:
    """Train on one thread to the reference format alone, with a checkpoint a step unless told otherwise."""
    set_up = SetUp(base_model, 1, interval_s, further=(), profiler=NoProfiler())
    return stages.train(what, work, reporter or Recorder(), set_up)


def read_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
