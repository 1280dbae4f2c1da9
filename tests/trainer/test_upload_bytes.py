"""Files as bytes, over the wire: encodings, archives, and what is too large."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import psutil
import pytest

from gnomon.errors import (
    DatasetInvalidError,
    InvalidRequestError,
    UploadTooLargeError,
)
from gnomon.v1 import resources_pb2 as resources
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import (
    Trainer,
    jsonl,
    labelled_rows,
    trainer_at,
)
from tests.trainer.uploading import HEADER, refuse


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


@pytest.mark.slow
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
