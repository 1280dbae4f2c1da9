"""Files of labelled rows, good and bad, over the wire: their columns and rows."""

import csv
import gzip
import io
import json
from typing import Any

import pytest

from gnomon.errors import (
    DatasetInvalidError,
    InvalidRequestError,
)
from gnomon.v1 import resources_pb2 as resources
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import (
    Trainer,
    jsonl,
    labelled_rows,
)
from tests.trainer.uploading import HEADER, refuse, rows_of

# ------------------------------------------------------------------- good files


async def test_csv_with_quoted_line_ends_is_read_as_it_was_written(trainer: Trainer) -> None:
    rows = [["a\nb", 'said "no", then left', "true", "x"], ["c", "d", "0", "y"]] * 3
    file = io.StringIO()
    csv.writer(file).writerows([["input", "output", "label", "source"], *rows])

    uploaded = await trainer.upload(file.getvalue().encode(), filename="rows.csv")

    dataset = uploaded.dataset
    assert (dataset.name, dataset.version, dataset.row_count) == ("datasets/train", 1, 6)
    assert dict(dataset.class_counts) == {"false": 3, "true": 3}
    assert list(dataset.extra_columns) == ["source"]
    assert dataset.source_filename == "rows.csv"
    first = (await rows_of(trainer, "datasets/train"))[0]
    assert first == {"input": "a\nb", "output": 'said "no", then left', "label": "true", "source": "x"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_a_byte_order_mark_is_no_part_of_the_first_column(trainer: Trainer, mark: bytes) -> None:
    uploaded = await trainer.upload(mark + f"{HEADER}a,b,1\nc,d,0\n".encode(), filename="rows.csv")

    assert uploaded.dataset.row_count == 2


async def test_blank_lines_may_go_before_the_header_and_count_as_lines(trainer: Trainer) -> None:
    error = await refuse(trainer, f"\n\n{HEADER}a,b,maybe\n")
    uploaded = await trainer.upload(f"\n\r\n{HEADER}a,b,1\nc,d,0\n".encode(), filename="rows.csv")

    assert uploaded.dataset.row_count == 2
    assert error.violations[0].field == 'line 4, column "label"'


async def test_gzip_is_unpacked(trainer: Trainer) -> None:
    packed = gzip.compress(jsonl(labelled_rows(40)))

    uploaded = await trainer.upload(packed, filename="Rows.JSONL.GZ")

    assert uploaded.dataset.row_count == 40


async def test_columns_can_be_mapped(trainer: Trainer) -> None:
    content = b"question,answer,toxic,id\na,b,yes,17\nc,d,No,18\n"
    mapping = {"question": "input", "answer": "output", "toxic": "label"}

    uploaded = await trainer.upload(content, filename="rows.csv", column_mapping=mapping)

    assert uploaded.dataset.row_count == 2
    assert (await rows_of(trainer, "datasets/train"))[1] == {
        "input": "c",
        "output": "d",
        "id": "18",
        "label": "false",
    }


async def test_boolean_labels_may_be_json_booleans_numbers_or_words(trainer: Trainer) -> None:
    labels = [True, False, 1, 0, 1.0, "TRUE", "no", " Yes "]
    rows = [{"input": f"i{n}", "output": "o", "label": label} for n, label in enumerate(labels)]

    uploaded = await trainer.upload(jsonl(rows))

    assert dict(uploaded.dataset.class_counts) == {"false": 3, "true": 5}


async def test_chat_messages_are_kept_as_messages(trainer: Trainer, registry: FakeRegistry) -> None:
    trace = resources.Metric(
        name="metrics/loop",
        output_type="BOOLEAN",
        step="TRACE",
        input_shape="WHOLE_TRACE",
        classes=registry.metrics["metrics/toxicity"].classes,
    )
    registry.metrics[trace.name] = trace
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}
    messages = [
        {"role": "user", "content": "find x"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "nothing"},
        {"role": "assistant", "content": [{"type": "text", "text": "Nothing there."}]},
    ]
    rows = [{"messages": [*messages, {"role": "user", "content": str(n)}], "label": n} for n in (0, 1)]
    file = io.StringIO()
    csv.writer(file).writerows(
        [["messages", "label"], *([json.dumps(r["messages"]), r["label"]] for r in rows)]
    )

    from_json = await trainer.upload(jsonl(rows), metric=trace.name)
    from_csv = await trainer.upload(
        file.getvalue().encode(), metric=trace.name, dataset_id="csv", filename="a.csv"
    )

    assert from_json.dataset.row_count == 2
    assert from_csv.dataset.digest == from_json.dataset.digest


def session_metric(registry: FakeRegistry) -> str:
    metric = resources.Metric(
        name="metrics/goal",
        output_type="BOOLEAN",
        step="SESSION",
        input_shape="WHOLE_SESSION",
        classes=registry.metrics["metrics/toxicity"].classes,
    )
    registry.metrics[metric.name] = metric
    return metric.name


ASKED = {"role": "user", "content": "Cancel it."}


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ("hello {", "is not JSON"),
        ({"role": "user"}, "must be a list of messages, not an object"),
        ([ASKED, 7], "[1] is a number where an object belongs"),
        ([ASKED, {"content": "x"}], "[1] has no `role`"),
        ([{"role": 1, "content": "x"}], "[0].role is a number where text belongs"),
        ([ASKED, {"from": "gpt", "role": "assistant"}], "[1] has neither `content` nor `tool_calls`"),
        ([{"role": "user", "content": {"text": "x"}}], "[0].content is an object where text belongs"),
        ([{"role": "assistant", "tool_calls": {"name": "a"}}], "[0].tool_calls must be a list of tool calls"),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], "[0].tool_calls[0] names no tool"),
        (
            [ASKED, {"role": "assistant", "tool_calls": [{"name": "a"}, {"function": "b"}]}],
            "[1].tool_calls[1].function is text where an object belongs",
        ),
        ([{"role": "tool", "content": "x", "tool_call_id": 5}], "[0].tool_call_id is a number"),
        ([{"role": "tool", "content": "x", "name": []}], "[0].name is a list where text belongs"),
        ([], "is empty"),
    ],
)
async def test_a_malformed_message_is_named_by_line_and_place(
    trainer: Trainer, registry: FakeRegistry, messages: Any, what: str
) -> None:
    rows = [{"chat": [ASKED], "label": 1}, {"chat": messages, "label": 0}]

    error = await refuse(
        trainer,
        jsonl(rows),
        "rows.jsonl",
        metric=session_metric(registry),
        column_mapping={"chat": "messages"},
    )

    assert isinstance(error, DatasetInvalidError)
    (violation,) = error.violations
    assert violation.field == 'line 2, column "chat"'
    assert violation.description.startswith(what)


async def test_sessions_are_uploaded_as_chats_or_as_whole_objects(
    trainer: Trainer, registry: FakeRegistry
) -> None:
    spans = [{"kind": "LLM", "spanId": "a", "input": [ASKED], "output": "It is cancelled."}]
    whole = {"sessionId": "s", "traces": [{"traceId": "t", "spans": spans}]}  # as protobuf's JSON writes it
    metric = session_metric(registry)

    chats = await trainer.upload(jsonl([{"messages": [ASKED], "label": n} for n in (0, 1)]), metric=metric)
    objects = await trainer.upload(
        jsonl([{"session": whole, "input": "not read", "label": n} for n in (0, 1)]),
        metric=metric,
        dataset_id="objects",
    )

    assert (chats.dataset.row_count, objects.dataset.row_count) == (2, 2)
    assert (await rows_of(trainer, "datasets/objects"))[0] == {
        "session": whole,
        "label": "false",
        "input": "not read",
    }


async def test_an_object_that_is_no_session_is_named_by_its_place(
    trainer: Trainer, registry: FakeRegistry
) -> None:
    bad = {"traces": [{"spans": []}, {"spans": [{"kind": "llm"}, {"kind": "oracle"}]}]}
    rows = jsonl([{"session": bad, "label": 1}])

    error = await refuse(trainer, rows, "rows.jsonl", metric=session_metric(registry))

    assert error.violations[0].description.startswith("traces[1].spans[1] is of kind 'oracle'")


async def test_a_renamed_column_of_chats_is_suggested_as_a_mapping(
    trainer: Trainer, registry: FakeRegistry
) -> None:
    rows = jsonl([{"conversation": [ASKED], "label": 1}])

    error = await refuse(trainer, rows, "rows.jsonl", metric=session_metric(registry))

    assert "did you mean column_mapping {'conversation': 'messages'}?" in error.message


async def test_documents_may_be_a_list_or_one_text(trainer: Trainer, registry: FakeRegistry) -> None:
    grounded = resources.Metric()
    grounded.CopyFrom(registry.metrics["metrics/toxicity"])
    grounded.name, grounded.input_shape = "metrics/grounded", resources.Metric.DOCUMENTS_INPUT_OUTPUT
    registry.metrics[grounded.name] = grounded
    content = 'context,input,output,label\n"[""one"", ""two""]",a,b,1\n[1] a note,c,d,0\n'

    await trainer.upload(content.encode(), metric=grounded.name, filename="rows.csv")

    stored = await rows_of(trainer, "datasets/train")
    assert [row["documents"] for row in stored] == [["one", "two"], ["[1] a note"]]


# ------------------------------------------------------------------------ columns


async def test_a_missing_column_is_named_with_what_was_found(trainer: Trainer) -> None:
    error = await refuse(trainer, "input,label\na,1\n")

    assert isinstance(error, DatasetInvalidError)
    assert '"output"' in error.message
    assert 'It has "input", "label"' in error.message


async def test_a_file_that_lacks_labels_alone_may_be_stored_without_them(trainer: Trainer) -> None:
    error = await refuse(trainer, "input,output\na,b\n")
    assert "store the rows as unlabelled" in error.message


async def test_a_renamed_column_is_suggested_as_a_mapping(trainer: Trainer) -> None:
    error = await refuse(trainer, "question,Output,label\na,b,1\n")

    assert "column_mapping {'question': 'input', 'Output': 'output'}" in error.message


async def test_a_renamed_key_of_json_lines_is_suggested_too(trainer: Trainer) -> None:
    error = await refuse(trainer, jsonl([{"prompt": "a", "output": "b", "label": 1}]), "rows.jsonl")

    assert "{'prompt': 'input'}" in error.message


async def test_another_separator_is_recognised(trainer: Trainer) -> None:
    error = await refuse(trainer, "input;output;label\na;b;1\n")

    assert "separated by ';'" in error.message


async def test_a_column_that_occurs_twice_is_refused(trainer: Trainer) -> None:
    error = await refuse(trainer, "input,output,label,input\na,b,1,c\n")

    assert '"input" more than once' in error.message


async def test_a_column_without_a_name_is_refused(trainer: Trainer) -> None:
    error = await refuse(trainer, ",input,output,label\n0,a,b,1\n")

    assert "Column 1 of the header has no name" in error.message


async def test_an_empty_column_is_named_once_for_all_rows(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER + "a,,1\nb,,0\nc, ,1\n")

    assert 'The column "output" cannot be used in any of the 3 rows' in error.message
    assert error.metadata == {"bad_row_count": "3", "row_count": "3"}


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"input": "prompt"}, "'prompt', which is none of input"),
        ({"output": "input", "input": "input"}, "maps both 'input' and 'output' to 'input'"),
    ],
)
async def test_a_mapping_to_no_column_of_ours_or_to_one_twice_is_refused(
    trainer: Trainer, mapping: dict[str, str], said: str
) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", column_mapping=mapping)

    assert isinstance(error, InvalidRequestError)
    assert said in error.message


async def test_a_mapping_of_an_absent_column_is_refused(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", column_mapping={"question": "input"})

    assert "more than once" in error.message or "does not have" in error.message


# --------------------------------------------------------------------------- rows


async def test_a_wrong_label_is_named_by_line_and_value(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER + "a,b,1\nc,d,maybe\n")

    assert isinstance(error, DatasetInvalidError)
    assert 'line 3, column "label"' in error.message
    assert "'maybe'" in error.message
    assert [v.field for v in error.violations] == ['line 3, column "label"']


async def test_the_line_of_a_row_is_where_it_starts(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER + '"a\n\na",b,1\n\n"c\nc",d,perhaps\n')

    assert error.violations[0].field == 'line 6, column "label"'


async def test_a_label_that_is_nearly_a_class_is_suggested(trainer: Trainer) -> None:
    error = await refuse(trainer, "input,label\na,billing\nb,Delivry\n", metric="metrics/topic")

    assert "did you mean 'delivery'?" in error.message


async def test_ragged_rows_are_named(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER + "a,b,1\nc,d\ne,f,0,g\n")

    assert [(v.field, v.description) for v in error.violations] == [
        ("line 3", "has 2 cells; the header has 3 columns"),
        ("line 4", "has 4 cells; the header has 3 columns"),
    ]


async def test_bad_json_is_named(trainer: Trainer) -> None:
    content = jsonl(labelled_rows(2)) + b'{"input": "a"\n[1, 2]\n'

    error = await refuse(trainer, content, "rows.jsonl")

    assert [v.field for v in error.violations] == ["line 3", "line 4"]
    assert "is not JSON" in error.violations[0].description
    assert "not a JSON object" in error.violations[1].description


@pytest.mark.parametrize(
    "line",
    [
        '{"input": "a", "output": "b", "label": "true", "label": "false"}',
        '{"input": "a", "output": "b", "label": true, "label" : true}',
        '{"label": 1, "input": {"label": 2}, "output": "b", "label": 123}',
        '{"label": 1, "input": "a", "n": ' + "1" * 300 + ', "label": 0}',
        '{"label": 1, ' + "".join(f'"k{n}": 1, ' for n in range(100)) + '"label": 0}',
    ],
)
async def test_a_key_that_occurs_twice_is_named(trainer: Trainer, line: str) -> None:
    error = await refuse(trainer, jsonl(labelled_rows(2)) + line.encode(), "rows.jsonl")

    assert [(v.field, v.description) for v in error.violations] == [
        ("line 3", 'has the key "label" twice'),
    ]


async def test_a_key_may_occur_again_in_a_text_or_an_object(trainer: Trainer) -> None:
    lines = '{"input": "the \\"label\\"", "output": "label", "label": "true", "n": {"label": 1, "n": []}}\n'

    uploaded = await trainer.upload(lines.encode())

    assert uploaded.dataset.row_count == 1


async def test_extra_keys_are_kept_however_late_they_come(trainer: Trainer) -> None:
    rows = labelled_rows(200)
    rows[150] |= {"source": "late", "id": 7}

    uploaded = await trainer.upload(jsonl(rows))

    assert list(uploaded.dataset.extra_columns) == ["source"]
    stored = await rows_of(trainer, "datasets/train")
    assert (stored[150]["source"], stored[150]["id"]) == ("late", "7")
    assert "source" not in stored[149]


async def test_a_late_key_does_not_replace_what_is_read_under_its_name(trainer: Trainer) -> None:
    rows = [{"question": row.pop("input")} | row for row in labelled_rows(200)]
    rows[150] |= {"input": "something else"}

    error = await refuse(trainer, jsonl(rows), "rows.jsonl", column_mapping={"question": "input"})

    assert [v.field for v in error.violations] == ["line 151"]
    assert 'has "input" besides "question"' in error.violations[0].description


async def test_many_bad_rows_still_give_an_error_that_arrives(trainer: Trainer) -> None:
    rows = [{"input": "i" * 50, "output": "ö" * 50, "label": "ß" * 500} for _ in range(5_000)]

    error = await refuse(trainer, jsonl(rows), "rows.jsonl")

    assert error.metadata["bad_row_count"] == "5000"
    assert 10 < len(error.violations) <= 100


async def test_bad_rows_can_be_left_out(trainer: Trainer) -> None:
    content = f"{HEADER}a,b,1\nc,d,maybe\ne,f\ng,h,0\n"

    uploaded = await trainer.upload(content.encode(), filename="rows.csv", allow_partial=True)

    assert uploaded.dataset.row_count == 2
    assert uploaded.rejected_row_count == 2
    assert [(r.line, r.column) for r in uploaded.rejected_rows] == [(3, "label"), (4, "")]


@pytest.mark.parametrize("content", [HEADER, "", "\n\n"])
async def test_a_file_without_rows_is_refused(trainer: Trainer, content: str) -> None:
    for filename in ("rows.csv", "rows.jsonl"):
        if content != HEADER or filename == "rows.csv":
            assert isinstance(await refuse(trainer, content, filename), DatasetInvalidError)


async def test_a_file_of_bad_rows_alone_is_refused_even_if_partial(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,maybe\n", allow_partial=True)

    assert error.metadata["bad_row_count"] == "1"
