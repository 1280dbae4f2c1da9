"""What a preset holds, and the metric that it makes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnomon import cells
from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import InputShape, Instance, OutputType, Step
from gnomon.names import PresetEdition

_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")


@dataclass(frozen=True, slots=True)
class PresetClass:
    label: str
    rubric: str
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """What only the user knows; `description` says what to write."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class PresetExample:
    """A labelled row. `cells` are the columns that the metric reads; see `gnomon.cells`.

    `values` are those of the preset's parameters under which the label holds.
    """

    label: str
    cells: Mapping[str, Any]
    reason: str
    values: Mapping[str, str]

    def row(self) -> dict[str, Any]:
        """Return the row as `client.datasets.upload` takes it."""
        return {"label": self.label, **self.cells, **self.values, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Preset:
    """`description` and `judge_prompt` may hold `{{parameter}}`."""

    edition: PresetEdition
    display_name: str
    description: str
    output_type: OutputType
    step: Step
    input_shape: InputShape
    classes: tuple[PresetClass, ...]
    judge_prompt: str
    parameters: tuple[Parameter, ...]
    examples: tuple[PresetExample, ...]

    @property
    def id(self) -> str:
        return self.edition.preset

    @property
    def flagged_labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.classes if c.flagged)

    def instance(self, example: PresetExample) -> Instance:
        """Return what an example holds, as `gnomon.cells` reads a row."""
        return cells.instance(example.cells, self.step)

    def definition(self) -> dict[str, Any]:
        """Return the fields of a `gnomon.v1.Metric` as JSON values, parameters not filled in.

        It does not name the preset: it is what a metric of one's own starts from.
        """
        return {
            "display_name": self.display_name,
            "description": self.description,
            "output_type": self.output_type.name,
            "step": self.step.name,
            "input_shape": self.input_shape.name,
            "classes": [{"label": c.label, "rubric": c.rubric, "flagged": c.flagged} for c in self.classes],
            "judge_prompt": self.judge_prompt,
        }

    def metric(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of `client.metrics.create`, with a value for each parameter.

        Raises:
            InvalidRequestError: a parameter has no value, or there is none of a given name.
        """
        self._check(values)
        definition = self.definition() | {"preset": str(self.edition)}
        for field in ("description", "judge_prompt"):
            definition[field] = _PLACEHOLDER.sub(lambda match: values[match[1]].strip(), definition[field])
        return definition

    def _check(self, values: Mapping[str, str]) -> None:
        known = {parameter.name for parameter in self.parameters}
        problems = [
            Violation(f"values.{name}", f"is no parameter of {self.id}, which has {_listed(known)}")
            for name in values
            if name not in known
        ]
        problems += [
            Violation(f"values.{parameter.name}", f"is needed by {self.id}: {parameter.description}")
            for parameter in self.parameters
            if not values.get(parameter.name, "").strip()
        ]
        if problems:
            raise InvalidRequestError(
                f"{problems[0].field} {problems[0].description.rstrip('.')}.", violations=problems
            )


def placeholders(text: str) -> set[str]:
    """Return the names of the parameters that stand in a text."""
    return set(_PLACEHOLDER.findall(text))


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
