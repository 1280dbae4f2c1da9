"""Divides the training rows: to learn from, held out, set aside. Pure."""

from collections.abc import Hashable, Iterable, Sequence

from gnomon.errors import DatasetUnsuitableError
from gnomon.rendering import render, template_for
from gnomon_trainer.domain.set_aside import SetAside, needed, set_aside
from gnomon_trainer.domain.texts import context_of, fingerprint, joined, normalised
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Row
from gnomon_trainer.domain.validation_split import LEAST_HELD_OUT_FROM, hold_out_contexts, most_unheld


def divided(
    labels: Sequence[str],
    keys: Sequence[Hashable],
    contexts: Sequence[Hashable],
    aside: SetAside | None,
    parameters: Parameters,
    *,
    training_set: str,
) -> tuple[list[int], list[int]]:
    """Return the places of the rows to learn from and of those held out, neither of them set aside.

    Raises:
        DatasetUnsuitableError: none can be held out.
    """
    gone = set(aside.rows) if aside else set()
    left = [place for place in range(len(labels)) if place not in gone]
    parts = hold_out_contexts(
        [labels[place] for place in left],
        [keys[place] for place in left],
        [contexts[place] for place in left],
        parameters.validation_share,
        parameters.seed,
    )
    training, validation = ([left[place] for place in part] for part in parts)
    if not validation:
        besides = f", {len(gone)} set aside for the guarantee not counted" if gone else ""
        raise DatasetUnsuitableError(
            f"Of the {len(left)} rows of {training_set} to learn from{besides}, none can be held out for "
            f"calibration and the threshold. Add rows: at least {LEAST_HELD_OUT_FROM} of a class, with "
            "different texts.",
            resource=training_set,
        )
    return training, validation


def check_division(
    rows: Iterable[Row], metric: MetricDefinition, parameters: Parameters, training_set: str
) -> None:
    """Raise what `set_aside` and `divided` will raise in training, of the rows that will be left to it.

    Reads on only as long as it may be that something is raised.
    """
    most = most_unheld(len(metric.classes), parameters.validation_share)
    is_rest_needed = needed(parameters) is not None
    labels, keys, contexts, different = [], [], [], set()
    template = template_for(metric.input_shape)
    for row in rows:
        parts = render(row.instance, template, metric.step)
        labels.append(row.label)
        keys.append(fingerprint(normalised(joined(parts))))
        contexts.append(fingerprint(context_of(parts)))
        different.add(keys[-1])
        if len(different) > most and not is_rest_needed:
            return
    aside = set_aside(labels, keys, contexts, metric.flagged_classes, parameters, training_set=training_set)
    divided(labels, keys, contexts, aside, parameters, training_set=training_set)
