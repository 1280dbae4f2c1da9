"""`gnomon score-file`: formats, columns, and what cannot be read. See also test_score_file_resumed.py."""

import datetime
import gzip
import json
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnomon import parquet
from gnomon.errors import InvalidRequestError
from gnomon.v1 import resources_pb2 as pb
from tests.cli.score_files import TONE, read_any, read_jsonl, write_any, write_jsonl

ADDED = ["tone.label", "tone.flagged", "tone.false", "tone.true", "tone.version", "tone.error"]


@pytest.fixture(autouse=True)
def tone(fake):
    """The metric that the tests score with."""
    fake.metrics[TONE.name] = TONE


ENDINGS = ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]


@pytest.mark.parametrize("into", ENDINGS)
@pytest.mark.parametrize("from_", ENDINGS)
def test_any_format_goes_into_any_other(gnomon, tmp_path, from_, into):
    source, target = write_any(tmp_path / f"in.{from_}", 40), tmp_path / f"out.{into}"

    ran = gnomon("score-file", "tone", source, target, "--json")

    assert ran.status == 0, ran.err
    rows = read_any(target)
    assert [row["id"] for row in rows] == [str(n) for n in range(40)]
    assert list(rows[0]) == ["id", "output", *ADDED]
    assert [row["tone.label"] for row in rows] == ["false" if n % 3 else "true" for n in range(40)]
    assert [str(row["tone.flagged"]).lower() for row in rows[:2]] == ["true", "false"]
    assert float(rows[0]["tone.true"]) == pytest.approx(0.9)
    assert {row["tone.error"] for row in rows} <= {None, ""}
    assert ran.json["rows"] == 40
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_nested_cells_and_nulls_of_parquet_are_read_and_kept(gnomon, fake, tmp_path):
    rows = [
        {
            "output": [{"role": "assistant", "content": "I promise", "tool_calls": None}],
            "input": "When?",
            "documents": [{"content": "one", "id": None}, {"content": "two", "id": "2"}],
            "at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
            "tags": {"a": "b"},
            "weight": 1.5,
        },
        {
            "output": [{"role": "assistant", "content": "no"}],
            "input": None,
            "documents": None,
            "weight": None,
        },
        {"output": None, "documents": [], "weight": float("nan")},
    ]
    source = tmp_path / "in.parquet"
    table = pa.Table.from_pylist(rows)
    table = table.append_column("kind", pa.array(["x", "y", "x"]).dictionary_encode())
    pq.write_table(table, source)

    ran = gnomon("score-file", "tone", source, tmp_path / "out.parquet", "--json")
    gnomon("score-file", "tone", source, tmp_path / "out.jsonl")

    assert ran.status == 0, ran.err
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(table.column_names).drop(["weight"]).equals(table.drop(["weight"]))
    assert found["tone.label"].to_pylist() == ["true", "false", None]
    assert found["tone.flagged"].to_pylist() == [True, False, None]
    assert found.schema.field("tone.true").type == pa.float64()
    assert found["tone.error"].to_pylist()[2].startswith("Row 3: The row has none of the columns")
    first, second = fake.score_requests[0].instances[:2]
    assert [(d.id, d.content) for d in first.span.documents] == [("", "one"), ("2", "two")]
    assert first.span.output[0].content == "I promise"
    assert not second.span.input
    text = read_jsonl(tmp_path / "out.jsonl")
    assert text[0]["at"] == "2026-01-02T03:04:05+00:00"
    assert text[0]["documents"][1] == {"content": "two", "id": "2"}
    assert text[2]["weight"] is None


def test_json_lines_of_mixed_types_become_columns_of_one_type_each(gnomon, tmp_path):
    rows = [
        {"output": "no", "n": 1, "mixed": 1, "list": ["a"], "half": "\ud83d"},
        {"output": "no", "n": 2.5, "mixed": "two", "list": [], "only_here": True, "nothing": None},
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")

    ran = gnomon("score-file", "tone", source, target)

    assert ran.status == 0, ran.err
    found = pq.read_table(target)
    assert found["n"].to_pylist() == [1.0, 2.5, None]
    assert found["mixed"].to_pylist() == ["1", "two", None]
    assert found["list"].to_pylist() == [["a"], [], None]
    assert found["only_here"].to_pylist() == [None, True, None]
    assert found["half"].to_pylist() == ["?", None, None]
    assert found["tone.error"].to_pylist()[2].startswith("Line 3 is not JSON")


@pytest.mark.parametrize("into", ENDINGS)
@pytest.mark.parametrize("from_", ["csv", "jsonl", "parquet"])
def test_a_file_without_rows_gives_one_without_rows(gnomon, tmp_path, from_, into):
    source, target = write_any(tmp_path / f"in.{from_}", 1), tmp_path / f"out.{into}"
    if from_ == "parquet":
        pq.write_table(pq.read_table(source).slice(0, 0), source)
    else:
        source.write_text("id,output\n" if from_ == "csv" else "")

    ran = gnomon("score-file", "tone", source, target, "--json")

    assert (ran.status, ran.json["rows"]) == (0, 0)
    assert read_any(target) == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "in.jsonl",
            '[{"output": "no"}, {"output": "no"}]',
            "Line 1 is not a JSON object; each line must be one.",
        ),
        ("in.csv", "id,answer\n1,no\n2,no\n", "Line 2: The row has none of the columns input, output"),
    ],
)
def test_a_file_of_which_no_row_could_be_scored_is_no_success(gnomon, tmp_path, name, content, why):
    (tmp_path / name).write_text(content)
    target = tmp_path / "out.jsonl"

    ran = gnomon("score-file", "tone", tmp_path / name, target, "--json")

    assert ran.status == 1
    assert f"error: No row could be scored. {why}" in ran.err
    assert f"{target} says why of each." in ran.err
    assert ran.json["metrics"]["tone"]["errors"] == ran.json["rows"] == len(read_jsonl(target))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("mapped", "why"),
    [
        (["question=output"], "more than one column as 'output', by --column: 'question' and 'output'"),
        (["question=input", "id=input"], "more than one column as 'input', by --column: 'id' and 'question'"),
        (["qestion=input"], "has no column 'qestion', which --column names. It has id, question, output."),
        (["question=inptu"], "--column reads 'question' as 'inptu'"),
    ],
)
def test_a_mapping_that_would_hide_a_column_is_refused_and_leaves_nothing(
    gnomon, fake, tmp_path, ending, mapped, why
):
    source, target = tmp_path / f"in.{ending}", tmp_path / "out.jsonl"
    rows = [{"id": str(n), "question": "When?", "output": "no"} for n in range(3)]
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        lines = map(json.dumps, rows) if "json" in ending else ["id,question,output", *["1,When?,no"] * 3]
        content = "\n".join(lines).encode()
        source.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)

    ran = gnomon("score-file", "tone", source, target, *[w for m in mapped for w in ("--column", m)])

    assert ran.status != 0
    assert why in " ".join(ran.err.split())
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_row_that_has_the_name_of_a_mapped_column_late_has_an_error_of_its_own(gnomon, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1}\n{"answer": "no"}\n{"answer": "no", "output": "I promise"}\n')

    ran = gnomon("score-file", "tone", source, target, "--column", "answer=output")

    assert ran.status == 0, ran.err
    errors = [row["tone.error"] for row in read_jsonl(target)]
    assert errors[1] is None
    assert errors[2].startswith("Line 3: The row has more than one column as 'output'")


def test_an_id_under_a_name_of_ours_is_a_column_like_others_for_a_metric_of_spans(gnomon, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("session,trace,output\ns1,4bf92f35,I promise\n")

    ran = gnomon("score-file", "tone", source, target)

    assert ran.status == 0, ran.err
    (row,) = read_any(target)
    assert (row["session"], row["tone.label"]) == ("s1", "true")


def test_metrics_that_read_other_columns_of_a_row_are_not_scored_on_one_of_them(gnomon, fake, tmp_path):
    dialog = pb.Metric()
    dialog.CopyFrom(fake.metrics["metrics/tone"])
    dialog.name, dialog.step, dialog.input_shape = "metrics/dialog", "SESSION", "WHOLE_SESSION"
    fake.metrics[dialog.name] = dialog
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    chat = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "I promise"}]
    source.write_text(
        json.dumps({"messages": chat, "session": [chat]}) + "\n" + json.dumps({"messages": chat})
    )

    gnomon("score-file", "dialog", "tone", source, target)

    first, second = read_jsonl(target)
    assert "tone reads other columns than dialog" in first["tone.error"]
    assert "other columns" not in second["tone.error"]  # the fake reads no chats


@pytest.mark.parametrize("blank", ["\n", "\r\n\r\n"])
def test_blank_lines_may_go_before_the_header_of_a_csv(gnomon, tmp_path, blank):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(f"{blank}id,output{blank}1,I promise\n".encode())

    ran = gnomon("score-file", "tone", source, target, "--json")

    assert (ran.status, ran.json["rows"]) == (0, 1), ran.err
    assert [row["tone.label"] for row in read_any(target)] == ["true"]


def test_the_same_rows_give_the_same_bytes(gnomon, tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", 100)
    contents = {}
    for name in ("a.jsonl.gz", "b.jsonl.gz", "a.parquet", "b.parquet"):
        gnomon("score-file", "tone", source, tmp_path / name)
        contents[name] = (tmp_path / name).read_bytes()
        time.sleep(0.01)
    assert contents["a.jsonl.gz"] == contents["b.jsonl.gz"]
    assert contents["a.parquet"] == contents["b.parquet"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.parquet", b"no parquet", "is no Parquet file"),
        ("in.parquet.gz", b"", "must end with .parquet, or"),
        ("in.jsonl", b'{"output": "\xff"}\n', "in.jsonl is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing_behind(gnomon, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    ran = gnomon("score-file", "tone", tmp_path / name, tmp_path / "out.jsonl")

    assert ran.status == 1
    assert message in ran.err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_without_pyarrow_it_is_said_how_to_get_it(gnomon, tmp_path, monkeypatch):
    source = write_any(tmp_path / "in.parquet", 3)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    ran = gnomon("score-file", "tone", source, tmp_path / "out.jsonl")

    assert ran.status == 1
    assert "pip install 'gnomon[parquet]'" in ran.err


@pytest.mark.parametrize("from_", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("into", ["csv", "jsonl", "parquet"])
def test_a_row_without_a_score_keeps_none_of_an_earlier_one(gnomon, tmp_path, from_, into):
    first, second = tmp_path / f"a.{from_}", tmp_path / f"b.{into}"
    gnomon("score-file", "tone", write_any(tmp_path / "in.jsonl", 3), first)
    if from_ == "parquet":
        table = pq.read_table(first)
        texts = pa.array([None, *table["output"].to_pylist()[1:]])
        pq.write_table(table.set_column(table.column_names.index("output"), "output", texts), first)
    else:
        first.write_text(first.read_text().replace("I promise", "", 1))

    assert gnomon("score-file", "tone", first, second).status == 0

    row = read_any(second)[0]
    assert "has none of the columns" in row.pop("tone.error")
    assert {row[name] for name in ADDED[:-1]} <= {None, ""}


@pytest.mark.parametrize("has_pandas", [True, False])
def test_times_that_python_has_no_value_for_become_text(gnomon, tmp_path, monkeypatch, has_pandas):
    source = tmp_path / "in.parquet"
    late = pa.array([10**12, None]).cast(pa.timestamp("s", "UTC"))
    finest = pa.array([1, None]).cast(pa.timestamp("ns"))
    table = pa.table(
        {
            "output": ["I promise", "no"],
            "late": late,
            "day": pa.array([10**7, None], pa.int32()).cast(pa.date32()),
            "fine": finest,
            "took": pa.array([2**62, None]).cast(pa.duration("s")),
            "inside": pa.array([{"at": [1]}, None], pa.struct([("at", pa.list_(pa.timestamp("ns")))])),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.timestamp("ns"))),
            "kinds": finest.dictionary_encode(),
        }
    )
    pq.write_table(table, source)
    if not has_pandas:
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "pandas.py").write_text("raise ModuleNotFoundError('pandas')")
        code = "from gnomon.cli.main import main; raise SystemExit(main())"
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "none"))
        for name in ("out.jsonl", "out.parquet"):
            words = ["score-file", "tone", str(source), str(tmp_path / name)]
            subprocess.run([sys.executable, "-c", code, *words], check=True)
    else:
        for name in ("out.jsonl", "out.parquet"):
            assert gnomon("score-file", "tone", source, tmp_path / name).status == 0

    row, empty = read_jsonl(tmp_path / "out.jsonl")
    finest_text = "1970-01-01T00:00:00.000000001"
    assert row["fine"] == row["kinds"] == row["inside"]["at"][0] == row["map"]["a"] == finest_text
    assert (row["day"], row["took"]) == ("29349-01-26", f"{2**62} s")
    assert row["late"].endswith("Z")
    assert (row["tone.label"], empty["late"]) == ("true", None)
    written = pq.read_table(tmp_path / "out.parquet")
    assert written["late"].cast(pa.timestamp("s", "UTC")).to_numpy()[0] == late.to_numpy(False)[0]


def test_what_parquet_cannot_hold_is_said_in_a_sentence(tmp_path):
    rows = [{"n": 1.5}, {"n": 2**60 + 1}]
    with pytest.raises(InvalidRequestError, match="cannot be written as Parquet"):
        parquet.write(tmp_path / "out.parquet", rows[:1], {}, rows, as_text=False)


def test_a_file_that_turns_out_not_to_be_text_keeps_the_rows_before(gnomon, tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", 5_000)
    with source.open("ab") as file:
        file.write(b'{"output": "\xff"}\n')

    ran = gnomon("score-file", "tone", source, tmp_path / "out.jsonl")

    assert ran.status == 1
    assert "not UTF-8" in ran.err
    assert "Give the same command again" in ran.err
    assert "begin anew with --restart" in ran.err
    assert (tmp_path / "out.jsonl.parts" / "scores.jsonl").stat().st_size > 0
