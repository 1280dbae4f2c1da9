"""Traces and sessions as transcripts. These texts are fixed: evaluators were trained on them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.cells import instance as read
from gnomon.convert import instance_from_proto, instance_to_proto
from gnomon.errors import InstanceInvalidError
from gnomon.fitting import Rank
from gnomon.instances import Document, Message, Session, Span, SpanKind, Step, ToolCall, Trace
from gnomon.rendering import Rendered, render

SYSTEM, RESULT, TURN, LAST = Rank
POLICY = Message("Help with orders.", "system")
ASKED = Message("Cancel order 7.", "user")
CALLING = Message("", "assistant", (ToolCall("cancel", '{"order": 7, "why": ["late"]}', "c1"),))
DONE = Message('{"status": "cancelled"}', "tool", tool_call_id="c1")
ANSWER = Message("It is cancelled.", "assistant")
THANKS = Message("Thanks", "user")
CHAT = (POLICY, ASKED, CALLING, DONE)
TRACE = Trace((Span(input=CHAT, output=(ANSWER,)),))


def lines_of(found: Any) -> list[str]:
    step = Step.SESSION if isinstance(found, Session) else Step.TRACE
    return render(found, f"whole-{step}/2", step).text.split("\n")


def parts_of(rendered: Rendered) -> list[tuple[str, Rank]]:
    found, start = [], 0
    for part in rendered.parts:
        found.append((rendered.text[start : start + part.characters], part.rank))
        start += part.characters
    assert start == len(rendered.text)
    return found


def test_a_chat_is_a_transcript_with_roles_tools_arguments_and_results() -> None:
    assert parts_of(render(TRACE, "whole-trace/2", Step.TRACE)) == [
        ("system: Help with orders.\n", SYSTEM),
        ("user: Cancel order 7.\n", LAST),
        ("assistant calls cancel(order: 7, why: late)\n", LAST),
        ("cancel returns status: cancelled\n", RESULT),
        ("assistant: It is cancelled.", LAST),
    ]


def test_the_first_request_and_the_last_four_turns_rank_above_the_others() -> None:
    says = [Message(str(n), "user" if n % 2 else "assistant") for n in range(9)]

    parts = parts_of(render(Trace((Span(input=tuple(says)),)), "whole-trace/2", Step.TRACE))

    assert [n for n, (_, rank) in enumerate(parts) if rank is LAST] == [1, 5, 6, 7, 8]
    assert {rank for n, (_, rank) in enumerate(parts) if n in {0, 2, 3, 4}} == {TURN}


def test_a_session_says_the_same_whether_or_not_its_traces_repeat_what_was_said() -> None:
    first = Trace((Span(input=(POLICY, ASKED), output=(CALLING,)), Span(input=CHAT, output=(ANSWER,))))
    repeating = Trace((Span(input=(*CHAT, ANSWER, THANKS), output=(Message("Bye", "assistant"),)),))
    going_on = Trace((Span(input=(POLICY, THANKS), output=(Message("Bye", "assistant"),)),))
    shortened = Trace((Span(input=(POLICY, DONE, ANSWER, THANKS), output=(Message("Bye", "assistant"),)),))

    expected = [*lines_of(TRACE), "user: Thanks", "assistant: Bye"]
    for second in (repeating, going_on, shortened):
        assert lines_of(Session((first, second))) == expected


def test_what_is_said_twice_is_written_twice() -> None:
    yes, more = Message("yes", "user"), Message("And this?", "assistant")
    trace = Trace((Span(input=(yes, more, yes, more), output=(yes,)),))
    assert lines_of(trace) == [
        "user: yes",
        "assistant: And this?",
        "user: yes",
        "assistant: And this?",
        "user: yes",
    ]


def test_the_output_of_a_span_comes_after_the_spans_that_it_holds() -> None:
    agent = Span(input=(ASKED,), output=(ANSWER,), kind=SpanKind.AGENT, span_id="a")
    calls = Span(input=(POLICY, ASKED), output=(CALLING,), span_id="l1", parent_span_id="a")
    tool = Span(output=(Message("done"),), kind=SpanKind.TOOL, span_id="t", parent_span_id="a")
    answers = Span(input=CHAT, output=(ANSWER,), span_id="l2", parent_span_id="a")
    after = Span(input=(THANKS,), span_id="b")

    assert lines_of(Trace((agent, calls, tool, answers, after))) == [
        "user: Cancel order 7.",
        "system: Help with orders.",
        "assistant calls cancel(order: 7, why: late)",
        "[tool] user: done",
        "cancel returns status: cancelled",
        "assistant: It is cancelled.",
        "user: Thanks",
    ]


def test_spans_that_run_beside_each_other_are_written_as_they_start() -> None:
    def tool(name: str, parent: str) -> Span:
        output = (Message(f"{name} ends"),)
        return Span((Message(name),), output, kind=SpanKind.TOOL, span_id=name, parent_span_id=parent)

    first, second = tool("a", ""), tool("b", "")
    trace = Trace((first, second, tool("a1", "a"), tool("a2", "a"), tool("b1", "b")))

    said = [line.removeprefix("[tool] user: ") for line in lines_of(trace)]

    assert said == ["a", "a ends", "b", "a1", "a1 ends", "a2", "a2 ends", "b1", "b1 ends", "b ends"]


def test_a_trace_nested_ten_thousand_deep_is_written() -> None:
    spans = (
        Span(output=(Message(str(n)),), span_id=f"s{n}", parent_span_id=f"s{n - 1}") for n in range(10_000)
    )
    assert len(lines_of(Trace(tuple(spans)))) == 10_000


def test_a_tools_span_is_left_out_if_a_message_brings_its_result() -> None:
    tool = Span(
        input=(Message('{"order": 7}'),), output=(Message(DONE.content, "assistant"),), kind=SpanKind.TOOL
    )
    trace = Trace((Span(input=(POLICY, ASKED), output=(CALLING,)), tool, *TRACE.spans))
    assert lines_of(trace) == lines_of(TRACE)


def test_spans_of_retrievers_say_so() -> None:
    search = Span(
        kind=SpanKind.RETRIEVER,
        input=(Message("policy", "user"),),
        documents=(Document("Within a day."), Document("Never.")),
    )
    parts = parts_of(render(Trace((search,)), "whole-trace/2", Step.TRACE))
    assert parts == [
        ("[retriever] user: policy\n", RESULT),
        ("[retriever] document: Within a day.\n", RESULT),
        ("[retriever] document: Never.", RESULT),
    ]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (("1", "2", "2", "1"), ["b returns B", "a returns A"]),
        (("", "", "", ""), ["a returns B", "b returns A"]),  # nobody says whose it is: in their order
        (("1", "2", "9", "2"), ["a returns B", "b returns A"]),
        (("1", "1", "1", "1"), ["b returns B", "tool returns A"]),
    ],
)
def test_a_result_is_of_the_tool_whose_call_it_names(ids: tuple[str, ...], expected: list[str]) -> None:
    first, second, third, fourth = ids
    calls = Message("", "assistant", (ToolCall("a", "", first), ToolCall("b", "", second)))
    results = (Message("B", "tool", tool_call_id=third), Message("A", "tool", tool_call_id=fourth))
    assert lines_of(Trace((Span(input=(calls, *results)),)))[2:] == expected


@pytest.mark.parametrize(
    ("result", "written"),
    [
        ('[{"flight": "HAT069", "seats": {"basic": 17}}]', "flight: HAT069, seats: basic: 17"),
        ('He said "{hello}"', 'He said "{hello}"'),
        ("", "nothing"),
        ("{}", "nothing"),
        ("Error: no [seats]", "Error: no [seats]"),
    ],
)
def test_of_json_the_words_are_written(result: str, written: str) -> None:
    messages = (Message(result, "tool"),)
    assert lines_of(Trace((Span(input=messages),))) == [f"tool returns {written}"]


@pytest.mark.parametrize("whole", [Trace(()), Trace((Span(),)), Session(()), Session((Trace(()),))])
def test_a_trace_or_session_in_which_nobody_speaks_is_refused(whole: Trace | Session) -> None:
    with pytest.raises(InstanceInvalidError, match="no message"):
        lines_of(whole)


def test_a_trace_is_a_session_of_one_trace_and_the_other_way_round() -> None:
    session = Session((TRACE,))
    assert render(TRACE, "whole-session/2", Step.SESSION) == render(session, "whole-session/2", Step.SESSION)
    assert render(session, "whole-trace/2", Step.TRACE) == render(TRACE, "whole-trace/2", Step.TRACE)


texts = st.text(max_size=20)
calls = st.builds(ToolCall, st.sampled_from(["a", "b"]), texts, st.sampled_from("xyz"))
messages = st.builds(
    Message,
    content=texts,
    role=st.sampled_from(["system", "user", "assistant", "tool", "", "critic"]),
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    tool_call_id=st.sampled_from(["", "x", "y"]),
)
some = st.lists(messages, max_size=4).map(tuple)
spans = st.builds(
    Span,
    input=some,
    output=some,
    documents=st.lists(st.builds(Document, texts), max_size=2).map(tuple),
    kind=st.sampled_from(SpanKind),
    span_id=st.sampled_from(["", "1", "2", "3"]),
    parent_span_id=st.sampled_from(["", "1", "2", "9"]),
)
sessions = st.builds(
    Session, st.lists(st.builds(Trace, st.lists(spans, max_size=5).map(tuple)), max_size=3).map(tuple)
)


@given(sessions)
def test_any_session_is_the_same_text_here_and_after_the_wire_and_its_parts_are_all_of_it(
    session: Session,
) -> None:
    try:
        rendered = render(session, "whole-session/2", Step.SESSION)
    except InstanceInvalidError:
        return
    again = instance_from_proto(instance_to_proto(session))

    assert render(again, "whole-session/2", Step.SESSION) == rendered
    assert "".join(text for text, _ in parts_of(rendered)) == rendered.text
    assert all(part.characters for part in rendered.parts)


def test_a_chat_file_and_a_session_object_give_the_same_text() -> None:
    chat = [
        {"role": "user", "content": "Cancel order 7."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "cancel", "arguments": '{"order": 7, "why": ["late"]}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "cancel", "content": '{"status": "cancelled"}'},
        {"role": "assistant", "content": "It is cancelled."},
    ]
    whole = {"traces": [{"spans": [{"input": chat[:3], "output": chat[3:]}]}]}

    from_chat = read({"messages": chat}, Step.SESSION)

    assert (
        from_chat
        == read({"session": whole}, Step.SESSION)
        == read(json.loads(json.dumps({"session": whole})))
    )
    assert lines_of(from_chat) == lines_of(TRACE)[1:]
