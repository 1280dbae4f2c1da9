from pathlib import Path

import numpy as np
import pytest
from benchmarks.quality import cells, figures, plan, section, summary
from benchmarks.quality.cells import Cell, Measured, Options
from benchmarks.quality.methods import BASELINES
from benchmarks.quality.targets import against_best_baseline, targets
from numpy.typing import NDArray

ORIGIN = {"date": "2026-01-01 00:00Z", "commit": "abc", "machine": "2 × some", "quick": False}
ROWS = 2_000


def right_at(share: float, seed: int, *, noise: int = 0) -> NDArray[np.float64]:
    """Return probabilities of two classes that are right, with 0.9, on a share of rows whose truth is 0."""
    hit = np.random.default_rng(noise).permutation(ROWS) < share * ROWS
    hit = np.roll(hit, seed)
    return np.where(hit[:, None], [0.9, 0.1], [0.1, 0.9])


def measured(method: str, share: float, seed: int, public: str = "banking77", **facts: object) -> Measured:
    given = {"fit_s": 10.0, "whole_s": 20.0, "rows_per_s": None, "training_rows": 100, "notes": [{}]}
    return Measured(
        cell=Cell(method, public, seed),
        truth=np.zeros(ROWS, dtype=np.int64),
        probabilities=right_at(share, seed),
        rows=np.arange(ROWS),
        fold=np.zeros(ROWS, dtype=np.int64),
        facts=given | {"origin": ORIGIN} | facts,
    )


def seeds(method: str, share: float, **facts: object) -> list[Measured]:
    return [measured(method, share, seed, **facts) for seed in plan.SEEDS]


def test_a_difference_is_paired_so_that_a_small_but_steady_one_shows() -> None:
    low, high = seeds("plain", 0.90), seeds("gnomon_small", 0.91)
    found = figures.difference(high, low, "accuracy")
    assert found.value == pytest.approx(0.01)
    assert found.verdict == "better"
    above, below = (figures.interval(figures.over_seeds(one, "accuracy")) for one in (high, low))
    assert above.low < below.high  # their own intervals overlap
    assert figures.difference(low, high, "accuracy").verdict == "worse"
    assert figures.difference(low, low, "accuracy") == figures.Interval(0.0, 0.0, 0.0)
    assert figures.difference(low, low, "accuracy").verdict == "even"


def test_seeds_that_disagree_widen_the_interval() -> None:
    steady = seeds("a", 0.9)
    shaky = [measured("b", share, seed) for seed, share in enumerate((0.8, 0.9, 1.0))]
    widths = []
    for one in (steady, shaky):
        found = figures.interval(figures.over_seeds(one, "accuracy"))
        assert found.value == pytest.approx(0.9)
        widths.append(found.high - found.low)
    assert widths[1] > 3 * widths[0]


def test_only_the_same_rows_and_seeds_are_compared() -> None:
    with pytest.raises(ValueError, match="same seeds and rows"):
        figures.difference(seeds("a", 0.9), seeds("b", 0.9)[:2], "accuracy")


def test_the_auroc_of_folds_does_not_compare_scores_of_different_models() -> None:
    truth, fold = np.array([0, 0, 1, 1] * 2), np.repeat([0, 1], 4)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])  # perfect in each fold, not across them
    cell = Measured(
        Cell("a", "tau_bench", 0), truth, np.stack([1 - scores, scores], axis=1), np.arange(8), fold, {}
    )
    assert figures.over_seeds([cell], "auroc")[0] == 1.0


def test_ece_is_how_far_confidence_lies_from_the_share_of_hits() -> None:
    assert figures.ece(seeds("a", 0.9)) == pytest.approx(0.0, abs=1e-9)
    assert figures.ece(seeds("a", 0.7)) == pytest.approx(0.2)


def some(own: float, **own_facts: object) -> dict[str, object]:
    cells_ = [*seeds("gnomon_small", own, rows_per_s=200.0, **own_facts)]
    for method, share in zip(BASELINES, (0.80, 0.90, 0.85, 0.88), strict=True):
        cells_ += seeds(method, share, rows_per_s=100.0 if method == "plain" else None)
    return summary.summarised(cells_, {}, ["gnomon_auto"]) | {"command": "…"}


def test_a_summary_has_every_method_of_every_set_and_null_where_nothing_was_measured() -> None:
    content = some(0.93)
    assert content["summedits"] == dict.fromkeys(plan.FULL_METHODS)
    entry = content["banking77"]["gnomon_small"]
    assert entry["mean"] == pytest.approx(0.93)
    assert entry["interval"][0] < 0.93 < entry["interval"][1]
    assert (entry["seconds"], entry["seconds_whole"], entry["seeds"]) == (10.0, 20.0, [0, 1, 2])


def test_the_best_baseline_is_the_one_to_beat() -> None:
    best, difference = against_best_baseline(some(0.93), "banking77", "gnomon_small")
    assert best == "frozen"
    assert difference["value"] == pytest.approx(0.03)
    assert against_best_baseline(some(0.93), "summedits", "gnomon_small") is None


def test_targets_follow_the_figures() -> None:
    def verdicts(content: dict[str, object]) -> dict[str, str]:
        return {target.what: target.verdict for target in targets(content)}

    good, bad = verdicts(some(0.93)), verdicts(some(0.87))
    speed = "`banking77`, training rows/s of `gnomon_small` / ten-line fine-tune"
    assert (good[speed], bad[speed]) == ("met", "met")
    assert verdicts(some(0.80))[speed] == "**missed**"  # as quick, but worse than the ten-line fine-tune
    worse = "`gnomon_small` against the best of the four baselines: worse"
    assert (good[worse], bad[worse]) == ("not measured", "**missed**")
    assert good["`summedits`, AUROC"] == "not measured"
    ece = "`banking77`, ECE of `gnomon_small`"
    assert (verdicts(some(0.92))[ece], verdicts(some(0.86))[ece]) == ("met", "**missed**")


def test_the_section_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n")
    section.write(some(0.93), file)
    once = file.read_text()
    assert "**0.930**" in once
    section.write(some(0.91), file)
    twice = file.read_text()
    assert "**0.930**" not in twice
    assert "**0.910**" in twice
    assert twice.count("<!-- /quality -->") == 1
    assert twice.startswith("# Results\n")


def test_a_part_can_be_added_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "PARTS", (*section.PARTS, lambda _: "One more.\n"))
    assert section.rendered(some(0.9)).endswith("One more.\n")


def options(tmp_path: Path) -> Options:
    (tmp_path / "banking77.jsonl").write_text("{}\n")
    return Options(tmp_path, tmp_path / "work")


def test_a_cell_is_kept_until_its_data_or_options_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, cell, runs = options(tmp_path), Cell("tfidf", "banking77", 0), []

    def run(cell: Cell, options: Options, folder: Path) -> None:
        runs.append(cell)
        folder.mkdir(parents=True)
        one = np.zeros(1, dtype=np.int64)
        cells.write(folder, {"fit_s": 1.0}, truth=one, probabilities=np.ones((1, 2)), rows=one, fold=one)

    monkeypatch.setattr(cells, "_run", run)
    assert not cells.is_kept(cell, given)
    for _ in range(2):
        assert cells.measure(cell, given).facts["fit_s"] == 1.0
    assert len(runs) == 1
    assert cells.is_kept(cell, given)
    assert not cells.is_kept(Cell("tfidf", "banking77", 1), given)
    assert not cells.is_kept(cell, Options(given.data, given.work, quick=True))
    (tmp_path / "banking77.jsonl").write_text('{"input": "new"}\n')
    cells._data_digest.cache_clear()
    assert not cells.is_kept(cell, given)


def test_a_cell_that_fails_says_why_and_leaves_nothing_to_be_taken_for_a_result(tmp_path: Path) -> None:
    given, cell = options(tmp_path), Cell("tfidf", "banking77", 0)
    with pytest.raises(cells.CellError, match="KeyError"):  # the file's row has no label
        cells.measure(cell, given)
    assert not cells.is_kept(cell, given)
