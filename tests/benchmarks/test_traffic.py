"""What the benchmark of imports plants is what an import counts."""

from pathlib import Path

from benchmarks.traffic import child, made, section

from gnomon import traffic


def test_every_broken_span_and_line_is_counted_and_every_sound_one_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(made, "_BROKEN_SPAN", 20)
    monkeypatch.setattr(made, "_BROKEN_LINE", 5)
    there = made.write(tmp_path / "traces.jsonl", 2_000)
    found = traffic.read(tmp_path / "traces.jsonl")
    rows = list(found)

    assert there.broken["line"] > 0 < there.broken["span"]
    assert found.tally.spans == len(rows) == there.spans
    assert found.tally.malformed.total() == there.broken.total()


def test_the_section_names_what_failed_and_what_was_counted(tmp_path: Path) -> None:
    made.write(tmp_path / "traces.jsonl", 200)
    counts = child.READERS["traces, 2 processes"](tmp_path / "traces.jsonl", tmp_path / "rows.jsonl")
    measured = counts | {"seconds": 2.0, "processor_seconds": 1.0, "peak_memory_mib": 50.0}
    file = {"spans": 200, "broken": 0, "size_bytes": 10**6}
    readers = {"traces, 2 processes": measured, "naive": {"failed": "out of 8 GiB of memory"}}
    origin = {"date": "today", "commit": "abc", "machine": "one", "quick": False}
    told = section.rendered({"origin": origin, "files": [file | {"readers": readers}]})

    assert "| 200 spans, 1 MB | traces, 2 processes | 100 | 200 | 50 MiB | 0 of 0 |" in told
    assert "| naive | out of 8 GiB of memory |" in told
