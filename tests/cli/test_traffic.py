"""`gnomon traffic import`, as one types it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Gnomon

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4"}


def said(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def request(trace: str, second: int, session: str = "", **attributes: str) -> dict[str, Any]:
    told = {
        **CHAT,
        "gen_ai.input.messages": said("user", f"I am ann@example.org, question {second}"),
        "gen_ai.output.messages": said("assistant", "Hello Ann"),
        **({"gen_ai.conversation.id": session} if session else {}),
        **attributes,
    }
    span = {
        "traceId": trace,
        "spanId": f"s{second}",
        "name": "chat gpt-4",
        "startTimeUnixNano": str((1_783_938_600 + second) * 10**9),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in told.items()],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "traces.jsonl"
    records = [request("t1", 0, "c1"), request("t2", 60, "c1", tags="beta"), request("t3", 120, env="test")]
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + "{broken\n")
    return path


def rows_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_spans_are_written_and_what_was_counted_is_told(gnomon: Gnomon, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    ran = gnomon("traffic", "import", file, "--out", out)

    assert ran.status == 0
    assert ran.out.startswith(f"Wrote 3 spans into {out}, of 3 spans that were read.\nRedacted: 3 email.\n")
    assert "1 × is not JSON" in ran.out
    assert "(traces.jsonl, line 4)" in ran.out
    assert [row["input"] for row in rows_in(out)] == [f"I am [EMAIL], question {n}" for n in (0, 60, 120)]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--as", "traces"], ["t1", "t2", "t3"]),
        (["--as", "sessions", "--from", "otlp"], ["c1"]),
        (["--as", "traces", "--tag", "beta"], ["t2"]),
        (["--as", "traces", "--where", "env=test"], ["t3"]),
        (["--as", "traces", "--since", "2026-07-13T10:31", "--until", "2026-07-13T12:32+02:00"], ["t2"]),
        (["--as", "traces", "--kind", "llm", "--name", "chat gpt-4"], ["t1", "t2", "t3"]),
    ],
)
def test_the_options_choose(
    gnomon: Gnomon, file: Path, tmp_path: Path, options: list[str], ids: list[str]
) -> None:
    out = tmp_path / "rows.jsonl"

    assert gnomon("traffic", "import", file, "--out", out, *options).status == 0
    assert [row["id"] for row in rows_in(out)] == ids


def test_with_json_the_counts_are_one_document(gnomon: Gnomon, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl.gz"
    ran = gnomon("traffic", "import", file, file, "--out", out, "--no-redact", "email", "--json")

    assert ran.err == ""
    assert ran.json == {
        "spans": 6,
        "rows": 6,
        "left_out": {},
        "malformed": {
            "is not JSON: unexpected character, expected a string key": {
                "count": 2,
                "first": ["traces.jsonl, line 4", "traces.jsonl, line 4"],
            }
        },
        "redacted": {},
        "file": str(out),
    }


def test_nothing_that_came_out_is_a_failure_that_says_why(gnomon: Gnomon, file: Path, tmp_path: Path) -> None:
    ran = gnomon("traffic", "import", file, "--out", tmp_path / "rows.jsonl", "--kind", "retriever")

    assert ran.status == 1
    assert "Left out: 3 not asked for." in ran.out


@pytest.mark.parametrize("into", ["spans", "traces", "sessions"])
@pytest.mark.parametrize("name", ["keep.jsonl", "keep.jsonl.gz"])
def test_an_import_of_nothing_leaves_the_file_that_is_there(
    gnomon: Gnomon, file: Path, tmp_path: Path, into: str, name: str
) -> None:
    keep = tmp_path / name
    keep.write_text("kept")
    ran = gnomon("traffic", "import", file, "--out", keep, "--as", into, "--name", "none of that name")

    assert ran.status == 1
    assert keep.read_bytes() == b"kept"
    assert f"No {into} came out" in ran.out
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--since", "yesterday"], "--since 'yesterday' must be a time"),
        (["--where", "env"], "must read KEY=VALUE"),
        (["--where", "a=1", "--where", "a=2"], "names 'a' twice"),
        (["--sample", "2"], "sample is 2"),
        (["--from", "zipkin"], "zipkin"),
    ],
)
def test_options_that_are_none_are_refused(
    gnomon: Gnomon, file: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    ran = gnomon("traffic", "import", file, "--out", tmp_path / "rows.jsonl", *options)

    assert ran.status != 0
    assert message in ran.err
    assert not (tmp_path / "rows.jsonl").exists()


def test_the_file_that_is_read_is_not_written_over(gnomon: Gnomon, file: Path) -> None:
    before = file.read_text()
    ran = gnomon("traffic", "import", file, "--out", file)

    assert ran.status == 1
    assert f"{file} is a file that is read. Name another." in ran.err
    assert file.read_text() == before


def test_a_system_that_does_not_tell_which_cores_a_process_may_use_is_asked_how_many_there_are(
    gnomon: Gnomon, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.cli.traffic._MUCH_BYTES", 0)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 1)

    assert gnomon("traffic", "import", file, "--out", tmp_path / "rows.jsonl").status == 0


def test_a_folder_or_a_file_that_is_not_there_is_named(gnomon: Gnomon, tmp_path: Path) -> None:
    folder = gnomon("traffic", "import", tmp_path, "--out", tmp_path / "rows.jsonl")
    absent = gnomon("traffic", "import", tmp_path / "absent.jsonl", "--out", tmp_path / "rows.jsonl")

    packed = tmp_path / "traces.jsonl.zst"
    packed.write_bytes(b"\x28\xb5\x2f\xfd rest")

    assert (folder.status, absent.status) == (1, 1)
    assert "zstd -d" in gnomon("traffic", "import", packed, "--out", tmp_path / "rows.jsonl").err
    assert "is a folder. Name the files in it" in folder.err
    assert "There is no file" in absent.err
