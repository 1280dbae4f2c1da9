"""`gnomon score`: one instance, and whole files."""

import csv
import gzip
import json

import pytest

from gnomon.v1 import resources_pb2 as pb


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def tone(fake):
    """The metric that the tests score with."""
    classes = [pb.Metric.LabelClass(label=label) for label in ("false", "true")]
    metric = pb.Metric(
        name="metrics/tone", output_type="BOOLEAN", step="LLM_SPAN", input_shape="OUTPUT", classes=classes
    )
    fake.metrics[metric.name] = metric


def test_one_instance_is_shown_with_label_probabilities_and_version(gnomon):
    ran = gnomon("score", "tone", "--input", "When?", "--output", "I promise: today.", "--document", "d1")

    assert ran.status == 0
    assert "true  flagged at threshold 0.450  (metrics/tone/versions/3)" in ran.out
    assert "0.900" in ran.out


def test_one_instance_as_json_is_the_response(gnomon):
    document = gnomon("score", "tone", "other@shadow", "--output", "no", "--json").json

    outcomes = document["results"][0]["outcomes"]
    assert [outcome["score"]["label"] for outcome in outcomes] == ["false", "false"]
    assert outcomes[1]["score"]["metric_version"] == "metrics/other/versions/shadow"


def test_an_instance_that_cannot_be_scored_ends_with_status_1(gnomon):
    ran = gnomon("score", "tone", "--input", "only that")

    assert ran.status == 1
    assert "this one has none" in ran.out


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"input": [{"content": "a"}], "output": [{"content": "b"}]}, "span"),
        ({"spans": [{"output": [{"content": "b"}]}]}, "trace"),
        ({"traces": [{"spans": [{"output": [{"content": "b"}]}]}]}, "session"),
        ({"span": {"kind": "TOOL", "output": [{"content": "b"}]}}, "span"),
        ([{"role": "user", "content": "When?"}], "session"),
        ({"messages": [{"role": "user", "content": "When?"}]}, "session"),
    ],
)
def test_an_instance_is_read_from_a_file(gnomon, fake, tmp_path, content, kind):
    file = tmp_path / "instance.json"
    file.write_text(json.dumps(content))

    gnomon("score", "tone", "--instance", file)

    assert fake.score_requests[0].instances[0].WhichOneof("kind") == kind


@pytest.mark.parametrize("content", ["{", "[]", '{"spam": 1}', '{"span": {"kind": "NOSE"}}'])
def test_a_file_without_an_instance_is_refused_by_its_name(gnomon, tmp_path, content):
    file = tmp_path / "instance.json"
    file.write_text(content)

    ran = gnomon("score", "tone", "--instance", file)

    assert ran.status == 1
    assert "instance.json does not hold an instance" in ran.err


def test_every_row_of_a_file_keeps_its_columns_and_gets_scores_in_order(gnomon, fake, tmp_path):
    count = 501
    rows = [{"id": n, "output": "I promise" if n % 3 == 0 else "no"} for n in range(count)]
    source, target = write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"

    ran = gnomon("score", "tone", "--file", source, "--out", target, "--json")

    scored = read_jsonl(target)
    assert [row["id"] for row in scored] == list(range(count))
    assert all(row["tone.flagged"] == (row["id"] % 3 == 0) for row in scored)
    assert scored[0] == rows[0] | {
        "tone.label": "true",
        "tone.flagged": True,
        "tone.false": pytest.approx(0.1),
        "tone.true": pytest.approx(0.9),
        "tone.version": "metrics/tone/versions/3",
        "tone.error": None,
    }
    assert ran.json["rows"] == count
    assert ran.json["metrics"]["tone"]["labels"] == {"false": count - count // 3, "true": count // 3}
    assert len(fake.score_requests) > 1


def test_a_row_that_cannot_be_read_or_scored_has_its_error_and_hurts_no_other(gnomon, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        '{"output": "no"}\n{broken\n\n[1]\n{"other": 1}\n{"input": "x"}\n{"output": "I promise"}\n'
    )

    ran = gnomon("score", "tone", "--file", source, "--out", target, "--json")

    rows = read_jsonl(target)
    assert [row["tone.label"] for row in rows] == ["false", None, None, None, None, "true"]
    errors = [row["tone.error"] for row in rows]
    assert errors[1].startswith("Line 2 is not JSON")
    assert errors[2] == "Line 4 is not a JSON object; each line must be one."
    assert errors[3].startswith("Line 5: The row has none of the columns input, output")
    assert errors[4] == "The metric reads the output of a span; this one has none."
    assert ran.json["metrics"]["tone"]["errors"] == 4


def test_csv_in_and_out_with_mapped_columns_and_documents(gnomon, fake, tmp_path):
    source, target = tmp_path / "in.csv.gz", tmp_path / "out.csv"
    with gzip.open(source, "wt", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "answer", "context"])
        writer.writerow(["1", "I promise,\nreally", '["one", "two"]'])
        writer.writerow(["2", "no"])

    ran = gnomon("score", "tone", "--file", source, "--out", target, "--column", "answer=output",
                 "--column", "context=documents")  # fmt: skip

    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["answer"] == "I promise,\nreally"
    assert (rows[0]["tone.label"], rows[0]["tone.flagged"], rows[0]["tone.error"]) == ("true", "true", "")
    assert rows[1]["tone.error"] == "Line 4 has 2 cells under 3 columns."
    assert [document.content for document in fake.score_requests[0].instances[0].span.documents] == [
        "one",
        "two",
    ]
    assert "Scored 2 rows" in ran.out


def test_conversations_and_traces_are_read_from_their_columns(gnomon, fake, tmp_path):
    messages = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "I promise"}]
    trace = {"spans": [{"output": [{"content": "no"}]}]}
    source = write_jsonl(tmp_path / "in.jsonl", [{"messages": messages}, {"trace": trace}])

    gnomon("score", "tone", "--file", source, "--out", tmp_path / "out.jsonl")

    first, second = fake.score_requests[0].instances
    assert [m.content for m in first.trace.spans[0].output] == ["I promise"]
    assert second.trace.spans[0].output[0].content == "no"


def test_an_error_that_concerns_all_rows_leaves_no_file(gnomon, tmp_path):
    source, target = write_jsonl(tmp_path / "in.jsonl", [{"output": "x"}]), tmp_path / "out.jsonl"

    ran = gnomon("score", "unknown", "--file", source, "--out", target)

    assert ran.status == 1
    assert "There is no metrics/unknown." in ran.err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.txt", b"x", "must end with .parquet, or with .csv, .jsonl or .ndjson"),
        ("in.csv", b"", "is empty"),
        ("in.csv", b"\n\n", "is empty"),
        ("in.csv", b"id;output\n1;no\n", "seem to be separated by ';'"),
        ("in.csv", b"id\toutput\n1\tno\n", r"seem to be separated by '\t'"),
        ("in.csv", b"output,output\n1,2\n", "has the column 'output' more than once"),
        ("in.jsonl", b'{"output": "\xff"}\n', "in.jsonl is not UTF-8 text"),
        ("in.jsonl.gz", b"no gzip", "no whole gzip file"),
        ("in.jsonl.gz", gzip.compress(b'{"output": "x"}\n' * 1000, mtime=0)[:-10], "no whole gzip file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(gnomon, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    ran = gnomon("score", "tone", "--file", tmp_path / name, "--out", tmp_path / "out.jsonl")

    assert ran.status == 1
    assert message in ran.err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_separator_in_the_name_of_the_only_column_is_no_separator(gnomon, tmp_path):
    (tmp_path / "in.csv").write_text('"What is it; really?"\nA test.\n')

    ran = gnomon(
        *("score", "tone", "--file", tmp_path / "in.csv", "--out", tmp_path / "out.jsonl"),
        *("--column", "output=What is it; really?"),
    )

    assert "separated" not in ran.err


def test_the_file_that_is_read_is_never_written(gnomon, tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", [{"output": "x"}])

    assert gnomon("score", "tone", "--file", source, "--out", source).status == 1
    assert read_jsonl(source) == [{"output": "x"}]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_half_a_character_in_one_row_costs_no_other_row(gnomon, tmp_path, ending):
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{ending}"
    source.write_text('{"output": "no"}\n{"output": "\\ud83d"}\n{"output": "I promise"}\n')

    ran = gnomon("score", "tone", "--file", source, "--out", target)

    content = target.read_bytes()
    text = gzip.decompress(content) if ending.endswith("gz") else content
    rows = [json.loads(line) for line in text.splitlines()]
    assert ran.status == 0
    assert [row["tone.label"] for row in rows] == ["false", None, "true"]
