"""What a decoder is asked."""

from dataclasses import replace

import pytest

from gnomon.instances import InputShape
from gnomon_trainer.domain.prompts import letters, prompt_for
from tests.trainer.fine_tuning import tiny


def test_a_prompt_names_what_is_read_asks_for_the_metric_and_lists_the_classes() -> None:
    prompt = prompt_for(tiny.BOOLEAN, ["A", "B"])
    assert prompt.before == "Input:\n"
    assert prompt.between == "\n\nOutput:\n"
    assert prompt.after == "\n\nQuestion: gloom? A: false, B: true\nAnswer:"


def test_many_classes_are_not_listed() -> None:
    classes = tuple(f"intent number {n}" for n in range(77))
    metric = replace(tiny.CATEGORICAL, name="metrics/bank-intent", classes=classes)
    assert prompt_for(metric, classes).after == "\n\nQuestion: bank intent?\nAnswer:"


@pytest.mark.parametrize("shape", list(InputShape))
def test_every_input_shape_has_a_prompt(shape: InputShape) -> None:
    prompt = prompt_for(replace(tiny.BOOLEAN, input_shape=shape), ["A", "B"])
    assert prompt.before.endswith(":\n")
    assert len(prompt.before) > 2


def test_there_are_letters_for_hundreds_of_classes_and_no_two_are_the_same() -> None:
    found = list(letters())
    assert found[:3] == ["A", "B", "C"]
    assert len(found) == len(set(found)) == 26 + 26 * 26
