"""What a valid text, class and metric definition is."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator

from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import PresetEdition
from gnomon_registry.domain.entities import Definition, LabelClass

DISPLAY_NAME_LENGTH = 63
ORIGIN_LENGTH = 200
DESCRIPTION_LENGTH = 10_000
LABEL_LENGTH = 63
RUBRIC_LENGTH = 2_000
JUDGE_PROMPT_LENGTH = 50_000

_LIMITS = {
    "display_name": DISPLAY_NAME_LENGTH,
    "description": DESCRIPTION_LENGTH,
    "judge_prompt": JUDGE_PROMPT_LENGTH,
    "origin": ORIGIN_LENGTH,
    "importer": ORIGIN_LENGTH,
}
_ONE_LINE = {"display_name", "origin", "importer"}
_BOOLEAN = (LabelClass("false"), LabelClass("true", flagged=True))


def refuse(problems: Iterable[Violation]) -> None:
    """Raise InvalidRequestError that names all problems, if there are any."""
    problems = list(problems)
    if problems:
        raise InvalidRequestError(f"{problems[0].field} {problems[0].description}.", violations=problems)


def check_texts(prefix: str, **texts: str) -> None:
    """Check free texts by the name of their field: `display_name`, `description`, `judge_prompt`."""
    refuse(
        problem
        for field, text in texts.items()
        for problem in _text_problems(f"{prefix}.{field}", text, _LIMITS[field], field in _ONE_LINE)
    )


def _text_problems(field: str, text: str, limit: int, one_line: bool = False) -> Iterator[Violation]:
    if len(text) > limit:
        yield Violation(field, f"has {len(text)} characters; at most {limit} are allowed")
    if "\0" in text:
        yield Violation(field, "must not hold NUL characters")
    elif one_line and any(unicodedata.category(c) == "Cc" for c in text):
        yield Violation(field, "must not hold line breaks or control characters")


def checked_definition(definition: Definition, prefix: str = "metric") -> Definition:
    """Return the definition with a boolean metric's classes filled in.

    Raises:
        InvalidRequestError: a rule is broken; all that are broken are named.
    """
    problems = [
        *_class_problems(definition, prefix),
        *_shape_problems(definition, prefix),
        *_preset_problems(definition, prefix),
    ]
    refuse(problems)
    if definition.output_type is OutputType.CATEGORICAL:
        return definition
    given = {c.label: c for c in definition.classes}
    classes = tuple(dataclasses.replace(given.get(c.label, c), flagged=c.flagged) for c in _BOOLEAN)
    return dataclasses.replace(definition, classes=classes)


def _class_problems(definition: Definition, prefix: str) -> Iterator[Violation]:
    labels = definition.labels
    for index, each in enumerate(definition.classes):
        field = f"{prefix}.classes[{index}]"
        yield from _text_problems(f"{field}.label", each.label, LABEL_LENGTH, one_line=True)
        yield from _text_problems(f"{field}.rubric", each.rubric, RUBRIC_LENGTH)
        if each.label != each.label.strip() or not each.label:
            yield Violation(f"{field}.label", "must not be empty, nor begin or end with white space")
        if each.label in labels[:index]:
            yield Violation(f"{field}.label", f"is {each.label!r} a second time; classes must be distinct")
    if definition.output_type is OutputType.CATEGORICAL:
        if not 2 <= len(labels) <= 255:
            yield Violation(f"{prefix}.classes", f"are {len(labels)}; a categorical metric has 2 to 255")
        return
    if labels and set(labels) != {"false", "true"}:
        yield Violation(f"{prefix}.classes", "of a boolean metric must be 'false' and 'true', or left out")
    elif "false" in definition.flagged_labels:
        yield Violation(f"{prefix}.classes", "of a boolean metric: 'true' is flagged, 'false' must not be")


def _shape_problems(definition: Definition, prefix: str) -> Iterator[Violation]:
    whole = {Step.TRACE: InputShape.WHOLE_TRACE, Step.SESSION: InputShape.WHOLE_SESSION}
    step, shape = definition.step, definition.input_shape
    wanted = whole.get(step)
    if wanted and shape is not wanted:
        yield Violation(f"{prefix}.input_shape", f"must be {wanted.name} for the step {step.name}")
    elif not wanted and shape in whole.values():
        fitting = next(s for s, w in whole.items() if w is shape)
        yield Violation(f"{prefix}.input_shape", f"is {shape.name}, which needs the step {fitting.name}")


def _preset_problems(definition: Definition, prefix: str) -> Iterator[Violation]:
    if definition.preset:
        try:
            PresetEdition.parse(definition.preset, f"{prefix}.preset")
        except InvalidRequestError as error:
            yield from error.violations
