"""What the benchmark of the data checks counts, on rows made here."""

import json
import random
from pathlib import Path

import pytest
from benchmarks import data_checks

WORDS = [f"{a}{b}" for a in ("har", "lan", "vio", "gla", "orc", "tur", "par") for b in range(90)]


def questions(data: Path) -> Path:
    """Write rows of ten words each that have next to nothing in common."""
    chooser = random.Random(0)
    rows = [
        {
            "input": " ".join(chooser.sample(WORDS, 10)),
            "output": "",
            "label": str(number % 3),
            "split": "test" if number % 3 == 0 else "train",
        }
        for number in range(1_200)
    ]
    path = data / "banking77.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_planted_rows_are_found_and_no_others(tmp_path: Path) -> None:
    training, test = data_checks.read(questions(tmp_path), "train")
    assert (len(training), len(test)) == (800, 400)

    found = data_checks.measure("banking77", training, test, show=0)

    assert found["planted_rows"] == 20
    assert found["exact_found"] == 1.0
    assert found["case_found"] == found["punctuation_found"] == 1.0
    assert found["not_planted_and_equal"] == found["not_planted_and_near"] == 0


def test_a_folder_without_the_sets_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["data_checks", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        data_checks.main()
    assert "lacks banking77.jsonl, davidson_hate.jsonl" in capsys.readouterr().err
