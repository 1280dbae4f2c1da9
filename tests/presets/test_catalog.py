"""Every preset keeps the rules of those who will take it: the registry, the trainer, the templates."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import presets
from gnomon.errors import InvalidRequestError, NotFoundError
from gnomon.presets.preset import placeholders
from gnomon.presets.reading import parts
from gnomon_registry.domain.entities import Definition, LabelClass
from gnomon_registry.domain.rules import check_texts, checked_definition
from gnomon_trainer.domain.columns import choose
from gnomon_trainer.domain.rows import RawRecord, StoredRow, stored_row
from gnomon_trainer.domain.training import MetricDefinition

ALL = presets.list_presets()
each = pytest.mark.parametrize("preset", ALL, ids=lambda preset: preset.id)
MOST_CHARACTERS = 2_000  # of a prompt: what a judge still reads as one thing

THE_ROW = {
    "action-advancement", "action-completion", "answer-correctness", "answer-relevance", "brand-tone",
    "completeness", "context-adherence", "context-relevance", "correctness", "faithfulness",
    "instruction-adherence", "pii-input", "pii-output", "prompt-injection", "refusal", "sexism-input",
    "sexism-output", "summary-quality", "tone", "tool-error", "tool-selection-quality", "toxicity-input",
    "toxicity-output",
}  # fmt: skip


def test_the_catalog_holds_what_the_documentation_promises() -> None:
    assert {preset.id for preset in ALL} == THE_ROW
    assert len(presets.load("tone").classes) == 9


def test_the_documentation_is_made_from_the_catalog() -> None:
    command = [sys.executable, Path(__file__).parents[2] / "tools" / "presets.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


@each
def test_a_preset_keeps_the_registrys_rules(preset: presets.Preset) -> None:
    check_texts(
        "metric",
        display_name=preset.display_name,
        description=preset.description,
        judge_prompt=preset.judge_prompt,
    )
    classes = tuple(LabelClass(c.label, c.rubric, c.flagged) for c in preset.classes)
    given = Definition(preset.output_type, classes, preset.step, preset.input_shape, str(preset.edition))

    assert checked_definition(given) == given  # nothing is filled in: all is said


@each
def test_a_preset_is_written_out_for_judges_and_people(preset: presets.Preset) -> None:
    assert preset.display_name
    assert 80 < len(preset.description) < 700
    assert 500 < len(preset.judge_prompt) < MOST_CHARACTERS
    assert all(len(c.rubric) > 40 for c in preset.classes)
    assert preset.flagged_labels
    assert len(preset.flagged_labels) < len(preset.classes)


@each
def test_every_parameter_stands_in_a_text_and_none_is_forgotten(preset: presets.Preset) -> None:
    found = placeholders(preset.description) | placeholders(preset.judge_prompt)

    assert found == {parameter.name for parameter in preset.parameters}
    assert not placeholders(" ".join([preset.display_name, *(c.rubric for c in preset.classes)]))


@each
def test_examples_are_rows_that_the_trainer_takes(preset: presets.Preset) -> None:
    labels = tuple(c.label for c in preset.classes)
    metric = MetricDefinition(
        name=f"metrics/{preset.id}",
        output_type=preset.output_type,
        step=preset.step,
        input_shape=preset.input_shape,
        classes=labels,
        flagged_classes=preset.flagged_labels,
    )
    for line, example in enumerate(preset.examples, 1):
        row = example.row()
        columns = choose(list(row), {}, preset.input_shape)
        stored = stored_row(RawRecord(line, row), columns, metric, 10_000)

        assert isinstance(stored, StoredRow), stored
        assert stored.label == example.label
        assert set(columns.extra) == {"reason", *(parameter.name for parameter in preset.parameters)}


@each
def test_examples_show_every_class_with_a_borderline_and_a_reason(preset: presets.Preset) -> None:
    counts = Counter(example.label for example in preset.examples)
    needed = 1 if len(preset.classes) > 4 else 2

    assert len(preset.examples) >= 6
    assert set(counts) == {c.label for c in preset.classes}
    assert min(counts.values()) >= needed
    assert all(10 < len(example.reason) < 130 and "\n" not in example.reason for example in preset.examples)
    assert any(example.reason.startswith("Borderline") for example in preset.examples)


def test_no_example_appears_twice() -> None:
    seen = Counter(tuple(parts(preset, example)) for preset in ALL for example in preset.examples)

    assert [content for content, count in seen.items() if count > 1] == []


def test_a_preset_that_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(NotFoundError, match="toxicity-output"):
        presets.load("toxicity")


@pytest.mark.parametrize("name", ["../tone", "tone.toml", "", "a" * 1000])
def test_a_name_never_leaves_the_catalog(name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        presets.load(name)
    assert len(caught.value.message) < 800


VOICED = presets.load("brand-tone")


@given(st.text().filter(str.strip))
def test_a_value_goes_in_as_it_is_and_changes_nothing_else(voice: str) -> None:
    made = VOICED.metric({"voice": voice})

    for field in ("description", "judge_prompt"):
        before, after = VOICED.definition()[field].split("{{voice}}")
        assert made[field] == before + voice.strip() + after


@pytest.mark.parametrize(
    ("values", "field"),
    [({}, "values.voice"), ({"voice": " \n"}, "values.voice"), ({"voice": "x", "tone": "y"}, "values.tone")],
)
def test_a_missing_or_unknown_value_is_refused_by_name(values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        VOICED.metric(values)
    assert [violation.field for violation in caught.value.violations] == [field]
