"""What a row holds, by the metric that reads it."""

from typing import Any

import pytest

from gnomon.cells import CellError, instance
from gnomon.cli import rows
from gnomon.instances import Session, Span, Step, ToolCall, Trace

CHAT = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "Today."}]
CELLS = {"input": "When?", "output": "Today.", "messages": CHAT}


@pytest.mark.parametrize(
    ("step", "kind"), [(Step.SESSION, Session), (Step.TRACE, Trace), (Step.LLM_SPAN, Span)]
)
def test_of_a_row_with_texts_and_a_chat_the_metric_reads_what_it_scores(step: Step, kind: type) -> None:
    assert type(instance(CELLS, step)) is kind
    assert type(rows.instance_of(CELLS | {"label": True}, {}, step)) is kind


@pytest.mark.parametrize(
    ("cells", "step", "read"),
    [
        ({"messages": CHAT, "trace": "4bf92f35"}, Step.TRACE, {"messages": CHAT}),
        ({"messages": CHAT, "trace": [{"input": "other"}]}, Step.TRACE, {"messages": CHAT}),
        ({"messages": CHAT, "session": "s1"}, Step.TRACE, {"messages": CHAT}),
        ({"messages": CHAT, "trace": "4bf92f35"}, Step.SESSION, {"messages": CHAT}),
        ({"session": [{"spans": []}], "messages": CHAT}, Step.SESSION, {"session": [{"spans": []}]}),
        ({"input": "When?", "session": "s1", "trace": "4bf92f35"}, Step.LLM_SPAN, {"input": "When?"}),
        ({"trace": [{"input": "When?"}], "messages": None}, Step.TRACE, {"trace": [{"input": "When?"}]}),
    ],
)
def test_beside_what_the_metric_reads_nothing_else_is_looked_at(
    cells: dict[str, Any], step: Step, read: dict[str, Any]
) -> None:
    assert rows.instance_of(cells, {}, step) == instance(read, step)


def test_a_call_as_it_was_before_there_were_tools_is_a_call() -> None:
    old = {"role": "assistant", "content": None, "function_call": {"name": "hours", "arguments": "{}"}}
    found = instance({"messages": [CHAT[0], old, CHAT[1]]}, Step.TRACE)
    assert isinstance(found, Trace)
    assert found.spans[0].input[1].tool_calls == (ToolCall("hours", "{}"),)


def test_a_chat_may_lie_in_an_object_as_files_for_fine_tuning_have_it() -> None:
    assert instance({"messages": {"messages": CHAT}}, Step.SESSION) == instance(
        {"messages": CHAT}, Step.SESSION
    )


def test_an_error_tells_column_and_place() -> None:
    with pytest.raises(CellError) as caught:
        instance({"trace": [{"input": [{"content": "x"}]}, {"output": [{"role": "user"}]}]}, Step.TRACE)
    assert caught.value.column == "trace"
    assert caught.value.place == "trace.spans[1].output[0]"
    assert str(caught.value) == "spans[1].output[0] has neither `content` nor `tool_calls`"
