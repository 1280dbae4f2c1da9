"""What each tool exports becomes the same rows: the same small trace, told in seven ways."""

import json
from pathlib import Path
from typing import Any

import pytest

from gnomon import traffic
from tests.sdk.traffic.made import GOLDEN, kept, lines, rows_of

QUESTION = "Weather in Paris?"
SYSTEM = {"role": "system", "content": "You tell the weather."}
ASKED = [SYSTEM, {"role": "user", "content": QUESTION}]
TOOLS = [{"name": "get_weather", "description": "Get the weather"}]


def call_of(arguments: str, call_id: str = "call_1") -> list[dict[str, Any]]:
    call = {"type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return [
        {"role": "assistant", "content": "", "tool_calls": [{"id": call_id, **call} if call_id else call]}
    ]


def by_kind(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(row for row in rows if row["kind"] == kind)


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("otlp_genai.json", '{"location":"Paris"}'),
        ("openinference_otlp.jsonl", '{"location": "Paris"}'),
        ("langfuse_observations.json", '{"location":"Paris"}'),
        ("langsmith.jsonl", '{"location":"Paris"}'),
    ],
)
def test_a_call_of_a_model_has_its_messages_its_tools_and_the_calls_it_makes(
    file: str, arguments: str
) -> None:
    rows, tally = rows_of(GOLDEN / file)
    row = by_kind(rows, "llm")

    assert row["input"] == ASKED
    assert row["output"] == call_of(arguments)
    assert [{key: tool[key] for key in ("name", "description")} for tool in row["tools"]] == TOOLS
    assert row["time"].startswith("2026-07-13T10:30:00")
    assert not tally.malformed


@pytest.mark.parametrize(
    "file",
    [
        "otlp_genai.json",
        "openinference_otlp.jsonl",
        "langfuse_observations.json",
        "langsmith.jsonl",
        "phoenix.jsonl",
    ],
)
def test_a_retriever_has_its_query_and_the_documents_that_have_a_text(file: str) -> None:
    row = by_kind(rows_of(GOLDEN / file)[0], "retriever")

    assert row["input"] == "Paris"
    assert row["documents"][0]["content"] == "Paris is mild."


@pytest.mark.parametrize(
    ("file", "arguments", "call_id", "result"),
    [
        ("otlp_genai.json", '{"location": "Paris"}', "call_1", "rainy, 57°F"),
        ("openinference_otlp.jsonl", '{"location": "Paris"}', "", "rainy"),
        ("langfuse_observations.json", '{"location":"Paris"}', "", "rainy"),
        ("langsmith.jsonl", "{'location': 'Paris'}", "", "rainy"),
    ],
)
def test_a_tool_is_the_call_and_what_came_back(file: str, arguments: str, call_id: str, result: str) -> None:
    row = by_kind(rows_of(GOLDEN / file)[0], "tool")

    assert row["input"] == call_of(arguments, call_id)
    assert row["output"][0] == {"role": "tool", "content": result} | (
        {"tool_call_id": call_id} if call_id else {}
    )


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ("otlp_genai.json", "Rainy, 57°F."),
        ("openinference_otlp.jsonl", "Rainy."),
        ("phoenix.jsonl", "Rainy."),
        ("langfuse_observations.json", "Rainy."),
        ("langfuse_trace.json", "Rainy."),
    ],
)
def test_what_the_application_was_asked_and_answered_is_an_agent_span(file: str, answer: str) -> None:
    row = by_kind(rows_of(GOLDEN / file)[0], "agent")

    assert (row["input"], row["output"]) == (QUESTION, answer)


def test_a_run_of_langsmith_answers_with_what_comes_behind_the_question() -> None:
    row = by_kind(rows_of(GOLDEN / "langsmith.jsonl")[0], "agent")

    assert [message["role"] for message in row["output"]] == ["assistant", "tool", "assistant"]


def test_older_conventions_of_opentelemetry_are_read() -> None:
    rows, _ = rows_of(GOLDEN / "otlp_older.jsonl")

    assert kept(rows, "output")[0] == ("Rainy.",)
    assert rows[0]["input"] == ASKED
    assert [message["role"] for message in rows[1]["input"]] == ["user", "assistant", "tool"]
    assert kept(rows[2:3], "input", "output") == [("Weather in Oslo?", "Snow.")]
    assert rows[3]["output"] == call_of('{"location": "Lima"}', "c9")
    assert rows[3]["session_id"] == "s-9"


@pytest.mark.parametrize(
    ("file", "session", "tags", "customer"),
    [
        ("openinference_otlp.jsonl", "s-1", ["beta", "support"], "acme"),
        ("langfuse_trace.json", "s-1", ["support"], None),
        ("langsmith.jsonl", "s-1", None, None),
        ("otlp_genai.json", "conv-5", None, None),
    ],
)
def test_session_tags_and_metadata_come_along(
    file: str, session: str, tags: list[str] | None, customer: str | None
) -> None:
    row = by_kind(rows_of(GOLDEN / file)[0], "llm")

    assert (row["session_id"], row.get("tags")) == (session, tags)
    assert row["attributes"].get("metadata.customer") == customer


def test_csv_of_langfuse_is_read_with_its_json_and_its_plain_cells() -> None:
    rows, _ = rows_of(GOLDEN / "langfuse_observations.csv")

    assert kept(rows, "input", "output", "session_id") == [
        (QUESTION, "Rainy, 57°F.", "s-1"),
        ("Plain question", "Plain,\nanswer", "s-1"),
    ]
    assert rows[0]["attributes"]["metadata.customer"] == "acme"


def test_a_data_frame_of_phoenix_is_read_from_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "context.span_id": ["a1", "a2"],
            "context.trace_id": ["t1", "t1"],
            "parent_id": [None, "a1"],
            "name": ["llm", "search"],
            "span_kind": ["LLM", "RETRIEVER"],
            "start_time": pandas.to_datetime(["2026-07-13T10:30:00Z", "2026-07-13T10:30:01Z"]),
            "attributes.llm.input_messages": [[{"message.role": "user", "message.content": QUESTION}], None],
            "attributes.llm.output_messages": [
                [{"message.role": "assistant", "message.content": "Rainy."}],
                None,
            ],
            "attributes.session.id": ["s-1", "s-1"],
            "attributes.input.value": [None, "Paris"],
            "attributes.retrieval.documents": [None, [{"document.content": "Paris is mild."}]],
            "attributes.metadata": [{"customer": "acme"}, None],
        }
    ).set_index("context.span_id")
    file = tmp_path / "spans.parquet"
    frame.to_parquet(file)

    rows, tally = rows_of(file, source="phoenix")

    assert kept(rows, "input", "output", "documents", "session_id") == [
        (QUESTION, "Rainy.", None, "s-1"),
        ("Paris", None, [{"content": "Paris is mild."}], "s-1"),
    ]
    assert rows[0]["attributes"]["metadata.customer"] == "acme"
    assert tally.spans == 2


@pytest.mark.parametrize("container", ["data", "runs", "traces"])
def test_answers_of_an_api_hold_records(tmp_path: Path, container: str) -> None:
    runs = [json.loads(line) for line in (GOLDEN / "langsmith.jsonl").read_text().splitlines()]
    file = lines(tmp_path / "answer.json", [{container: runs, "cursors": {}}])

    assert len(rows_of(file)[0]) == 4


def test_child_runs_of_langsmith_are_spans_too(tmp_path: Path) -> None:
    child = {"id": "b", "run_type": "llm", "inputs": {"prompts": ["Hello"]}, "outputs": {"text": "Hi"}}
    root = {"id": "a", "run_type": "chain", "inputs": {"input": "x"}, "outputs": {}, "child_runs": [child]}
    file = lines(tmp_path / "runs.jsonl", [root])

    (row,), _ = rows_of(file, into="traces")

    spans = row["trace"]["spans"]
    assert [(span["span_id"], span.get("parent_span_id")) for span in spans] == [("a", None), ("b", "a")]


def test_child_runs_of_a_run_that_is_malformed_are_read(tmp_path: Path) -> None:
    children = [
        {"id": n, "run_type": "llm", "inputs": {"input": n}, "outputs": {"output": "x"}} for n in "ab"
    ]
    root = {"id": "r", "run_type": "robot", "child_runs": [*children, 7]}
    rows, tally = rows_of(lines(tmp_path / "runs.jsonl", [root]))

    assert kept(rows, "trace_id", "input") == [("r", "a"), ("r", "b")]
    assert tally.malformed == {"has a run_type that is not known": 1, "is not an object": 1}


CUT = '[{"role": "user", "content": "Weather in Pa'


@pytest.mark.parametrize(
    "record",
    [
        {"id": "a", "traceId": "t", "type": "GENERATION", "input": CUT, "output": "x"},
        {"id": "a", "traceId": "t", "type": "GENERATION", "input": '{"messages": ' + CUT, "output": "x"},
        {"id": "a", "run_type": "llm", "inputs": '{"messages": [' + CUT, "outputs": {"output": "x"}},
        {"id": "a", "run_type": "llm", "inputs": {"input": '[{"type": "human", "co'}, "outputs": {}},
        {"context": {"trace_id": "t", "span_id": "s"}, "span_kind": "LLM",
         "attributes": {"input.value": CUT}},
        {"context.trace_id": "t", "context.span_id": "s", "span_kind": "LLM",
         "attributes.llm.input_messages": '[{"message.role": "user", "mess'},
    ],
)  # fmt: skip
def test_messages_that_are_cut_in_their_json_are_malformed_and_no_text(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    rows, tally = rows_of(lines(tmp_path / "t.jsonl", [record]))

    assert rows == []
    assert tally.malformed == {
        "has messages or tools that are not whole JSON (cut by a limit on attributes?)": 1
    }


@pytest.mark.parametrize(
    "said", ['{"answer": "It rai', "[{", '[1, "a', '{role: "user"}', 'Say [{"role": "us']
)
def test_json_that_is_no_messages_may_be_what_a_model_answered_in_half(tmp_path: Path, said: str) -> None:
    record = {"id": "a", "traceId": "t", "type": "GENERATION", "input": "Weather?", "output": said}

    assert kept(rows_of(lines(tmp_path / "t.jsonl", [record]))[0], "output") == [(said,)]


def test_observations_of_langfuse_hang_below_their_trace(tmp_path: Path) -> None:
    (row,), _ = rows_of(GOLDEN / "langfuse_trace.json", into="traces")
    spans = {span["span_id"]: span.get("parent_span_id") for span in row["trace"]["spans"]}
    assert spans == {"t1": None, "o2": "t1", "o3": "t1"}  # o1 is not in the file

    observation = {"id": "a", "traceId": "t", "type": "GENERATION", "name": "ask", "input": "x"}
    trace = {"id": "t", "timestamp": "2026-07-13T10:30:00Z", "name": "whole", "input": "x"}
    apart = lines(tmp_path / "apart.jsonl", [observation, trace])
    (row,), _ = rows_of(apart, into="traces")
    assert row["name"] == "whole"
    assert row["trace"]["spans"][1]["parent_span_id"] == "t"

    (row,), _ = rows_of(lines(tmp_path / "alone.jsonl", [observation]), into="traces")
    assert row["name"] == "ask"
    assert "parent_span_id" not in row["trace"]["spans"][0]


@pytest.mark.parametrize("time", ["1783938600", "1783938600000", "1783938600000000000", "2026-07-13T10:30Z"])
def test_a_time_in_text_is_that_in_a_number(tmp_path: Path, time: str) -> None:
    file = tmp_path / "o.csv"
    file.write_text(f"id,traceId,type,input,startTime\na,t,GENERATION,x,{time}\n")

    assert rows_of(file)[0][0]["time"] == "2026-07-13T10:30:00+00:00"


@pytest.mark.parametrize("into", ["spans", "traces", "sessions"])
def test_the_zero_times_of_go_and_dotnet_are_none(tmp_path: Path, into: traffic.Into) -> None:
    times = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", -5, "1960-01-01"]
    call = {"sessionId": "s", "type": "GENERATION", "input": "x"}
    found = [{"id": f"o{n}", "traceId": f"t{n}", "startTime": t, **call} for n, t in enumerate(times)]
    rows, tally = rows_of(lines(tmp_path / "t.jsonl", found), into=into)

    assert tally.spans == 4
    assert len(rows) == (1 if into == "sessions" else 4)
    assert not any("time" in row for row in rows)


def test_the_source_that_is_named_is_the_one_that_is_read() -> None:
    _, tally = rows_of(GOLDEN / "langsmith.jsonl", source="langfuse")

    assert tally.malformed == {"is not what langfuse exports": 5}
