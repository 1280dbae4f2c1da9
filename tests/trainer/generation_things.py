"""Seeds, rows and calls to test generation with."""

from dataclasses import replace
from typing import Any

from gnomon.cells import instance
from gnomon.instances import InputShape, Step
from gnomon_trainer.domain.generation_parts import written_columns
from gnomon_trainer.domain.generation_prompt import Wanted
from gnomon_trainer.domain.generation_seeds import Seed
from gnomon_trainer.domain.generation_wishes import Manner
from gnomon_trainer.domain.judge_prompt import JudgeClass, Judged
from gnomon_trainer.domain.training import MetricDefinition, Row
from tests.trainer.fake_writer import text_of
from tests.trainer.things import TOXICITY

WRITTEN = [shape for shape in InputShape if shape not in {InputShape.WHOLE_TRACE, InputShape.WHOLE_SESSION}]
SEARCH = {
    "name": "search",
    "description": "Looks things up.",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
}


def metric_of(shape: InputShape) -> MetricDefinition:
    return replace(TOXICITY, input_shape=shape)


def judged_of(shape: InputShape) -> Judged:
    classes = (JudgeClass("false", "All else."), JudgeClass("true", "Insults."))
    return Judged("metrics/toxicity", "Is the answer toxic?", classes, Step.LLM_SPAN, shape)


def record_of(shape: InputShape, number: int) -> dict[str, Any]:
    record: dict[str, Any] = {name: text_of(10 * number + len(name)) for name in written_columns(shape)}
    if shape in {InputShape.DOCUMENTS_INPUT, InputShape.DOCUMENTS_INPUT_OUTPUT}:
        record["documents"] = [f"Document {number}: {text_of(5_000 + number)}"]
    if shape is InputShape.TOOLS_INPUT_OUTPUT:
        record["tools"] = [SEARCH]
    return record


def seed_of(shape: InputShape, number: int, label: str = "true") -> Seed:
    return Seed("datasets/test@1", number, label, record_of(shape, number), f"seed {number}")


def wanted_of(shape: InputShape, count: int = 3, **fields: Any) -> Wanted:
    seeds = tuple(seed_of(shape, number) for number in range(1, 4))
    values: dict[str, Any] = {
        "label": "true",
        "count": count,
        "examples": seeds,
        "others": (seed_of(shape, 9, "false"),),
        "carrier": seeds[0],
        "avoided": (),
        "length": "Short.",
        "tone": "Plain.",
        "manner": Manner(),
    }
    return Wanted(**values | fields)


def row(number: int, label: str, input_text: str = "", output_text: str = "") -> Row:
    cells = {"input": input_text or text_of(2 * number), "output": output_text or text_of(2 * number + 1)}
    return Row(number, instance(cells, Step.LLM_SPAN), label)
