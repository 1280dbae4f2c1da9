"""What an evaluator reads of an instance. A released template never changes: these texts are fixed."""

from dataclasses import replace
from typing import Any

import pytest

from gnomon.convert import instance_from_proto, instance_to_proto
from gnomon.errors import InstanceInvalidError
from gnomon.instances import (
    Document,
    InputShape,
    Instance,
    Message,
    Session,
    Span,
    SpanKind,
    Step,
    Tool,
    ToolCall,
    Trace,
    text_span,
)
from gnomon.rendering import Rendered, is_template, render, template_for

ASKED = Message("Is it open today?", "user")
ANSWERED = Message("Yes, until nine.", "assistant")
CALLING = Message("", "assistant", (ToolCall("hours", '{"day": "today"}', "1"),))
FULL = Span(
    input=(ASKED,),
    output=(ANSWERED,),
    documents=(Document("Open 8-21.", "a"), Document("Closed on Sunday.", "b")),
    tools=(Tool("hours", "Opening hours", '{"type": "object"}'), Tool("route")),
)


@pytest.mark.parametrize("shape", list(InputShape))
def test_every_input_shape_has_a_template_that_this_release_knows(shape: InputShape) -> None:
    assert is_template(template_for(shape))


@pytest.mark.parametrize("template", ["whole-trace/1", "whole-session/1", "whole-trace/2", "whole-session/2"])
def test_templates_of_older_evaluators_stay_known(template: str) -> None:
    assert is_template(template)


@pytest.mark.parametrize(
    "template", ["", "input", "input/0", "whole-session/3", "input/2", "INPUT/1", "../input/1"]
)
def test_other_templates_are_not_known(template: str) -> None:
    assert not is_template(template)


@pytest.mark.parametrize(
    ("shape", "rendered"),
    [
        (InputShape.INPUT, Rendered("Is it open today?")),
        (InputShape.OUTPUT, Rendered("Yes, until nine.")),
        (InputShape.INPUT_OUTPUT, Rendered("Is it open today?", "Yes, until nine.")),
        (InputShape.DOCUMENTS_INPUT, Rendered("Is it open today?", "Open 8-21.\n\nClosed on Sunday.", 1)),
        (
            InputShape.DOCUMENTS_INPUT_OUTPUT,
            Rendered("Is it open today?\nYes, until nine.", "Open 8-21.\n\nClosed on Sunday.", 1),
        ),
        (
            InputShape.TOOLS_INPUT_OUTPUT,
            Rendered(
                "Is it open today?\nYes, until nine.", 'hours Opening hours {"type": "object"}\nroute', 1
            ),
        ),
    ],
)
def test_a_span_is_rendered_by_the_parts_of_its_shape(shape: InputShape, rendered: Rendered) -> None:
    assert render(FULL, template_for(shape), Step.LLM_SPAN) == rendered


READS = {
    InputShape.INPUT: {"input"},
    InputShape.OUTPUT: {"output"},
    InputShape.INPUT_OUTPUT: {"input", "output"},
    InputShape.DOCUMENTS_INPUT: {"documents", "input"},
    InputShape.DOCUMENTS_INPUT_OUTPUT: {"documents", "input", "output"},
    InputShape.TOOLS_INPUT_OUTPUT: {"tools", "input", "output"},
}
EMPTY: dict[str, list[Any]] = {
    "input": [(), (Message(),), (Message(" \n"),)],
    "output": [(), (Message(),), (Message(""), Message(""))],
    "documents": [(), (Document("  "),)],
    "tools": [(), (Tool(""),)],
}


@pytest.mark.parametrize("shape", READS)
@pytest.mark.parametrize("part", EMPTY)
def test_a_part_that_is_read_must_be_there_and_no_other(shape: InputShape, part: str) -> None:
    parts = {name: getattr(FULL, name) for name in EMPTY}
    for nothing in EMPTY[part]:
        span = Span(**(parts | {part: nothing}))
        if part not in READS[shape]:
            assert render(span, template_for(shape), Step.LLM_SPAN) == render(
                FULL, template_for(shape), Step.LLM_SPAN
            )
            continue
        with pytest.raises(InstanceInvalidError) as caught:
            render(span, template_for(shape), Step.LLM_SPAN)
        assert caught.value.metadata == {"field": f"span.{part}"}


def test_several_messages_are_a_transcript_with_roles_and_calls() -> None:
    span = Span(input=(Message("Be brief.", "system"), ASKED), output=(CALLING,))
    rendered = render(span, "input-output/1", Step.LLM_SPAN)
    assert rendered == Rendered("system: Be brief.\nuser: Is it open today?", 'hours({"day": "today"})')
    turns = Span(input=(ASKED, CALLING, Message("8-21", "tool", tool_call_id="1"), Message("no role")))
    assert render(turns, "input/1", Step.LLM_SPAN).text == (
        'user: Is it open today?\nassistant calls hours({"day": "today"})\ntool: 8-21\nuser: no role'
    )


def test_a_trace_is_one_transcript_without_repeated_history() -> None:
    trace = Trace(
        (
            Span(kind=SpanKind.RETRIEVER, input=(ASKED,), documents=(Document("Open 8-21."),)),
            Span(input=(ASKED,), output=(CALLING,)),
            Span(input=(ASKED, CALLING), output=(ANSWERED,)),
        )
    )
    assert render(trace, "whole-trace/1", Step.TRACE).text == (
        "[retriever] user: Is it open today?\n"
        "[retriever] document: Open 8-21.\n"
        'assistant calls hours({"day": "today"})\n'
        "assistant: Yes, until nine."
    )


def test_a_session_is_its_traces_one_after_the_other() -> None:
    one = Trace((Span(input=(ASKED,), output=(ANSWERED,)),))
    two = Trace((Span(input=(Message("Thanks", "user"),)),))
    assert render(Session((one, two)), "whole-session/1", Step.SESSION).text == (
        "user: Is it open today?\nassistant: Yes, until nine.\nuser: Thanks"
    )


@pytest.mark.parametrize(
    ("instance", "template", "step"),
    [
        (Trace(()), "whole-trace/1", Step.TRACE),
        (Trace((Span(),)), "whole-trace/1", Step.TRACE),
        (Session(()), "whole-session/1", Step.SESSION),
        (Session((Trace(()),)), "whole-session/1", Step.SESSION),
    ],
)
def test_a_trace_or_session_in_which_nobody_speaks_is_refused(
    instance: Any, template: str, step: Step
) -> None:
    with pytest.raises(InstanceInvalidError, match="no message"):
        render(instance, template, step)


@pytest.mark.parametrize(
    ("instance", "step"),
    [
        (Session((Trace((FULL,)), Trace((FULL,)))), Step.TRACE),
        (Session(()), Step.TRACE),
        (FULL, Step.TRACE),
        (FULL, Step.SESSION),
        (FULL, Step.RETRIEVER_SPAN),
        (FULL, Step.TOOL_SPAN),
        (FULL, Step.AGENT_SPAN),
        (Trace((FULL,)), Step.LLM_SPAN),
        (Session((Trace((FULL,)),)), Step.LLM_SPAN),
    ],
)
def test_an_instance_of_another_kind_than_the_step_is_refused(instance: Any, step: Step) -> None:
    with pytest.raises(InstanceInvalidError, match="The metric scores"):
        render(instance, "input-output/1", step)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (SpanKind.LLM, Step.LLM_SPAN),
        (SpanKind.RETRIEVER, Step.RETRIEVER_SPAN),
        (SpanKind.TOOL, Step.TOOL_SPAN),
        (SpanKind.AGENT, Step.AGENT_SPAN),
    ],
)
def test_a_span_of_the_steps_kind_is_rendered(kind: SpanKind, step: Step) -> None:
    assert render(text_span(output="x", kind=kind), "output/1", step) == Rendered("x")


@pytest.mark.parametrize("step", [Step.LLM_SPAN, Step.RETRIEVER_SPAN, Step.TOOL_SPAN, Step.AGENT_SPAN])
def test_a_text_of_no_stated_kind_is_of_that_which_the_metric_scores(step: Step) -> None:
    assert render(over_the_wire(text_span(output="x")), "output/1", step) == Rendered("x")


def test_in_a_trace_a_span_of_no_stated_kind_is_a_model_call() -> None:
    asked = Span(input=(Message("Hi", "user"),), kind=None)
    trace = over_the_wire(Trace((asked,)))

    assert trace == Trace((replace(asked, kind=SpanKind.LLM),))
    for template in ("whole-trace/1", "whole-trace/2"):
        assert render(Trace((asked,)), template, Step.TRACE) == render(trace, template, Step.TRACE)


def over_the_wire(instance: Instance) -> Instance:
    return instance_from_proto(instance_to_proto(instance))
