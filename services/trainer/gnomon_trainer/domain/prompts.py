"""How a decoder is asked about an instance, so that its next word is the answer. Pure."""

import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gnomon.instances import InputShape
from gnomon_trainer.domain.training import MetricDefinition

# What the one or two texts are that an instance is rendered to; see `gnomon.rendering`.
_TITLES = {
    InputShape.INPUT: ("Input", ""),
    InputShape.OUTPUT: ("Output", ""),
    InputShape.INPUT_OUTPUT: ("Input", "Output"),
    InputShape.DOCUMENTS_INPUT: ("Input", "Documents"),
    InputShape.DOCUMENTS_INPUT_OUTPUT: ("Input and output", "Documents"),
    InputShape.TOOLS_INPUT_OUTPUT: ("Input and output", "Tools"),
    InputShape.WHOLE_TRACE: ("Trace", ""),
    InputShape.WHOLE_SESSION: ("Session", ""),
}
_MOST_CHARACTERS = 160  # of all classes; every instance pays for the tokens of longer lists


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before the text, between the two of a pair, and after it; the answer follows."""

    before: str
    between: str
    after: str


def titles(shape: InputShape) -> tuple[str, str]:
    """Return what the one or two texts of an input shape are; the second is empty where there is one."""
    return _TITLES[shape]


def prompt_for(metric: MetricDefinition, answers: Sequence[str]) -> Prompt:
    """Return the prompt of a metric; `answers` stand for its classes, in their order.

    Many or long classes are not listed: what their answers mean is learned.
    """
    first, second = titles(metric.input_shape)
    name = metric.name.rpartition("/")[2].replace("-", " ")
    listed = ""
    if sum(map(len, metric.classes)) <= _MOST_CHARACTERS:
        pairs = zip(answers, metric.classes, strict=True)
        listed = " " + ", ".join(f"{answer}: {label}" for answer, label in pairs)
    return Prompt(f"{first}:\n", f"\n\n{second}:\n", f"\n\nQuestion: {name}?{listed}\nAnswer:")


def letters() -> Iterator[str]:
    """Yield what may stand for a class: A to Z, then AA to ZZ."""
    yield from string.ascii_uppercase
    yield from map("".join, itertools.product(string.ascii_uppercase, repeat=2))
