"""From a plan's rows to what the network reads: rendered, tokenized, split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from gnomon.errors import DatasetUnsuitableError, InstanceInvalidError
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, longest_input
from gnomon_trainer.adapters.fine_tuning.optimizing import Examples
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.texts import normalised
from gnomon_trainer.domain.training import MetricDefinition, Row, TrainingPlan
from gnomon_trainer.domain.validation_split import hold_out

_ROWS_BETWEEN_PAUSES = 500

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data of a plan, ready for the network. Labels are indices of the metric's classes."""

    training: Examples
    validation: Examples
    test: Examples
    training_texts: Sequence[Rendered]
    validation_texts: Sequence[Rendered]
    test_texts: Sequence[Rendered]
    encoder: TextEncoder
    warnings: tuple[str, ...]


def prepare(
    plan: TrainingPlan, network: EvaluatorNetwork, base_model: Path, pause: Callable[[], None]
) -> Prepared:
    """Render, tokenize and split. `pause` is called now and then; what it raises ends the work.

    Raises:
        DatasetUnsuitableError: a row cannot be rendered, or only one class is there to learn.
    """
    warnings = list(plan.warnings)
    max_tokens = plan.parameters.max_tokens
    if (longest := longest_input(network)) and max_tokens > longest:
        warnings.append(
            f"max_tokens is {max_tokens}, but the base model reads {longest} tokens: it was lowered."
        )
        max_tokens = longest
    encoder = TextEncoder.of_base_model(base_model, max_tokens)
    known = _rendered(plan.training_rows, plan.metric, "training", pause)
    test = _rendered(plan.test_rows, plan.metric, "test", pause)
    keys = [normalised(f"{row.text}\n{row.pair or ''}") for row in _pausing(known, pause)]
    labels = [row.label for row in plan.training_rows]
    if len(set(labels)) < 2:
        raise DatasetUnsuitableError(
            f"All training rows are of the class {labels[0]!r}. Add rows of another class."
            if labels
            else "There are no training rows. Upload some."
        )
    training, validation = hold_out(labels, keys, plan.parameters.validation_share, plan.parameters.seed)
    if not validation:
        raise DatasetUnsuitableError(
            f"{len(labels)} training rows are too few to hold any out. Add rows: at least 4 of a class."
        )
    encoded = [encoder.encode(row) for row in _pausing(known, pause)]
    indices = _class_indices(labels, plan.metric)
    return Prepared(
        training=Examples([encoded[i] for i in training], indices[training]),
        validation=Examples([encoded[i] for i in validation], indices[validation]),
        test=Examples(
            [encoder.encode(row) for row in _pausing(test, pause)],
            _class_indices([row.label for row in plan.test_rows], plan.metric),
        ),
        training_texts=[known[i] for i in training],
        validation_texts=[known[i] for i in validation],
        test_texts=test,
        encoder=encoder,
        warnings=tuple(warnings),
    )


def _pausing(items: Sequence[Item], pause: Callable[[], None]) -> Iterator[Item]:
    for index, item in enumerate(items):
        if index % _ROWS_BETWEEN_PAUSES == 0:
            pause()
        yield item


def _rendered(
    rows: Sequence[Row], metric: MetricDefinition, which: str, pause: Callable[[], None]
) -> list[Rendered]:
    template = template_for(metric.input_shape)
    found = []
    for row in _pausing(rows, pause):
        try:
            found.append(render(row.instance, template, metric.step))
        except InstanceInvalidError as error:
            raise DatasetUnsuitableError(
                f"Row {row.number} of the {which} set cannot be read: {error.message} Correct or remove it.",
                row=str(row.number),
            ) from error
    return found


def _class_indices(labels: Sequence[str], metric: MetricDefinition) -> Ints:
    index = {label: i for i, label in enumerate(metric.classes)}
    return np.array([index[label] for label in labels], dtype=np.int64)
