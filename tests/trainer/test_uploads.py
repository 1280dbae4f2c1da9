"""Files of labelled rows, good and bad, over the wire."""

import asyncio
import csv
import errno
import gzip
import io
import json
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from gnomon.errors import (
    DatasetInvalidError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    RegistryUnavailableError,
    RequestIdReusedError,
    StorageFullError,
    UploadTooLargeError,
)
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import (
    Trainer,
    codes,
    jsonl,
    labelled_rows,
    refused,
    trainer_at,
    upload_requests,
)

HEADER = "input,output,label\n"


async def refuse(trainer: Trainer, content: bytes | str, filename: str = "rows.csv", **header: Any) -> Any:
    """Return the error of an upload, having checked that nothing of it stayed behind."""
    raw = content.encode() if isinstance(content, str) else content
    error = await refused(trainer.upload(raw, filename=filename, **header))
    listed = await trainer.stub.ListDatasets(pb.ListDatasetsRequest())
    assert not listed.datasets
    assert left_files(trainer) == []
    return error


def left_files(trainer: Trainer) -> list[Path]:
    return [path for path in trainer.app.settings.data_dir.rglob("*") if path.is_file()]


async def rows_of(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name=name))
    content = b"".join([response.content async for response in call])
    return [json.loads(line) for line in content.splitlines()]


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


async def test_a_mapping_to_no_column_of_ours_is_refused(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", column_mapping={"input": "prompt"})

    assert isinstance(error, InvalidRequestError)
    assert "'prompt', which is none of input" in error.message


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


# ------------------------------------------------------------------------- bytes


async def test_what_is_not_utf_8_is_named_by_line_and_byte(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER.encode() + b"a,b,1\nna\xefve,b,1\n")

    assert isinstance(error, DatasetInvalidError)
    assert "Line 3, byte 3 (0xef)" in error.message


async def test_utf_16_is_recognised(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n".encode("utf-16"))

    assert "UTF-16" in error.message


async def test_nul_characters_are_named(trainer: Trainer) -> None:
    from_csv = await refuse(trainer, HEADER + "a,b,1\nc,d\0,0\n")
    from_jsonl = await refuse(trainer, b'{"input":"a","output":"b\\u0000","label":1}\n', "rows.jsonl")
    raw = await refuse(trainer, jsonl(labelled_rows(1)) + b'{"input":"\0"}\n', "rows.jsonl")
    header = await refuse(trainer, "input,output\0,label\n")

    assert from_csv.violations[0].field == 'line 3, column "output"'
    assert "NUL character at position 2" in from_csv.violations[0].description
    assert from_jsonl.violations[0].field == 'line 1, column "output"'
    assert raw.violations[0].field == "line 2"
    assert header.violations[0].field == "line 1"


async def test_half_a_surrogate_pair_is_refused(trainer: Trainer) -> None:
    error = await refuse(
        trainer, b'{"input":"\\ud83d","output":"b","label":1}\n' + jsonl(labelled_rows(1)), "rows.jsonl"
    )

    assert isinstance(error, DatasetInvalidError)


@pytest.mark.parametrize(
    "cell", ["[" * 900 + "]" * 900, "[" * 100 + "]" * 100, "1" + "0" * 40, '["\\ud800"]', '[{"content": 1}]']
)
async def test_hostile_json_in_a_cell_is_one_bad_row(
    trainer: Trainer, registry: FakeRegistry, cell: str
) -> None:
    grounded = resources.Metric()
    grounded.CopyFrom(registry.metrics["metrics/toxicity"])
    grounded.name, grounded.input_shape = "metrics/tools", resources.Metric.TOOLS_INPUT_OUTPUT
    registry.metrics[grounded.name] = grounded
    file = io.StringIO()
    csv.writer(file).writerows(
        [["tools", "input", "output", "label"], [cell, "a", "b", 1], ['["t"]', "a", "b", 0]]
    )

    error = await refuse(trainer, file.getvalue(), metric=grounded.name)

    assert [v.field for v in error.violations] == ['line 2, column "tools"']


async def test_an_open_quotation_mark_is_no_endless_cell(trainer: Trainer) -> None:
    error = await refuse(trainer, HEADER + 'a,"b,1\n' + "c,d,0\n" * 1000)

    assert "from line 2 on" in error.message
    assert "quotation mark" in error.message


async def test_a_cut_gzip_file_is_refused(trainer: Trainer) -> None:
    packed = gzip.compress(jsonl(labelled_rows(2000)))

    cut = await refuse(trainer, packed[: len(packed) // 2], "rows.jsonl.gz")
    damaged = await refuse(trainer, packed[:50] + b"\xff" * 20 + packed[70:], "rows.jsonl.gz")
    plain = await refuse(trainer, jsonl(labelled_rows(2)), "rows.jsonl.gz")
    hidden = await refuse(trainer, packed, "rows.jsonl")

    assert "cut or damaged" in cut.message
    assert "cut or damaged" in damaged.message
    assert "not compressed" in plain.message
    assert ".gz" in hidden.message
    assert all(isinstance(error, DatasetInvalidError) for error in (cut, damaged, plain, hidden))


async def test_a_gzip_bomb_is_stopped_while_it_unpacks(tmp_path: Path, registry: FakeRegistry) -> None:
    one_line = gzip.compress(b'{"input": "' + b"a" * 30_000_000)
    many_lines = gzip.compress(b'{"input": "a", "output": "b", "label": true}\n' * 1_000_000)
    limits = {"max_unpacked_bytes": 5_000_000, "max_cell_characters": 100_000}
    async with trainer_at(tmp_path, registry, **limits) as trainer:
        long = await refuse(trainer, one_line, "rows.jsonl.gz")
        many = await refuse(trainer, many_lines, "rows.jsonl.gz")

    assert isinstance(long, DatasetInvalidError)
    assert isinstance(many, UploadTooLargeError)
    assert many.metadata["limit_bytes"] == "5000000"


async def test_a_file_over_the_limit_is_refused_while_it_arrives(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, max_upload_bytes=100_000) as trainer:
        error = await refuse(trainer, b"x" * 300_000)

    assert isinstance(error, UploadTooLargeError)


async def test_a_file_with_too_many_rows_or_too_long_a_cell_is_refused(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, max_rows=10, max_cell_characters=1000) as trainer:
        rows = await refuse(trainer, jsonl(labelled_rows(11)), "rows.jsonl")
        cell = await refuse(trainer, f"{HEADER}a,b,1\n{'c' * 1001},d,0\n")
        huge = await refuse(trainer, f"{HEADER}{'c' * 5001},d,0\n")

    assert "more than 10 rows" in rows.message
    assert "1001 characters" in cell.message
    assert "too long" in huge.message


async def test_the_format_must_be_told_by_the_name_or_the_header(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", "rows.txt")
    uploaded = await trainer.upload(f"{HEADER}a,b,1\n".encode(), filename="rows.txt", format="CSV")

    assert isinstance(error, InvalidRequestError)
    assert uploaded.dataset.row_count == 1


@pytest.mark.slow
async def test_a_file_of_200_mb_is_read_in_constant_memory(trainer: Trainer) -> None:
    filler = "lorem ipsum dolor sit amet " * 40
    line = '{{"input": "question {n}", "output": "{n} ' + filler + '", "label": {label}}}\n'
    part_rows = 500

    def parts() -> Any:
        for part in range(360):
            rows = (part * part_rows + n for n in range(part_rows))
            yield "".join(line.format(n=n, label="true" if n % 2 else "false") for n in rows).encode()

    before = psutil.Process().memory_info().rss
    uploaded = await trainer.upload(parts())
    grown = psutil.Process().memory_info().rss - before

    assert uploaded.dataset.row_count == 180_000
    assert uploaded.dataset.size_bytes > 200_000_000
    assert grown < 150_000_000


# ----------------------------------------------------------------------- findings


async def test_rows_with_the_same_text_and_other_labels_are_named(trainer: Trainer) -> None:
    rows = labelled_rows(300)
    rows[10] = rows[4] | {"label": not rows[4]["label"]}

    dataset = (await trainer.upload(jsonl(rows))).dataset

    assert dataset.state == resources.Dataset.VALIDATED_WITH_WARNINGS
    assert codes(dataset.findings) == ["CONFLICTING_LABELS", "DUPLICATE_ROWS"]
    assert list(dataset.findings[0].rows) == [5, 11]


async def test_case_and_punctuation_make_no_other_text_of_a_conflict(trainer: Trainer) -> None:
    rows = labelled_rows(300)
    rows[10] = rows[4] | {"label": not rows[4]["label"], "output": "ANSWER, 4!"}

    conflict, _ = (await trainer.upload(jsonl(rows))).dataset.findings

    assert (conflict.code, list(conflict.rows)) == ("CONFLICTING_LABELS", [5, 11])


async def test_what_else_is_noteworthy_is_found(trainer: Trainer) -> None:
    rows = labelled_rows(400)
    one_class = [row | {"label": True} for row in rows]
    imbalanced = [row | {"label": n < 5} for n, row in enumerate(rows)]
    long = [row | {"output": f"{row['output']} " * 300} if n == 7 else row for n, row in enumerate(rows)]
    loud = [*rows, rows[0] | {"input": "  QUESTION, 0!"}]

    found = {
        name: codes((await trainer.upload(jsonl(content), dataset_id=name)).dataset.findings)
        for name, content in {
            "fine": rows,
            "one-class": one_class,
            "imbalanced": imbalanced,
            "long": long,
            "few": rows[:20],
            "loud": loud,
        }.items()
    }

    assert found == {
        "fine": [],
        "one-class": ["ONE_CLASS_ONLY"],
        "imbalanced": ["IMBALANCED_CLASSES"],
        "long": ["LONG_TEXTS"],
        "few": ["FEW_ROWS"],
        "loud": ["DUPLICATE_ROWS"],
    }


# ----------------------------------------------------------------------- versions


async def test_the_same_rows_again_are_the_same_version(trainer: Trainer) -> None:
    first = await trainer.upload(jsonl(labelled_rows(10)), display_name="Toxicity")
    again = await trainer.upload(gzip.compress(jsonl(labelled_rows(10))), filename="other.jsonl.gz")
    other = await trainer.upload(jsonl(labelled_rows(11)))

    assert again.dataset == first.dataset
    assert (other.dataset.version, other.dataset.display_name) == (2, "Toxicity")


async def test_a_dataset_keeps_to_its_metric(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))

    error = await refused(
        trainer.upload(b"input,label\na,billing\n", filename="rows.csv", metric="metrics/topic")
    )

    assert isinstance(error, DatasetUnsuitableError)


async def test_a_request_id_counts_once(trainer: Trainer) -> None:
    request_id = str(uuid.uuid4())
    first = await trainer.upload(jsonl(labelled_rows(10)), request_id=request_id)
    await trainer.upload(jsonl(labelled_rows(20)))

    again = await trainer.upload(jsonl(labelled_rows(10)), request_id=request_id)
    other_rows = await refused(trainer.upload(jsonl(labelled_rows(9)), request_id=request_id))
    other_header = await refused(
        trainer.upload(jsonl(labelled_rows(10)), request_id=request_id, allow_partial=True)
    )
    no_uuid = await refused(trainer.upload(jsonl(labelled_rows(10)), request_id="again"))

    assert again.dataset == first.dataset
    assert again.dataset.version == 1
    assert isinstance(other_rows, RequestIdReusedError)
    assert isinstance(other_header, RequestIdReusedError)
    assert isinstance(no_uuid, InvalidRequestError)


# -------------------------------------------------------------------------- calls


@pytest.mark.parametrize("dataset_id", ["..", "a/b", "a\0b", "Ünï", "A", "-a", "a" * 64])
async def test_ids_that_could_mean_a_path_are_refused(trainer: Trainer, dataset_id: str) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", dataset_id=dataset_id)

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "header.dataset_id"


async def test_an_unknown_metric_is_named(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", metric="metrics/absent")

    assert isinstance(error, NotFoundError)
    assert "metrics/absent" in error.message


async def test_an_upload_says_when_the_registry_is_away(trainer: Trainer) -> None:
    await trainer.registry.stop()

    error = await refuse(trainer, f"{HEADER}a,b,1\n")

    assert isinstance(error, RegistryUnavailableError)
    assert error.retry_after_s is not None


async def test_an_upload_begins_with_a_header_and_has_one(trainer: Trainer) -> None:
    async def without_header() -> Any:
        yield pb.UploadDatasetRequest(content=b"a")

    async def twice() -> Any:
        async for request in upload_requests(b""):
            yield request
            yield request

    async def nothing() -> Any:
        return
        yield

    for requests in (without_header(), twice(), nothing()):
        assert isinstance(await refused(trainer.stub.UploadDataset(requests)), InvalidRequestError)
    assert left_files(trainer) == []


async def test_a_caller_who_leaves_in_the_middle_leaves_nothing_behind(trainer: Trainer) -> None:
    started = asyncio.Event()

    async def endless() -> Any:
        async for request in upload_requests(b"x" * 200_000):
            yield request
        started.set()
        await asyncio.Event().wait()

    call = trainer.stub.UploadDataset(endless())
    await started.wait()
    await asyncio.sleep(0.1)
    call.cancel()
    async with asyncio.timeout(5):
        while left_files(trainer):
            await asyncio.sleep(0.02)


async def test_a_full_disk_is_told_and_leaves_nothing_behind(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for target in ("incoming.IncomingFile.write", "row_files.RowFile.write", "row_files.os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(f"gnomon_trainer.adapters.{target}", full)
            error = await refuse(trainer, f"{HEADER}a,b,1\n")
        assert isinstance(error, StorageFullError)

    assert (await trainer.upload(f"{HEADER}a,b,1\n".encode(), filename="a.csv")).dataset.version == 1
