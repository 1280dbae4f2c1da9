import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.quality import __main__ as command
from benchmarks.quality import cell as cell_module
from benchmarks.quality import cells, clocks, figures, plan, section, summary
from benchmarks.quality.cells import Cell, Measured, Options
from benchmarks.quality.clocks import Seconds
from benchmarks.quality.methods import BASELINES
from benchmarks.quality.targets import against_best_baseline, targets
from benchmarks.quality.task import Answer
from numpy.typing import NDArray

ORIGIN = {"date": "2026-01-01 00:00Z", "commit": "abc", "machine": "2 × some", "quick": False}
ROWS = 2_000


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "RESAMPLES", 200)


def right_at(share: float, seed: int, *, noise: int = 0) -> NDArray[np.float64]:
    """Return probabilities of two classes that are right, with 0.9, on a share of rows whose truth is 0."""
    hit = np.random.default_rng(noise).permutation(ROWS) < share * ROWS
    hit = np.roll(hit, seed)
    return np.where(hit[:, None], [0.9, 0.1], [0.1, 0.9])


def measured(
    method: str, share: float, seed: int, public: str = "banking77", shots: int = 0, **facts: object
) -> Measured:
    given = {
        "fit_s": 10.0,
        "fit_processor_s": 15.0,
        "whole_s": 20.0,
        "whole_processor_s": 30.0,
        "rows_per_s": None,
        "rows_per_processor_s": None,
        "training_rows": 100,
        "left_out_rows": 7,
        "notes": [{}],
    }
    return Measured(
        cell=Cell(method, public, seed, shots),
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
    rates = {"rows_per_s": 120.0, "rows_per_processor_s": 200.0}  # it was measured beside other work
    cells_ = [*seeds("gnomon_small", own, **rates | own_facts)]
    for method, share in zip(BASELINES, (0.80, 0.90, 0.85, 0.88), strict=True):
        rates = {"rows_per_s": 100.0, "rows_per_processor_s": 90.0} if method == "plain" else {}
        cells_ += seeds(method, share, **rates)
    return summary.summarised(cells_, {}, ["gnomon_auto"]) | {"command": "…"}


def test_a_summary_has_every_method_of_every_set_and_null_where_nothing_was_measured() -> None:
    content = some(0.93)
    assert content["summedits"] == dict.fromkeys(plan.FULL_METHODS)
    entry = content["banking77"]["gnomon_small"]
    assert entry["mean"] == pytest.approx(0.93)
    assert entry["interval"][0] < 0.93 < entry["interval"][1]
    assert (entry["seconds"], entry["seconds_whole"], entry["seeds"]) == (10.0, 20.0, [0, 1, 2])
    assert (entry["processor_seconds"], entry["processor_seconds_whole"]) == (15.0, 30.0)
    assert content["sets"]["banking77"]["left_out_rows"] == 7


def test_the_best_baseline_is_the_one_to_beat() -> None:
    best, difference = against_best_baseline(some(0.93), "banking77", "gnomon_small")
    assert best == "frozen"
    assert difference["value"] == pytest.approx(0.03)
    assert against_best_baseline(some(0.93), "summedits", "gnomon_small") is None


def test_targets_follow_the_figures() -> None:
    def verdicts(content: dict[str, object]) -> dict[str, str]:
        return {target.what: target.verdict for target in targets(content)}

    good, bad = verdicts(some(0.93)), verdicts(some(0.87))
    speed = "`banking77`, training rows a second of a processor, `gnomon_small` / ten-line fine-tune"
    assert (good[speed], bad[speed]) == ("met", "met")
    assert verdicts(some(0.80))[speed] == "**missed**"  # as quick, but worse than the ten-line fine-tune
    worse = "`gnomon_small` against the best of the four baselines: worse"
    assert (good[worse], bad[worse]) == ("not measured", "**missed**")
    assert good["`summedits`, AUROC"] == "not measured"
    ece = "`banking77`, ECE of `gnomon_small`"
    assert (verdicts(some(0.92))[ece], verdicts(some(0.86))[ece]) == ("met", "**missed**")


def few_shot(own: tuple[float, float], setfit: tuple[float, float]) -> dict[str, str]:
    """Return the verdicts on accuracies and processor seconds; the clock says the reverse of these."""
    cells_ = [
        measured(method, share, seed, shots=8, fit_processor_s=took, fit_s=1_000.0 - took)
        for method, (share, took) in (("gnomon_small", own), ("setfit", setfit))
        for seed in plan.SEEDS
    ]
    content = summary.summarised(cells_, {}, []) | {"command": "…"}
    section.rendered(content)
    return {target.what: target.verdict for target in targets(content)}


def test_the_time_of_a_few_shot_run_is_judged_by_seconds_of_processors() -> None:
    time = "`banking77`, 8 rows a class, `gnomon_small`: training time"
    accuracy = "`banking77`, 8 rows a class, `gnomon_small`: accuracy"
    quick, slow = few_shot((0.9, 99.0), (0.9, 300.0)), few_shot((0.8, 101.0), (0.9, 300.0))
    assert (quick[time], slow[time]) == ("met", "**missed**")
    assert (quick[accuracy], slow[accuracy]) == ("met", "**missed**")
    assert quick["`banking77`, 16 rows a class, `gnomon_small`: accuracy"] == "not measured"


def test_accuracies_of_different_seeds_are_not_compared() -> None:
    cells_ = [measured("gnomon_small", 0.9, 0, shots=8), measured("setfit", 0.8, 1, shots=8)]
    found = {target.what: target.verdict for target in targets(summary.summarised(cells_, {}, []))}
    assert found["`banking77`, 8 rows a class, `gnomon_small`: accuracy"] == "not measured"


def test_a_rate_that_could_not_be_measured_is_no_failure() -> None:
    content = some(0.93, rows_per_s=None, rows_per_processor_s=None)
    section.rendered(content)
    found = {target.what: target.verdict for target in targets(content)}
    speed = "`banking77`, training rows a second of a processor, `gnomon_small` / ten-line fine-tune"
    assert found[speed] == "not measured"


def test_figures_of_some_of_the_seeds_say_so() -> None:
    one = summary.summarised([measured("frozen", 0.9, 1)], {}, []) | {"command": "…"}
    assert "only seed 1" in section.rendered(one)
    assert "only seed" not in section.rendered(some(0.9))


def test_what_failed_is_named_beside_what_was_measured() -> None:
    content = some(0.93) | {"failed": {"summedits plain seed 0": "see the log:\nValueError: no", "x": ""}}
    assert "- summedits plain seed 0 failed: ValueError: no" in section.rendered(content)
    assert "**0.930**" in section.rendered(content)


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


def test_a_comment_is_no_reason_to_measure_again(tmp_path: Path) -> None:
    file = tmp_path / "method.py"

    def digest_of(text: str) -> str:
        file.write_text(text)
        return cells._what_it_does(file)

    plain = digest_of("def f(x):\n    return x + 1\n")
    assert (
        digest_of('"""Says."""\n\n\ndef f(x):  # adds\n    """Return more."""\n    return (x + 1)\n') == plain
    )
    assert digest_of("def f(x):\n    return x + 2\n") != plain


def test_calls_for_some_cells_add_up_and_a_failed_or_unreadable_one_loses_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options(tmp_path)

    def run(cell: Cell, options: Options, folder: Path) -> None:
        if cell.method == "plain":
            raise cells.CellError(f"{cell} failed")
        if cell.method == "setfit":
            raise OSError("No space left on device")
        folder.mkdir(parents=True)
        one = np.zeros(1, dtype=np.int64)
        cells.write(folder, {"fit_s": 1.0}, truth=one, probabilities=np.ones((1, 2)), rows=one, fold=one)

    monkeypatch.setattr(cells, "_run", run)
    first = [Cell("tfidf", "banking77", 0), Cell("plain", "banking77", 0), Cell("setfit", "banking77", 0)]
    assert list(command._measure(first, given)) == [str(first[1]), str(first[2])]
    assert not command._measure([Cell("frozen", "banking77", 7), Cell("frozen", "banking77", 1)], given)
    kept = command._kept(given, [7], [])
    assert [str(one.cell) for one in kept] == [
        "banking77 tfidf seed 0",
        "banking77 frozen seed 1",
        "banking77 frozen seed 7",
    ]

    (given.work / "cells" / cells.key(first[0], given) / "predictions.npz").write_bytes(b"torn")
    assert [one.cell.method for one in command._kept(given, [], [])] == ["frozen"]
    assert "banking77 tfidf seed 0 cannot be read" in capsys.readouterr().err


def test_a_cell_that_fails_says_why_and_leaves_nothing_to_be_taken_for_a_result(tmp_path: Path) -> None:
    given, cell = options(tmp_path), Cell("tfidf", "banking77", 0)
    with pytest.raises(cells.CellError, match="KeyError"):  # the file's row has no label
        cells.measure(cell, given)
    assert not cells.is_kept(cell, given)


_WORK = "import sys, time\nwhile time.process_time() < 0.2: pass\n"


def test_seconds_of_processors_are_those_of_a_process_and_of_its_children() -> None:
    before = clocks.now()
    subprocess.run([sys.executable, "-c", _WORK], check=True)
    assert (clocks.now() - before).processor >= 0.2


def test_seconds_of_another_process_hold_those_of_its_children_before_and_after_they_end() -> None:
    parent = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {_WORK!r}], check=True)
print("ended", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ended\n"
        assert clocks.now_of(process.pid).processor >= 0.2
        assert process.stdin is not None
        process.stdin.close()
    assert clocks.now_of(process.pid).processor == 0.0  # it is gone


def test_a_cell_of_folds_took_what_all_of_them_took_together() -> None:
    none = np.ones((1, 2))
    parts = [
        Answer(none, Seconds(4, 6), 100, Seconds(2, 4)),
        Answer(none, Seconds(6, 8), 300, Seconds(6, 4)),
    ]
    facts = cell_module.spent(parts, Seconds(20, 30))
    assert (facts["fit_s"], facts["fit_processor_s"]) == (10, 14)
    assert (facts["rows_per_s"], facts["rows_per_processor_s"]) == (50, 50)
    assert (facts["whole_s"], facts["whole_processor_s"]) == (20, 30)
    assert cell_module.spent([Answer(none, Seconds(1, 1))], Seconds(1, 1))["rows_per_s"] is None
