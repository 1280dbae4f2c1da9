"""Exported traces as files of protobuf messages, in each framing that exporters write."""

import struct
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.traffic.made import chat, kept, rows_of


def test_protobuf_that_begins_as_json_might_is_protobuf(tmp_path: Path) -> None:
    trace = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    message = trace.TracesData()
    of_resource = message.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = "x" * 14  # 34 bytes
    of_resource.scope_spans.add().spans.add(trace_id=b"a" * 16, span_id=b"b" * 8, name="y" * 53)
    content = message.SerializeToString()
    assert content.startswith(b'\n{\n"')
    file = tmp_path / "t.binpb"
    file.write_bytes(content)

    assert rows_of(file)[1].spans == 1


def protobuf(count: int, resource: str = "shop") -> Any:
    pb = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    message = pb.TracesData()
    of_resource = message.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = resource
    scope = of_resource.scope_spans.add()
    for number in range(count):
        span = scope.spans.add(
            trace_id=bytes(15) + b"\1",
            span_id=number.to_bytes(8, "big"),
            name="chat",
            start_time_unix_nano=10**18,
        )
        told = chat(said=f"Question {number}")["attributes"]
        for entry in told:
            span.attributes.add(key=entry["key"]).value.string_value = entry["value"]["stringValue"]
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 7
        span.attributes.add(key="tags").value.array_value.values.add().string_value = "beta"
    return message


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


@pytest.mark.parametrize("framing", ["one message", "lengths of four bytes", "lengths as varints"])
def test_protobuf_is_read_in_each_framing(tmp_path: Path, framing: str) -> None:
    messages = [protobuf(3).SerializeToString(), protobuf(2, "other").SerializeToString()]
    frame = {
        "one message": lambda content: content,  # two of them, joined, are one with the fields of both
        "lengths of four bytes": lambda content: struct.pack(">I", len(content)) + content,
        "lengths as varints": lambda content: varint(len(content)) + content,
    }[framing]
    file = tmp_path / "traces.binpb"
    file.write_bytes(b"".join(map(frame, messages)))

    rows, tally = rows_of(file)

    assert kept(rows, "input", "tags") == [(f"Question {n}", ["beta"]) for n in (1, 2, 1)]
    assert [row["attributes"]["service.name"] for row in rows] == ["shop", "shop", "other"]
    assert rows[0]["attributes"]["gen_ai.usage.input_tokens"] == "7"
    assert rows[0]["trace_id"] == "0" * 31 + "1"
    assert tally.malformed == {"has no span ID": 2}  # zeros alone stand for none


def test_zeros_that_a_crash_left_are_told_once_and_read_no_further(tmp_path: Path) -> None:
    content = protobuf(2).SerializeToString()
    file = tmp_path / "traces.binpb"
    file.write_bytes(struct.pack(">I", len(content)) + content + bytes(10_000_000))

    rows, tally = rows_of(file)

    assert len(rows) == 1  # the other has no ID
    assert list(tally.places.values()) == [
        ["traces.binpb, message 1, span 1"],
        ["traces.binpb, message 1002"],
    ]


def test_protobuf_that_ends_too_early_is_counted(tmp_path: Path) -> None:
    content = protobuf(2).SerializeToString()
    file = tmp_path / "traces.binpb"
    file.write_bytes(struct.pack(">I", len(content)) + content + struct.pack(">I", 10_000) + b"abc")

    rows, tally = rows_of(file)

    assert len(rows) == 1
    assert list(tally.places.values()) == [["traces.binpb, message 1, span 1"], ["traces.binpb, message 2"]]
