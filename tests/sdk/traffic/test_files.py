"""Files as they come: packed, framed, over many lines, broken; with any number of processes."""

import bz2
import gzip
import io
import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon import traffic
from gnomon.errors import InvalidRequestError
from gnomon.traffic import tables
from gnomon.traffic.files import File
from gnomon.traffic.grouping import Gathered
from gnomon.traffic.traced import Malformed
from tests.sdk.traffic.made import GOLDEN, chat, kept, lines, request, rows_of


@pytest.mark.parametrize("file", sorted(path.name for path in GOLDEN.iterdir()))
def test_gzip_of_everything_gives_the_same_rows(file: str, tmp_path: Path) -> None:
    packed = tmp_path / f"{file}.gz"
    packed.write_bytes(gzip.compress((GOLDEN / file).read_bytes()))

    assert rows_of(packed)[0] == rows_of(GOLDEN / file)[0] != []


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("as_array", [True, False])
def test_documents_and_arrays_are_read_as_lines_are(
    tmp_path: Path, indent: int | None, as_array: bool
) -> None:
    requests = [request(chat(span=f"s{n}", said=f'{n} "}}]')) for n in range(5)]
    file = tmp_path / "traces.json"
    whole = json.dumps(requests, indent=indent)
    file.write_text(whole if as_array else "\n".join(json.dumps(r, indent=indent) for r in requests))

    rows, tally = rows_of(file)

    assert kept(rows, "input") == [(f'{n} "}}]',) for n in range(5)]
    assert not tally.malformed


def test_an_array_that_is_cut_off_gives_what_came_before(tmp_path: Path) -> None:
    file = tmp_path / "traces.json"
    file.write_text(json.dumps([request(chat(span=f"s{n}")) for n in range(3)])[:-20])

    rows, tally = rows_of(file)

    assert len(rows) == 2
    assert tally.as_dict()["malformed"].popitem()[1] == {"count": 1, "first": ["traces.json, record 3"]}


def test_arrays_one_after_the_other_are_read_to_the_end(tmp_path: Path) -> None:
    pages = [[request(chat(span=f"s{page}{n}", said=f"{page}{n}")) for n in range(2)] for page in range(3)]
    file = tmp_path / "pages.json"
    file.write_text("\n".join(map(json.dumps, [*pages, [], request(chat(said="last"))])) + "\n")

    rows, tally = rows_of(file)

    assert kept(rows, "input") == [("00",), ("01",), ("10",), ("11",), ("20",), ("21",), ("last",)]
    assert not tally.malformed


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        ("]} garbage", "is not JSON, nor is what follows: Expecting value"),
        ("]]", "is not JSON, nor is what follows: Expecting value"),
        ("", "is missing: the array does not end (was the file cut off?)"),
        (",", "is missing: the array does not end (was the file cut off?)"),
    ],
)
def test_what_stands_behind_an_array_or_should_is_counted(tmp_path: Path, behind: str, reason: str) -> None:
    file = tmp_path / "traces.json"
    file.write_text("[" + json.dumps(request(chat())) + behind)

    rows, tally = rows_of(file)

    assert len(rows) == 1
    assert tally.places == {reason: ["traces.json, record 2"]}


def test_one_odd_value_in_an_array_costs_no_other(tmp_path: Path) -> None:
    file = tmp_path / "traces.json"
    odd = ['{"n": ' + "9" * 5_000 + "}", '{"text": "a\tb"}']
    file.write_text(f"[{json.dumps(request(chat()))}, {', '.join(odd)}, {json.dumps(request(chat()))}]")

    rows, tally = rows_of(file)

    assert len(rows) == 2
    assert tally.malformed.total() == 2


def test_what_is_malformed_is_counted_by_reason_with_its_places(tmp_path: Path) -> None:
    nameless = chat(span="")
    cut = chat(span="s3")
    cut["attributes"][1]["value"]["stringValue"] = '[{"role": "user", "parts": [{"ty'
    late = chat(span="s4") | {"startTimeUnixNano": "yesterday"}
    odd = chat(span="s5") | {"attributes": [{"value": {"stringValue": "chat"}}]}
    records = [
        request(chat()),
        request(nameless, cut, late),
        "{broken",
        request(odd),
        [],
        7,
        {"a": 1},
        "",
        request(chat()),
    ]
    rows, tally = rows_of(lines(tmp_path / "traces.jsonl", records))

    assert len(rows) == 2
    assert tally.places == {
        "has no span ID": ["traces.jsonl, line 2, span 1"],
        "has messages or tools that are not whole JSON (cut by a limit on attributes?)": [
            "traces.jsonl, line 2, span 2"
        ],
        "has a time that is none": ["traces.jsonl, line 2, span 3"],
        "is not JSON: unexpected character, expected a string key": ["traces.jsonl, line 3"],
        "has another shape than its format": ["traces.jsonl, line 4, span 1"],
        "is of no format that is known": ["traces.jsonl, line 6", "traces.jsonl, line 7"],
    }


def test_an_attribute_may_have_no_value(tmp_path: Path) -> None:
    span = chat()
    span["attributes"] += [{"key": "a"}, {"key": "b", "value": None}, {"key": "c", "value": {}}]
    whole = request(span)
    whole["resourceSpans"][0]["resource"]["attributes"].append({"key": "host.id"})

    (row,), tally = rows_of(lines(tmp_path / "t.jsonl", [whole]))

    assert row["attributes"] == {"service.name": "shop", "gen_ai.operation.name": "chat"}
    assert not tally.malformed


def test_what_is_odd_around_spans_costs_no_others(tmp_path: Path) -> None:
    resources = [request(chat(span=f"s{n}"))["resourceSpans"][0] for n in range(4)]
    resources[1]["resource"]["attributes"] = [5]
    resources[2]["scopeSpans"][:0] = [{"spans": 5}, 5]
    resources[2:2] = [7]

    rows, tally = rows_of(lines(tmp_path / "t.jsonl", [{"resourceSpans": resources}, {"resourceSpans": 7}]))

    assert [row["id"] for row in rows] == ["t1:s0", "t1:s1", "t1:s2", "t1:s3"]
    assert tally.places == {
        "has another shape than its format": [
            f"t.jsonl, line {place}"
            for place in (
                "1, resource 2, its attributes", "1, resource 3", "1, resource 4, scope 1",
                "1, resource 4, scope 2", "2",
            )
        ]
    }  # fmt: skip


def test_a_name_of_nul_characters_alone_is_a_name_still(tmp_path: Path) -> None:
    tool = {"id": "a", "traceId": "t", "type": "TOOL", "name": "\0", "input": {"a": 1}, "output": "b"}
    found = traffic.read(lines(tmp_path / "t.jsonl", [tool]))

    assert len(list(found.instances())) == 1


def test_only_the_first_few_places_are_kept(tmp_path: Path) -> None:
    _, tally = rows_of(lines(tmp_path / "traces.jsonl", ["{broken"] * 100))

    ((reason, count),) = tally.malformed.items()
    assert count == 100
    assert tally.places[reason] == [f"traces.jsonl, line {n}" for n in range(1, 6)]


def test_logs_are_told_apart_from_spans(tmp_path: Path) -> None:
    _, tally = rows_of(lines(tmp_path / "logs.jsonl", [{"resourceLogs": []}]))

    assert tally.malformed == {"holds logs or metrics, of which no spans are made": 1}


@pytest.mark.parametrize("into", ["spans", "traces", "sessions"])
def test_any_number_of_processes_writes_the_same_file(
    tmp_path: Path, into: traffic.Into, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.traffic.processes._BLOCK_BYTES", 40_000)
    told = {"gen_ai__conversation__id": "c1"}
    records = [
        request(chat(f"t{n % 7}", f"s{n}", said=f"Write to a{n}@b.org", second=n, **told)) for n in range(60)
    ]
    first = lines(tmp_path / "a.jsonl", [*records[:30], "{broken"])
    second = tmp_path / "b.jsonl.gz"
    second.write_bytes(gzip.compress("\n".join(map(json.dumps, records[30:] * 50)).encode())[:-40])
    written = []
    for processes in (1, 2):
        found = traffic.read([first, second], into=into, processes=processes)
        tally = found.write(tmp_path / "rows.jsonl")
        written.append(((tmp_path / "rows.jsonl").read_bytes(), tally.as_dict()))
        assert tally.spans > 30 + 1_400  # of the lines that can be unpacked, all

    assert written[0] == written[1]


@pytest.mark.parametrize("part_bytes", [1, 25, 1_000])
def test_lines_come_in_whole_ones_and_of_one_that_is_too_long_its_beginning(
    tmp_path: Path, part_bytes: int
) -> None:
    file = lines(tmp_path / "a.jsonl", ["{}", "[]" * 30, "7"])

    assert b"".join(File(file).lines(part_bytes, 20)) == b"{}\n" + b"[]" * 10 + b"\n7\n"


def test_a_pipe_is_refused_since_what_was_looked_at_would_be_lost(tmp_path: Path) -> None:
    pipe = tmp_path / "traces.jsonl"
    os.mkfifo(pipe)

    with pytest.raises(InvalidRequestError, match="is a pipe or a device"):
        rows_of(pipe)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd -d"),
        (lzma.compress(b"{}"), "xz -dk"),
        (bz2.compress(b"{}"), "bzip2 -dk"),
        (b"PK\3\4 rest", "unzip"),
        ('{"a": 1}'.encode("utf-16"), "iconv -f UTF-16"),
        (gzip.compress(b"PAR1 rest", mtime=0), "Parquet in gzip"),
    ],
)
def test_what_is_packed_or_written_otherwise_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "traces.jsonl"
    file.write_bytes(content)

    with pytest.raises(InvalidRequestError, match=message):
        rows_of(file)


@pytest.mark.parametrize("beginning", ["", "\ufeff", "\n "])
def test_json_with_a_control_character_is_json(tmp_path: Path, beginning: str) -> None:
    odd = '{"id": "a\1"}\n'
    file = tmp_path / "traces.jsonl"
    file.write_text(beginning + odd + json.dumps(request(chat())))

    rows, tally = rows_of(file)

    assert len(rows) == 1
    assert tally.malformed.total() == 1


def test_an_object_whose_value_begins_on_the_next_line_is_one_document(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(request(chat()), separators=(",", ":\n")))

    assert len(rows_of(file)[0]) == 1


def test_a_row_of_csv_that_is_too_long_is_counted_and_read_over() -> None:
    cells = 'id,said\n1,hello\n2,"a\n' + "b" * 50 + '\nc"\n3,' + "d" * 500 + "\n4,again\n"
    found = list(tables.csv_rows(io.BytesIO(cells.encode()), 40))

    assert found[0] == (1, {"id": "1", "said": "hello"})
    assert found[1] == (2, Malformed("is not CSV: a row is longer than 40 characters"))
    assert found[-1] == (found[-1][0], {"id": "4", "said": "again"})
    assert found[-2][1] == found[1][1]


def test_blank_lines_may_go_before_the_header_of_csv() -> None:
    found = list(tables.csv_rows(io.BytesIO(b"\n\r\nid,said\n1,hello\n"), 40))

    assert [row for _, row in found] == [{"id": "1", "said": "hello"}]


def test_a_full_disk_for_what_is_put_together_says_where_and_what_to_do() -> None:
    with Gathered() as gathered:
        gathered._database.execute("PRAGMA max_page_count = 10")
        with pytest.raises(InvalidRequestError, match=r"disk is full\. Set TMPDIR"):
            gathered.add([("t", 1, "", True, True, b"x" * 100_000)])


def test_a_file_that_is_read_is_not_written(tmp_path: Path) -> None:
    file = lines(tmp_path / "traces.jsonl", [request(chat())])
    before = file.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(file)

    for name in ("traces.jsonl", "link.jsonl"):
        with pytest.raises(InvalidRequestError, match="is a file that is read"):
            traffic.read([file]).write(tmp_path / name)
    assert file.read_bytes() == before


def test_rows_are_written_packed_and_whole_or_not_at_all(tmp_path: Path) -> None:
    source = lines(tmp_path / "traces.jsonl", [request(chat())])
    target = tmp_path / "rows.jsonl.gz"
    traffic.read(source).write(target)

    assert json.loads(gzip.decompress(target.read_bytes()))["input"] == "Hello"
    with pytest.raises(InvalidRequestError, match=r"must end with \.jsonl"):
        traffic.read(source).write(tmp_path / "rows.csv")
    with pytest.raises(InvalidRequestError, match="There is no file"):
        traffic.read(tmp_path / "absent.jsonl").write(tmp_path / "other.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl.gz", "traces.jsonl"]


@pytest.mark.parametrize(
    "arguments",
    [{"source": "zipkin"}, {"into": "turns"}, {"redactions": ["names"]}, {"processes": 0}],
)
def test_arguments_that_are_none_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        traffic.read("traces.jsonl", **arguments)


odd = st.sampled_from(
    [
        "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-23:59", "9" * 25,
        "-" + "9" * 25, "9" * 400, "\u00b2", "\0", 2**63, 2**64, 1e308, -1e308, "[[[", '{"',
        '[{"role":"user","content":"hel', {"role": 1}, {"role": "user", "content": {"a": [1]}},
        {"type": "constructor", "kwargs": {}},
        {"tool_calls": [{"function": {"name": "f", "arguments": None}}]}, [{"key": "a"}], [{}],
    ]
)  # fmt: skip
json_values = odd | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    file=st.sampled_from([path.name for path in GOLDEN.iterdir() if path.suffix != ".csv"]),
    replaced=st.integers(0, 400),
    value=json_values,
)
def test_an_import_never_ends_for_what_is_in_a_file(
    file: str, replaced: int, value: Any, tmp_path: Path
) -> None:
    text = (GOLDEN / file).read_text()
    records = (
        [json.loads(text)] if file.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    )
    places = [place for record in records for place in _places(record)]
    held, key = places[replaced % len(places)]
    held[key] = value
    source = lines(tmp_path / "traces.jsonl", records)

    for into in ("spans", "traces", "sessions"):
        rows, _ = rows_of(source, into=into)
        assert len(list(traffic.read(source, into=into).instances())) == len(rows)


def _places(value: Any) -> Any:
    """Yield each place in JSON at which something stands."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_can_be_tried(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "noise"
    file.write_bytes(content)

    try:
        rows, _ = rows_of(file)
    except InvalidRequestError as refused:
        assert " first: " in refused.message  # it begins as what is packed does
    else:
        assert rows == []
