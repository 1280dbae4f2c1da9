"""Files that tests score, and the metric that they are scored with."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq

from gnomon.v1 import resources_pb2 as pb

TONE = pb.Metric(
    name="metrics/tone",
    output_type="BOOLEAN",
    step="LLM_SPAN",
    input_shape="OUTPUT",
    classes=[pb.Metric.LabelClass(label=label) for label in ("false", "true")],
)


def a_text(number):
    return "I promise" if number % 3 == 0 else "no"


def write_jsonl(path, count):
    rows = [{"id": n, "output": a_text(n)} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_any(path):
    """Return the cells of a file's rows, as near to one another as the formats allow."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if ".csv" in path.name:
        return list(csv.DictReader(text.splitlines()))
    return [json.loads(line) for line in text.splitlines()]


def write_any(path, count):
    rows = [{"id": str(n), "output": a_text(n)} for n in range(count)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
        return path
    if ".csv" in path.name:
        text = "id,output\n" + "".join(f"{row['id']},{row['output']}\n" for row in rows)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
