import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from benchmarks.quality import cell, cells, methods, sets, unseen
from benchmarks.quality.sets import SETS, divisions, rendered


def written(data: Path, name: str, rows: list[dict[str, object]]) -> None:
    (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def tweets(data: Path) -> None:
    labels = ["hate_speech", "neither", *["offensive_language"] * 6]
    rows = [
        {
            "id": f"{i}",
            "input": f"tweet {i}",
            "label": labels[i % 8],
            "split": "test" if i % 5 == 0 else "train",
        }
        for i in range(400)
    ]
    written(data, "davidson_hate", [row | {"votes": [3, 0, 0], "source": "s"} for row in rows])


def trajectories(data: Path) -> None:
    rows = [
        {
            "id": f"tau-retail-t{task}-r{trial}",
            "messages": [{"role": "user", "content": f"do {task}"}, {"role": "assistant", "content": "done"}],
            "label": trial == 0,
            "split": "test" if task % 3 == 0 else "train",
            "meta": {"reward": 1.0},
        }
        for task in range(10)
        for trial in range(2)
    ]
    written(data, "tau_bench", rows)


def test_nothing_but_what_the_product_reads_and_the_label_is_kept_of_a_row(tmp_path: Path) -> None:
    tweets(tmp_path)
    trajectories(tmp_path)
    for name, columns in (("davidson_hate", {"input", "label"}), ("tau_bench", {"messages", "label"})):
        for part in divisions(SETS[name], tmp_path, 0):
            assert all(record.keys() == columns for record in (*part.training, *part.test))


def test_a_share_of_each_class_is_drawn_by_the_seed_and_the_test_rows_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tweets(tmp_path)
    small = sets.PublicSet(**{**_fields(SETS["davidson_hate"]), "rows": 80})
    (first,), (again,), (other,) = (divisions(small, tmp_path, seed) for seed in (0, 0, 1))
    counts = Counter(record["label"] for record in first.training)
    assert counts == {"hate_speech": 10, "neither": 10, "offensive_language": 60}
    assert first.training == again.training != other.training
    assert first.test == other.test
    assert len(first.test) == 80
    texts = {record["input"] for record in first.training}
    assert not texts & {record["input"] for record in first.test}


def test_few_shot_sets_have_so_many_rows_of_each_class(tmp_path: Path) -> None:
    tweets(tmp_path)
    (part,) = divisions(SETS["davidson_hate"], tmp_path, 0, shots=8)
    assert set(Counter(record["label"] for record in part.training).values()) == {8}
    assert len(part.test) == 80


def test_folds_measure_every_row_once_and_keep_the_trials_of_a_task_together(tmp_path: Path) -> None:
    trajectories(tmp_path)
    parts = divisions(SETS["tau_bench"], tmp_path, 0)
    assert len(parts) == 5
    assert sorted(row for part in parts for row in part.test_rows) == list(range(20))
    for part in parts:
        tasks = {str(record["messages"]) for record in part.test}
        assert not tasks & {str(record["messages"]) for record in part.training}


TOPICS = ("ledger", "harbour", "violin", "glacier", "orchard", "turbine", "parchment", "lantern")


def claim(number: int) -> str:
    """Return a sentence that shares little with those of other numbers."""
    return " ".join(f"{topic}{number * 31 % 97}x{number}" for topic in TOPICS)


def claims(data: Path) -> None:
    """Rows 0 and 1 of the test set are learned from too, the second but for a word; 2 with another label."""
    rows = [
        {"input": claim(i), "label": f"class {i % 2}", "split": "test" if i < 20 else "train"}
        for i in range(60)
    ]
    altered = claim(1).replace("lantern", "candle")
    other = claim(3).replace("lantern", "candle")
    rows += [
        {"input": claim(0).upper() + "!", "label": "class 0", "split": "train"},
        {"input": altered, "label": "class 1", "split": "train"},
        {"input": other, "label": "class 0", "split": "train"},  # the word may be the difference
    ]
    written(data, "banking77", rows)


def test_no_method_learns_from_what_the_test_rows_have_too(tmp_path: Path) -> None:
    claims(tmp_path)
    (part,) = divisions(SETS["banking77"], tmp_path, 0)
    texts = [record["input"] for record in part.training]
    assert texts == [*(claim(i) for i in range(20, 60)), claim(3).replace("lantern", "candle")]
    assert part.left_out == 2
    assert len(part.test) == 20
    (few,) = divisions(SETS["banking77"], tmp_path, 0, shots=20)
    assert len(few.training) == 40
    assert few.left_out == 2


def test_what_was_found_of_the_same_rows_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims(tmp_path)
    cache = tmp_path / "cache"
    first = divisions(SETS["banking77"], tmp_path, 0, cache=cache)
    with monkeypatch.context() as patched:
        patched.setattr(unseen, "_overlapping", lambda *_: pytest.fail("it was kept"))
        assert divisions(SETS["banking77"], tmp_path, 0, cache=cache) == first
    (file,) = cache.iterdir()
    claims_of_others = (tmp_path / "banking77.jsonl").read_text().replace("candle", "torch")
    (tmp_path / "banking77.jsonl").write_text(claims_of_others)
    assert divisions(SETS["banking77"], tmp_path, 0, cache=cache) != first
    assert len(list(cache.iterdir())) == 2
    assert file.exists()


def test_a_quick_try_has_rows_of_each_of_a_few_classes(tmp_path: Path) -> None:
    tweets(tmp_path)
    part = sets.smaller(divisions(SETS["davidson_hate"], tmp_path, 0)[0], 16, 8)
    assert sets.classes_of(part.training) == sets.classes_of(part.test)
    assert (len(part.training), len(part.test), len(part.test_rows)) == (16, 8, 8)


def test_what_is_judged_and_its_documents_are_read_as_a_pair(tmp_path: Path) -> None:
    summary = {"input": "Summarise.", "output": "It rose.", "context": ["It fell."], "label": True}
    other = summary | {"output": "It stood still.", "split": "test"}
    written(tmp_path, "summedits", [summary | {"split": "dev"}, other])
    (part,) = divisions(SETS["summedits"], tmp_path, 0)
    (text,) = rendered(SETS["summedits"], part.training)
    assert "It rose." in text.text
    assert text.pair is not None
    assert "It fell." in text.pair
    assert part.training[0]["label"] == "true"


def _fields(public: sets.PublicSet) -> dict[str, object]:
    return {name: getattr(public, name) for name in public.__dataclass_fields__}


def test_a_recipe_that_takes_another_is_known_before_it_is_trained() -> None:
    public = SETS["banking77"]
    record = {"input": "where is my card " + "and why " * 40, "label": "lost"}
    many = sets.Division([{**record, "label": f"{n % 2}"} for n in range(2_000)], [record], [0])
    few = sets.Division(many.training[:20], [record], [0])

    def taken(division: sets.Division, method: str) -> str:
        metric = sets.metric_of(public, division)
        return methods.same_as(method, metric, sets.rows_of(public, division.training))

    assert taken(many, "gnomon_auto") == "gnomon_small"
    assert taken(few, "gnomon_auto") == "gnomon_few"
    assert [taken(few, method) for method in ("gnomon_small", "tfidf")] == ["gnomon_small", "tfidf"]


def test_what_another_method_was_trained_to_is_taken_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [("train", 80), ("test", 10)]
    rows: list[dict[str, object]] = [
        {"split": split, "input": f"text number {n} of {split}, {n * 7}", "label": f"{n % 2}"}
        for split, count in parts
        for n in range(count)
    ]
    written(tmp_path, "banking77", rows)
    given = cells.Options(tmp_path, tmp_path / "work")
    kept = given.work / "cells" / cells.key(cells.Cell("gnomon_small", "banking77", 0), given)
    kept.mkdir(parents=True)
    one = np.arange(2)
    cells.write(kept, {"fit_s": 1.0}, truth=one, probabilities=np.eye(2), rows=one, fold=one)
    monkeypatch.setattr(methods, "same_as", lambda *_: "gnomon_small")
    job = {"method": "gnomon_auto", "public": "banking77", "seed": 0, "shots": 0}
    job |= {"data": str(tmp_path), "work": str(given.work), "quick": "False", "setfit_seconds": "600.0"}
    (tmp_path / "cell").mkdir()
    cell.main(job, tmp_path / "cell")
    found = cells.read(cells.Cell("gnomon_auto", "banking77", 0), tmp_path / "cell")
    assert found.facts == {"fit_s": 1.0, "same_as": "gnomon_small"}
    assert found.probabilities.tolist() == np.eye(2).tolist()


def test_a_cell_of_the_product_depends_on_what_a_training_imports_and_on_nothing_else() -> None:
    names = {file.name for file in methods.sources("gnomon_small")}
    assert names >= {"small.toml", "stages.py", "network.py", "optimizing.py", "calibration.py", "windows.py"}
    assert not names & {"run_use_cases.py", "wiring.py", "client.py", "sql_runs.py"}
    assert not {file.name for file in methods.sources("frozen")} & {"small.toml", "stages.py"}
