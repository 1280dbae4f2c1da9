import json
from pathlib import Path

import pytest

pytest.importorskip("psutil")

from benchmarks.scorer import texts
from benchmarks.scorer.bench import Outcome
from benchmarks.scorer.results import Results


def test_results_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "scorer.json"
    results = Results(file)
    results.succeeded("added", Outcome({"served_added_p50": 1.23456789}), {})
    before = file.read_text()
    assert json.loads(before)["served_added_p50"] == 1.2346
    with pytest.raises(TypeError):
        results.succeeded("added", Outcome({"served_added_p50": 2.0}, {"unwritable": object()}), {})
    assert file.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["scorer.json"]


def test_a_failed_step_leaves_no_figure_of_an_earlier_run(tmp_path: Path) -> None:
    results = Results(tmp_path / "scorer.json")
    results.succeeded("added", Outcome({"served_added_p50": 1.0}), {})
    results.failed("added", "no answer", {})
    assert Results(results.file).content["served_added_p50"] is None


def test_a_folder_that_lacks_a_file_is_not_used(tmp_path: Path) -> None:
    for name in texts.FILES:
        assert texts.usable(tmp_path) is None
        (tmp_path / name).touch()
    assert texts.usable(tmp_path) == tmp_path
    assert texts.usable(None) is None
