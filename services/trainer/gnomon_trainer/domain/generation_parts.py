"""Which parts of an instance a generator writes, and which it copies from a seed. Pure.

Documents and the definitions of tools are copied: one that a model invents
says nothing about how an application does with its own.
"""

from collections.abc import Mapping
from typing import Any

from gnomon.errors import GenerationShapeUnsupportedError
from gnomon.instances import InputShape, Instance
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.domain.texts import context_of as rendered_context
from gnomon_trainer.domain.texts import fingerprint, joined, normalised
from gnomon_trainer.domain.training import MetricDefinition

INPUT, OUTPUT, DOCUMENTS, TOOLS = "input", "output", "documents", "tools"

_WRITTEN: Mapping[InputShape, tuple[str, ...]] = {
    InputShape.INPUT: (INPUT,),
    InputShape.OUTPUT: (OUTPUT,),
    InputShape.INPUT_OUTPUT: (INPUT, OUTPUT),
    InputShape.DOCUMENTS_INPUT: (INPUT,),
    InputShape.DOCUMENTS_INPUT_OUTPUT: (INPUT, OUTPUT),
    InputShape.TOOLS_INPUT_OUTPUT: (INPUT, OUTPUT),
}
_COPIED: Mapping[InputShape, str] = {
    InputShape.DOCUMENTS_INPUT: DOCUMENTS,
    InputShape.DOCUMENTS_INPUT_OUTPUT: DOCUMENTS,
    InputShape.TOOLS_INPUT_OUTPUT: TOOLS,
}


def check_shape(metric: str, shape: InputShape) -> None:
    """Raise GenerationShapeUnsupportedError for a metric that reads more than a model should make up."""
    if shape not in _WRITTEN:
        raise GenerationShapeUnsupportedError(
            f"{metric} reads a {shape.value.replace('_', ' ')}; rows of that kind are not generated. Label "
            "recorded ones instead: `gnomon traffic import` reads them.",
            resource=metric,
            input_shape=shape.value.upper(),
        )


def written_columns(shape: InputShape) -> tuple[str, ...]:
    """Return the columns that a generator writes."""
    return _WRITTEN[shape]


def copied_column(shape: InputShape) -> str | None:
    """Return the column that a generated row has from a seed as it stands; None if there is none."""
    return _COPIED.get(shape)


def rendering(instance: Instance, metric: MetricDefinition) -> Rendered:
    """Return what an evaluator of the metric would read; raises as `gnomon.rendering.render`."""
    return render(instance, template_for(metric.input_shape), metric.step)


def written_text(instance: Instance, metric: MetricDefinition) -> str:
    """Return, normalised, what was written of an instance, without what it has from a seed on purpose."""
    parts = rendering(instance, metric)
    return normalised(parts.text if parts.windowed else joined(parts))


def context_of(instance: Instance, metric: MetricDefinition) -> int:
    """Return a number that instances have in common which are judged in the same context."""
    return fingerprint(rendered_context(rendering(instance, metric)))


def shown(record: Mapping[str, Any], shape: InputShape) -> dict[str, Any]:
    """Return of a row what a generator is shown of it."""
    return {name: record[name] for name in written_columns(shape) if name in record}
