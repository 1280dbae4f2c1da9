"""From a plan's rows to what the network reads: rendered, tokenized, split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gnomon.bundle import Windows
from gnomon.errors import DatasetUnsuitableError, InstanceInvalidError
from gnomon.rendering import Rendered, render, template_for
from gnomon.tokens import Reading
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, longest_input
from gnomon_trainer.adapters.fine_tuning.targets import targets
from gnomon_trainer.domain import near_copies
from gnomon_trainer.domain.division import divided
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.recipes import fitting_stride
from gnomon_trainer.domain.set_aside import set_aside
from gnomon_trainer.domain.soft_labels import COLUMN
from gnomon_trainer.domain.texts import context_of, joined, normalised
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Row, TrainingPlan

_ROWS_BETWEEN_PAUSES = 500
_NOT_APART = (
    "Rows set aside for the guarantee are judged against the same texts, such as documents, as rows that "
    "were learned from: these texts are too few to keep apart. The guarantee holds for instances about the "
    "same texts; about others more may be decided wrongly."
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Measurable:
    """Rows as a scorer reads them, in all their windows, and the classes that they should get."""

    readings: Sequence[Reading]
    labels: Ints


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data of a plan, ready for the network. Labels are indices of the metric's classes.

    `groups` tells training rows with the same context apart from others.

    `validation` and `held_out` are the same rows: the fine-tuning is judged by
    the former, calibration and threshold come from the latter, once they are
    exported. `aside` are rows for guarantees alone, if the run gives any.
    """

    training: Examples
    validation: Examples
    held_out: Measurable
    test: Measurable
    training_texts: Sequence[Rendered]
    validation_texts: Sequence[Rendered]
    test_texts: Sequence[Rendered]
    encoder: TextEncoder
    warnings: tuple[str, ...]
    groups: Sequence[int]
    aside: Measurable | None = None
    aside_rows: int = 0  # those of `aside`, and others of the same texts


def prepare(
    plan: TrainingPlan, network: EvaluatorNetwork, base_model: Path, pause: Callable[[], None]
) -> Prepared:
    """Render, tokenize and split. `pause` is called now and then; what it raises ends the work.

    Raises:
        DatasetUnsuitableError: a row cannot be rendered, or only one class is there to learn, or
            no row can be held out.
        DatasetTooSmallError: there are too few rows for a guarantee.
    """
    warnings = list(plan.warnings)
    encoder = _encoder(plan, network, base_model, warnings)
    known = _rendered(plan.training_rows, plan.metric, "training", pause)
    test = _rendered(plan.test_rows, plan.metric, "test", pause)
    keys = [normalised(joined(row)) for row in _pausing(known, pause)]
    contexts = [context_of(row) for row in _pausing(known, pause)]
    labels = [row.label for row in plan.training_rows]
    _check_classes(labels)
    flagged = plan.metric.flagged_classes
    aside = set_aside(
        labels,
        keys,
        contexts,
        flagged,
        plan.parameters,
        training_set=plan.lineage.training_set,
    )
    if aside and not aside.are_apart:
        warnings.append(_NOT_APART)
    if aside and (told := near_copies.caution(aside, keys, labels, flagged, plan.parameters, pause=pause)):
        warnings.append(told)
    training, validation = divided(
        labels, keys, contexts, aside, plan.parameters, training_set=plan.lineage.training_set
    )
    indices = _class_indices(labels, plan.metric)
    learned = [encoder.read(known[i]) for i in _pausing(training, pause)]
    held_out = [encoder.read(known[i]) for i in _pausing(validation, pause)]
    if cut := sum(row.truncated for row in learned):
        how = "they were shortened" if known[0].parts else "what lies beyond was not learned from"
        warnings.append(f"{cut} of {len(learned)} rows to learn from are longer than is read: {how}.")
    shares = targets(plan.training_rows, plan.metric)
    if shares is not None:
        shared = sum(bool(plan.training_rows[i].extra.get(COLUMN)) for i in training)
        warnings.append(
            f"{shared} of {len(learned)} rows to learn from were learned by the shares of their "
            f"{COLUMN}, not by their label alone."
        )
    return Prepared(
        training=_examples(learned, indices[training], _picked(shares, training)),
        validation=_examples(held_out, indices[validation], _picked(shares, validation)),
        held_out=Measurable(held_out, indices[validation]),
        test=Measurable(
            [encoder.read(row) for row in _pausing(test, pause)],
            _class_indices([row.label for row in plan.test_rows], plan.metric),
        ),
        training_texts=[known[i] for i in training],
        validation_texts=[known[i] for i in validation],
        test_texts=test,
        encoder=encoder,
        warnings=tuple(warnings),
        groups=_numbered([contexts[i] for i in training]),
        aside=_measurable(aside.counted, known, indices, encoder, pause) if aside else None,
        aside_rows=len(aside.rows) if aside else 0,
    )


def _encoder(
    plan: TrainingPlan, network: EvaluatorNetwork, base_model: Path, warnings: list[str]
) -> TextEncoder:
    """Return how texts are read; a warning is added where that is less than was asked for."""
    max_tokens = plan.parameters.max_tokens
    if (longest := longest_input(network)) and max_tokens > longest:
        warnings.append(
            f"max_tokens is {max_tokens}, but the base model reads {longest} tokens: it was lowered."
        )
        max_tokens = longest
    encoder = TextEncoder.of_base_model(base_model, max_tokens, _windows(plan.parameters, max_tokens))
    return network.asking(encoder, plan.metric)


def _check_classes(labels: Sequence[str]) -> None:
    if len(set(labels)) < 2:
        raise DatasetUnsuitableError(
            f"All training rows are of the class {labels[0]!r}. Add rows of another class."
            if labels
            else "There are no training rows. Upload some."
        )


def _examples(readings: Sequence[Reading], labels: Ints, targets: NDArray[np.float32] | None) -> Examples:
    return Examples([reading.windows for reading in readings], labels, targets)


def _picked(shares: NDArray[np.float32] | None, places: Sequence[int]) -> NDArray[np.float32] | None:
    return None if shares is None else shares[list(places)]


def _numbered(keys: Sequence[str]) -> list[int]:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return [numbers[key] for key in keys]


def _measurable(
    places: Sequence[int],
    known: Sequence[Rendered],
    indices: Ints,
    encoder: TextEncoder,
    pause: Callable[[], None],
) -> Measurable:
    return Measurable([encoder.read(known[i]) for i in _pausing(places, pause)], indices[list(places)])


def _windows(parameters: Parameters, max_tokens: int) -> Windows | None:
    if not parameters.window_stride:
        return None
    stride = fitting_stride(parameters.window_stride, max_tokens)
    return Windows(stride, parameters.max_windows, parameters.window_reducer)


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
