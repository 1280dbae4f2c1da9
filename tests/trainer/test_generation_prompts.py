"""What a generator is asked, and what counts as its answer."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.cells import instance
from gnomon.errors import (
    GenerationShapeUnsupportedError,
)
from gnomon.instances import InputShape, Span, Step
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.generation_answers import NoItemsError, Written, written
from gnomon_trainer.domain.generation_parts import check_shape, written_columns
from gnomon_trainer.domain.generation_prompt import generator_question, generator_schema
from tests.trainer.generation_things import WRITTEN, judged_of, record_of, seed_of, wanted_of
from tests.trainer.injections import PAYLOADS


@pytest.mark.parametrize("shape", WRITTEN)
def test_a_generator_is_asked_for_what_it_may_write_and_for_nothing_else(shape: InputShape) -> None:
    wanted = wanted_of(shape)
    asked = generator_question(judged_of(shape), wanted, lambda count: b"\7" * count)
    fields = generator_schema(judged_of(shape), wanted)["properties"]["items"]["items"]["properties"]

    assert not {"documents", "tools", "label"} & fields.keys()
    assert set(written_columns(shape)) <= fields.keys()
    system, user = (message.content for message in asked.messages)
    assert 'Write 3 new items of the class "true"' in system
    assert "Insults." in system
    assert user.startswith(asked.marker)
    assert user.endswith(asked.marker)
    shown = json.loads(user.split("\n")[1])
    assert len(shown["examples"]) == 3
    assert ("documents" in shown) == ("documents" in record_of(shape, 1))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_example_stays_data_in_the_prompt(payload: str) -> None:
    seed = replace(seed_of(InputShape.INPUT, 1), record={"input": payload})
    wanted = wanted_of(InputShape.INPUT, examples=(seed,))

    asked = generator_question(judged_of(InputShape.INPUT), wanted, lambda count: b"\7" * count)

    lines = asked.messages[1].content.split("\n")
    assert len(lines) == 3
    assert json.loads(lines[1])["examples"] == [{"input": payload}]
    assert payload not in asked.messages[0].content


def answer(*items: Any) -> ChatAnswer:
    return ChatAnswer(json.dumps({"items": list(items)}), "tiny-1")


@pytest.mark.parametrize("shape", [s for s in WRITTEN if "DOCUMENTS" in s.name or "TOOLS" in s.name])
@given(number=st.integers(0, 50))
def test_what_is_copied_is_the_seeds_word_for_word(shape: InputShape, number: int) -> None:
    carrier = seed_of(shape, number)
    wanted = wanted_of(shape, carrier=carrier)
    item = dict.fromkeys(written_columns(shape), "New.")

    found = written(answer(item), wanted, shape, "MARKER")

    (cells,) = found.rows
    column = "tools" if "TOOLS" in shape.name else "documents"
    assert cells[column] == carrier.record[column]


@pytest.mark.parametrize(
    "item",
    [
        "text",
        {},
        {"input": ""},
        {"input": "   "},
        {"input": 7},
        {"input": "New.", "documents": ["Invented."]},
        {"input": "New.", "label": "false"},
        {"input": "New.", "label": "unheard-of"},
        {"input": "New.", "more": "x"},
        {"input": "half a pair \ud800"},
        {"input": "a NUL \0"},
        {"input": "x" * 20_001},
    ],
)
def test_an_item_that_is_none_is_not_used(item: Any) -> None:
    wanted = wanted_of(InputShape.INPUT, count=2)

    found = written(answer(item, {"input": "Fine.", "label": "true"}), wanted, InputShape.INPUT, "MARKER")

    assert found == Written(({"input": "Fine."},), 1)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"rows": []}', '{"items": "x"}', '{"items": [{"input": "MARKER"}]}']
)
def test_an_answer_that_is_none_is_told_apart(text: str) -> None:
    with pytest.raises(NoItemsError):
        written(ChatAnswer(text, "tiny-1"), wanted_of(InputShape.INPUT), InputShape.INPUT, "MARKER")


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_an_answer(text: str) -> None:
    for whole in (text, json.dumps({"items": [text, {"input": text}]})):
        try:
            found = written(ChatAnswer(whole, "m"), wanted_of(InputShape.INPUT), InputShape.INPUT, "MARKER")
        except NoItemsError:
            continue
        assert all(cells["input"].strip() for cells in found.rows)


def test_only_tools_that_are_given_can_be_called() -> None:
    shape = InputShape.TOOLS_INPUT_OUTPUT
    good = {"input": "When?", "output": "", "tool_calls": [{"name": "search", "arguments": '{"query": "x"}'}]}
    bad = [
        good | {"tool_calls": [{"name": "delete_all", "arguments": "{}"}]},
        good | {"tool_calls": [{"name": ["search"], "arguments": "{}"}]},
        good | {"tool_calls": [{"name": "search", "arguments": "not JSON"}]},
        good | {"tool_calls": [{"name": "search", "arguments": "[1]"}]},
        good | {"tool_calls": "search"},
        good | {"tool_calls": []},  # and so no output at all
    ]

    found = written(answer(good, *bad), wanted_of(shape, count=7), shape, "MARKER")

    assert found.unusable == len(bad)
    (cells,) = found.rows
    made = instance(cells, Step.LLM_SPAN)
    assert isinstance(made, Span)
    assert made.output[0].tool_calls[0].arguments == '{"query": "x"}'
    assert made.tools[0].tool == "search"


@pytest.mark.parametrize("shape", [InputShape.WHOLE_TRACE, InputShape.WHOLE_SESSION])
def test_whole_traces_are_not_made_up(shape: InputShape) -> None:
    with pytest.raises(GenerationShapeUnsupportedError):
        check_shape("metrics/toxicity", shape)
