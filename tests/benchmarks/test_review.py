"""What the benchmark of reviews flips, finds and writes, on rows made here."""

import random
from pathlib import Path
from typing import Any

import pytest
from benchmarks import review
from benchmarks.quality.sets import Division

SAID = {
    "sun": ["warm", "light", "bright", "calm"],
    "rain": ["wet", "cloud", "storm", "drop"],
    "snow": ["cold", "white", "ice", "flake"],
}


def rows(count: int) -> list[dict[str, Any]]:
    chooser = random.Random(0)
    labels = [chooser.choice(list(SAID)) for _ in range(count)]
    return [{"input": " ".join(chooser.choices(SAID[label], k=6)), "label": label} for label in labels]


def test_a_tenth_of_the_labels_is_flipped_to_another_class_and_the_seed_says_which() -> None:
    truth = rows(200)

    given, places = review.flipped(truth, 3)

    assert {n for n in range(200) if given[n]["label"] != truth[n]["label"]} == places
    assert len(places) == 20
    assert {record["label"] for record in given} <= set(SAID)
    assert review.flipped(truth, 3) == (given, places) != review.flipped(truth, 4)


def test_the_section_tells_every_figure_and_what_was_missed() -> None:
    reached = {"true": 0.93, "flipped": 0.9, "corrected": 0.92, "regained": 0.667}
    seed = {"rows": 9723, "flipped": 972, "found": 0.94, "wrong_after": 58, "order_s": 61.0, "answer_ms": 9.0}
    content = {
        "date": "today",
        "commit": "abc",
        "machine": "2 × one",
        "seeds": {"0": seed | {"learned": {"frozen": reached}}},
    }

    text = review.rendered(content)

    assert "| 0 | 9,723 | 972 | **0.940** | 58 | 61 s | 9 ms |" in text
    assert "| `frozen` | 0 | 0.9300 | 0.9000 | 0.9200 | **67%** |" in text
    assert "| flipped labels in the first 10 % | ≥ 70% | 94% … 94% | met |" in text
    assert "| accuracy regained | ≥ 80% | 67% … 67% | **missed** |" in text


@pytest.mark.slow
def test_a_review_through_the_services_finds_flipped_labels_and_corrects_them() -> None:
    figures, learned = review.found_of(Division(rows(200), [], []), 0)

    assert (figures["rows"], figures["flipped"], figures["asked"]) == (200, 20, 20)
    assert figures["found"] >= 0.7
    assert figures["wrong_after"] == round(20 * (1 - figures["found"]))
    assert [record["input"] for record in learned["corrected"]] == [r["input"] for r in learned["true"]]


def test_a_folder_without_the_set_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["review", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        review.main()
    assert "lacks banking77" in capsys.readouterr().err
